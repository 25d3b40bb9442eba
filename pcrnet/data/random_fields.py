"""Random fields over the voxels of a batch: smooth displacements, and normal noise.

Displacements are random at control points that span the crop, and linear between two of them. Noise
is a stretch of one long row of normal numbers, from a place that the patient's own seed chooses:
drawing it afresh would take a tenth of a training step on a CPU.

Shapes: B patients, T timepoints, C channels, n control points along each axis, X Y Z voxels.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import groupby
from typing import NamedTuple

import torch
from torch import Tensor

_SEED = 1 << 62
_STRETCHES = 1 << 17  # places where a patient's noise can begin


class NoiseField(NamedTuple):
    """What is added to a batch.

    Attributes:
        row: float32 (L,), normal numbers, on the device of the batch.
        begin: Where in the row those of each of the B patients begin.
        amount: Standard deviation, in network input units.
        grows: bool (C,), on the CPU; where the network sees the logarithm of 1 + a value, as of
            SUV, noise grows with it.
    """

    row: Tensor
    begin: tuple[int, ...]
    amount: float
    grows: Tensor


def noise_of(image: Tensor, seeds: Sequence[int], amount: float, grows: Tensor) -> NoiseField:
    """The noise of a batch, by the seed of each of its patients.

    Args:
        image: (B, T, C, X, Y, Z), on the device that trains.
        seeds: One for each of the B patients.
        amount: Standard deviation, in network input units.
        grows: bool (C,), on the CPU; see :class:`NoiseField`.
    """
    row = _normal_row(image[0].numel() + _STRETCHES, image.device)
    return NoiseField(row, tuple(seed % _STRETCHES for seed in seeds), amount, grows)


def add_noise(image: Tensor, noise: NoiseField) -> None:
    """Add noise to a batch, float32 (B, T, C, X, Y, Z), in place."""
    # Runs of neighbouring channels that take it alike: (grows or not, from, to).
    runs = [
        (grows, list(places))
        for grows, places in groupby(range(len(noise.grows)), noise.grows.tolist().__getitem__)
    ]
    for own, begin in zip(image, noise.begin, strict=True):
        stretch = noise.row[begin : begin + own.numel()].view(own.shape)
        for grows, places in runs:
            channels = slice(places[0], places[-1] + 1)
            values, numbers = own[:, channels], stretch[:, channels]
            if grows:  # d log(1 + SUV) = d SUV / (1 + SUV)
                values.addcmul_(numbers, values.clamp(min=0.0).add_(1.0), value=noise.amount)
            else:
                values.add_(numbers, alpha=noise.amount)


@lru_cache(maxsize=2)
def _normal_row(length: int, device: torch.device) -> Tensor:
    generator = torch.Generator().manual_seed(_SEED)
    return torch.randn(length, generator=generator).to(device)


def displacement(bend: Tensor, size: tuple[int, int, int]) -> Tensor:
    """Control points (B, 3, n, n, n) to voxels (B, 3, X, Y, Z): along one axis after another."""
    nodes = bend.shape[-1]
    for length in size:  # its axis goes to the end
        shares = shares_of_nodes(nodes, length, bend.device)
        if bend.device.type != "cpu":
            bend = torch.tensordot(bend, shares, dims=([2], [1]))
            continue
        # A sum in an order of its own: a matrix product's hangs on the number of patients.
        share, each = shares.unbind(1), bend.unbind(2)  # n of (length,), n of (B, 3, …)
        bend = each[0][..., None] * share[0]
        for node in range(1, nodes):
            bend.addcmul_(each[node][..., None], share[node])
    return bend


@lru_cache(maxsize=32)
def shares_of_nodes(nodes: int, length: int, device: torch.device) -> Tensor:
    """What each voxel along an axis takes of each control point: (length, n)."""
    place = torch.linspace(0, nodes - 1, length, device=device)
    node = torch.arange(nodes, device=device)
    return (1 - (place[:, None] - node).abs()).clamp(min=0)

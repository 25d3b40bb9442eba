"""Normal noise of a batch: each patient's by the patient's own seed, wherever it stands.

It is a stretch of one long row of normal numbers, from a place that the seed chooses: drawing it
afresh would take a tenth of a training step on a CPU.

Shapes: B patients, T timepoints, C channels, X Y Z voxels.
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


class Noise(NamedTuple):
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


def noise_of(image: Tensor, seeds: Sequence[int], amount: float, grows: Tensor) -> Noise:
    """The noise of a batch (B, T, C, X, Y, Z), by the seed of each of its B patients."""
    row = _normal_row(image[0].numel() + _STRETCHES, image.device)
    return Noise(row, tuple(seed % _STRETCHES for seed in seeds), amount, grows)


def add_noise(image: Tensor, noise: Noise) -> None:
    """Add it to a batch, float32 (B, T, C, X, Y, Z), in place."""
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

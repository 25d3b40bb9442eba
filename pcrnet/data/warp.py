"""The warp of a batch: where every voxel looks, and what it sees there.

On a CPU each voxel gathers, for all channels of its visit at once, four rows that hold two
neighbours each: a quarter of the time of ``grid_sample``, which goes voxel by voxel and channel by
channel. Where there is a C compiler the same is compiled, to the same bits, in
:mod:`pcrnet.data.warp_compiled`. A GPU for which kernels can be compiled has one of its own, in
:mod:`pcrnet.data.warp_triton`; any other device samples with ``grid_sample``.

Shapes: B patients, T timepoints, N = B·T visits, C channels, X Y Z voxels, V = X·Y·Z.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional

from pcrnet.config.imaging import ImagingConfig
from pcrnet.data.random_fields import NoiseField, add_noise, displacement
from pcrnet.data.warp_compiled import compiled_warp
from pcrnet.machine import compiles_kernels

_VOXELS_AT_ONCE = 200_000  # what is computed of them fits the caches of a core


def warp(
    image: Tensor,
    transform: Tensor,
    elastic_mm: Tensor,
    imaging: ImagingConfig,
    gain: Tensor | None = None,
    noise: NoiseField | None = None,
) -> Tensor:
    """Sample every visit where its transform looks, linearly; beyond the border lies the border.

    What was sampled is amplified, and noise added to it: at once, where the warp is compiled.

    Args:
        image: float (B, T, C, X, Y, Z).
        transform: float32 (B, T, 3, 4); where each voxel looks, in millimetres from the centre.
        elastic_mm: float32 (B, 3, n, n, n), displacements of the patient at control points that
            span the crop; n = 0 leaves them out.
        imaging: The grid.
        gain: float32 (B, T, C), a factor of each channel.
        noise: Of the B patients.

    Returns:
        float32 (B, T, C, X, Y, Z).
    """
    gathers = image.device.type == "cpu" and min(imaging.size) > 1
    visits = image.flatten(0, 1)
    moves = _in_voxels(transform.flatten(0, 1), imaging)
    bend = None  # at control points
    if elastic_mm.shape[-1]:
        bend = elastic_mm / _placed(imaging.spacing_mm, image.device)[:, None, None, None]
    if gathers and (compiled := compiled_warp()) is not None:
        gains = None if gain is None else gain.flatten(0, 1)
        return compiled(visits, moves, bend, gains, noise).view(image.shape)
    everywhere = None if bend is None else displacement(bend, imaging.size)
    moved = _moved(visits, moves, everywhere, imaging, gathers=gathers).view(image.shape)
    if gain is not None:
        moved *= gain[..., None, None, None]
    if noise is not None:
        add_noise(moved, noise)
    return moved


def _moved(
    visits: Tensor, moves: Tensor, bend: Tensor | None, imaging: ImagingConfig, *, gathers: bool
) -> Tensor:
    """Visits (N, C, X, Y, Z) seen by moves (N, 3, 4) and bend (B, 3, X, Y, Z), in voxels."""
    if compiles_kernels(visits.device):
        from pcrnet.data.warp_triton import warp_visits

        return warp_visits(visits, moves, bend)
    at_once = max(1, _VOXELS_AT_ONCE // math.prod(imaging.size)) if gathers else len(visits)
    of_patient = 1 if bend is None else len(visits) // len(bend)
    moved = torch.empty(visits.shape, device=visits.device)
    for first in range(0, len(visits), at_once):
        chosen = slice(first, min(first + at_once, len(visits)))
        whose = [visit // of_patient for visit in range(chosen.start, chosen.stop)]
        looks = _looks(moves[chosen], None if bend is None else bend[whose], imaging.size)
        if gathers:
            _gather(visits[chosen], looks, out=moved[chosen])
        else:
            moved[chosen] = _sample(visits[chosen], looks)
    return moved


def _in_voxels(transform: Tensor, imaging: ImagingConfig) -> Tensor:
    """The same map (N, 3, 4) from indices of voxels to (fractional) indices of voxels."""
    spacing = _placed(imaging.spacing_mm, transform.device)
    middle = (_placed(imaging.size, transform.device) - 1) / 2
    matrix = transform[..., :3] * spacing / spacing[:, None]
    offset = transform[..., 3] / spacing + middle - matrix @ middle
    return torch.cat([matrix, offset[..., None]], dim=-1)


@lru_cache(maxsize=32)
def _placed(values: tuple[float, ...], device: torch.device) -> Tensor:
    """Numbers on a device: sent once, for a GPU stops for what it is sent."""
    return torch.tensor(values, dtype=torch.float32, device=device)


def _looks(moves: Tensor, bend: Tensor | None, size: Sequence[int]) -> list[Tensor]:
    """Where to look along x, y and z: three of (N, X, Y, Z), within the grid, in voxels.

    The last index is kept an ulp short of the last voxel, so that a neighbour is always there.
    """
    x, y, z = (torch.arange(length, device=moves.device) for length in size)
    looks = []
    for axis, length in enumerate(size):
        along_x, along_y, along_z, offset = moves[:, axis, :, None, None].unbind(
            1
        )  # each (N, 1, 1)
        plane = (offset + along_x * x[:, None]) + along_y * y  # (N, X, Y)
        look = plane[..., None] + (along_z * z)[:, :, None, :]
        if bend is not None:
            look += bend[:, axis]
        last = torch.nextafter(torch.tensor(length - 1.0), torch.tensor(0.0))
        looks.append(look.clamp_(0.0, max(0.0, float(last))))
    return looks


def _sample(visits: Tensor, looks: Sequence[Tensor]) -> Tensor:
    """By ``grid_sample``, whose unit is half the crop and whose last axis comes first."""
    unit = [
        (2.0 * look + 1.0) / length - 1.0
        for look, length in zip(looks, visits.shape[2:], strict=True)
    ]
    return functional.grid_sample(
        visits.float(),
        torch.stack(unit[::-1], dim=-1),
        mode="bilinear",
        padding_mode="border",
        align_corners=False,
    )


def _gather(visits: Tensor, looks: Sequence[Tensor], *, out: Tensor) -> None:
    """Visits (N, C, X, Y, Z) at ``looks``, into ``out``."""
    number, channels = visits.shape[:2]
    _, height, depth = visits.shape[2:]
    voxels = looks[0][0].numel()
    shares: list[Tensor] = []
    index: Tensor | None = None
    for look, length in zip(looks, visits.shape[2:], strict=True):
        whole = look.to(torch.int32)
        shares.append(look.sub_(whole).flatten())
        index = whole if index is None else whole.add_(index, alpha=length)
    assert index is not None  # noqa: S101
    index = index.view(number, -1).add_(torch.arange(number, dtype=torch.int32)[:, None] * voxels)
    corner = torch.tensor([0, depth, height * depth, height * depth + depth], dtype=torch.int32)
    of_x, of_y, of_z = shares
    weight = torch.empty(number * voxels, 4)
    torch.mul(of_x, of_y, out=weight[:, 3])
    torch.sub(of_x, weight[:, 3], out=weight[:, 2])
    torch.sub(of_y, weight[:, 3], out=weight[:, 1])
    torch.sub(1 - of_x, weight[:, 1], out=weight[:, 0])
    near_and_far = functional.embedding_bag(
        (index[..., None] + corner).view(-1, 4),
        _pairs(visits),
        mode="sum",
        per_sample_weights=weight,
    )
    near, far = near_and_far.view(number, voxels, 2, channels).transpose(1, 3).unbind(2)
    torch.lerp(near, far, of_z.view(number, 1, voxels), out=out.view(number, channels, voxels))


def _pairs(visits: Tensor) -> Tensor:
    """Each voxel's channels beside those of the next along z: (N·V, 2·C), float32.

    The last voxel of a column has the first of the next column beside it, and is never asked.
    """
    channels = visits.shape[1]
    rows = visits.flatten(2).transpose(1, 2)  # (N, V, C)
    flat = torch.zeros(rows.numel() + channels)
    flat[:-channels].view(rows.shape).copy_(rows)
    return flat.as_strided((rows.numel() // channels, 2 * channels), (channels, 1)).contiguous()

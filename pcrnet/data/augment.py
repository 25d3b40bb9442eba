"""Augmentation of a batch: one fused warp and random intensities, on the device that trains.

Drawing is separate from applying: :func:`draw` makes a record of random parameters on the CPU from
seeds that name epoch and patient, :func:`apply` is a pure function of batch and record.

Shapes: B patients, T timepoints, C channels, R branches, X Y Z voxels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from pcrnet.config.augmentation import AugmentationConfig
from pcrnet.config.imaging import ImagingConfig
from pcrnet.data.random_fields import add_noise, noise_of
from pcrnet.data.warp import warp

_NOISE = 1 << 62  # the bit that parts the stream of the noise from that of the other numbers
_ELASTIC_NODES = 5  # control points along each axis: displacements smooth over a fifth of the crop


class AugmentationParameters(NamedTuple):
    """The random numbers of one batch.

    Attributes:
        transform: float32 (B, T, 3, 4); where each output voxel looks, in millimetres from the
            centre of the crop. The mirror image and the rotation are shared by all visits.
        elastic_mm: float32 (B, 3, n, n, n) displacements at control points; n = 0 leaves it out.
        gain: float32 (B, T, R); factor on the intensities of one branch of one visit.
        keep: bool (B, T, C); False hides a channel that is there.
        noise_seeds: Seed of the noise of each of the B patients.
    """

    transform: Tensor
    elastic_mm: Tensor
    gain: Tensor
    keep: Tensor
    noise_seeds: tuple[int, ...]


def draw(
    config: AugmentationConfig,
    seeds: Sequence[int],
    timepoints: int,
    channels: int,
    branches: int,
) -> AugmentationParameters:
    """Draw the parameters of one batch, one seed a patient."""
    nodes = _ELASTIC_NODES if config.elastic_mm > 0 else 0
    numbers = [_numbers(seed, timepoints, channels, branches, nodes) for seed in seeds]
    uniform, shifts, elastic = (torch.stack(drawn) for drawn in zip(*numbers, strict=True))
    # (B, ...): seven of the patient's place, one of the mirror, T·R of gain, T·C of what is hidden
    place, mirror, gain, hide = torch.split(
        uniform, [7, 1, timepoints * branches, timepoints * channels], dim=1
    )
    place, gain = 2.0 * place - 1.0, 2.0 * gain - 1.0
    matrix = _rotations(place[:, :3] * (torch.pi / 180.0 * config.rotation_degrees))
    matrix = matrix * (1.0 + place[:, 3] * config.scale_fraction)[:, None, None]
    side = torch.where(mirror < config.flip_probability, -1.0, 1.0)  # (B, 1)
    matrix = torch.cat([matrix[..., :1] * side[..., None], matrix[..., 1:]], dim=2)
    offset = place[:, None, 4:] * config.translation_mm + shifts * config.visit_shift_mm
    return AugmentationParameters(
        transform=torch.cat(
            [matrix[:, None].expand(-1, timepoints, 3, 3), offset[..., None]], dim=3
        ),
        elastic_mm=elastic * config.elastic_mm,
        gain=1.0 + torch.unflatten(gain, 1, (timepoints, branches)) * config.gain_fraction,
        keep=torch.unflatten(hide, 1, (timepoints, channels)) >= config.channel_dropout,
        noise_seeds=tuple(int(seed) ^ _NOISE for seed in seeds),
    )


def _numbers(
    seed: int, timepoints: int, channels: int, branches: int, nodes: int
) -> tuple[Tensor, Tensor, Tensor]:
    """All numbers of a patient, in an order and number that no strength changes."""
    generator = torch.Generator()
    generator.manual_seed(seed)
    return (
        torch.rand(8 + timepoints * (branches + channels), generator=generator),
        torch.randn(timepoints, 3, generator=generator),
        torch.randn(3, nodes, nodes, nodes, generator=generator),
    )


def apply(
    image: Tensor,
    present: Tensor,
    parameters: AugmentationParameters,
    config: AugmentationConfig,
    imaging: ImagingConfig,
    branch_of_channel: Tensor,
    is_suv: Tensor,
    distort: Callable[[Tensor], Tensor] | None = None,
) -> tuple[Tensor, Tensor]:
    """Augment a batch.

    Args:
        image: float (B, T, C, X, Y, Z), physical units.
        present: bool (B, T, C).
        parameters: From :func:`draw`, on the device of ``image``.
        config: Strength of the noise.
        imaging: The grid.
        branch_of_channel: int (C,).
        is_suv: bool (C,), on the CPU; noise on SUV grows with SUV, as the network sees its
            logarithm.
        distort: What the scanner does to the image before noise comes to it.

    Returns:
        The augmented image, float32, and the presence after hiding channels. A patient never
        loses the last channel.
    """
    gain = parameters.gain[:, :, branch_of_channel]
    noise = None
    if config.noise > 0:
        noise = noise_of(image, parameters.noise_seeds, config.noise, is_suv)
    if distort is None:
        moved = warp(image, parameters.transform, parameters.elastic_mm, imaging, gain, noise)
    else:
        moved = distort(warp(image, parameters.transform, parameters.elastic_mm, imaging, gain))
        if noise is not None:
            add_noise(moved, noise)
    kept = present & parameters.keep
    nothing_left = ~kept.flatten(1).any(dim=1)
    return moved, torch.where(nothing_left[:, None, None], present, kept)


def _rotations(angles: Tensor) -> Tensor:
    """Rotation matrices (B, 3, 3) of angles (B, 3) in radians, about x, then y, then z."""
    cos_x, cos_y, cos_z = torch.cos(angles).unbind(1)
    sin_x, sin_y, sin_z = torch.sin(angles).unbind(1)
    entries = (
        (
            cos_z * cos_y,
            cos_z * sin_y * sin_x - sin_z * cos_x,
            cos_z * sin_y * cos_x + sin_z * sin_x,
        ),
        (
            sin_z * cos_y,
            sin_z * sin_y * sin_x + cos_z * cos_x,
            sin_z * sin_y * cos_x - cos_z * sin_x,
        ),
        (-sin_y, cos_y * sin_x, cos_y * cos_x),
    )
    return torch.stack([entry for row in entries for entry in row], dim=1).view(-1, 3, 3)

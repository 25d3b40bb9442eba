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
from torch.nn import functional

from pcrnet.config.augmentation import AugmentationConfig
from pcrnet.config.imaging import ImagingConfig

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
    transforms, elastics, gains, keeps = [], [], [], []
    nodes = _ELASTIC_NODES if config.elastic_mm > 0 else 0
    generator = torch.Generator()
    for seed in seeds:
        generator.manual_seed(seed)
        # A fixed number of draws in a fixed order: changing one strength changes nothing else.
        uniform = 2.0 * torch.rand(8, generator=generator) - 1.0
        flip = bool(torch.rand((), generator=generator) < config.flip_probability)
        shifts = torch.randn(timepoints, 3, generator=generator) * config.visit_shift_mm
        gain = 2.0 * torch.rand(timepoints, branches, generator=generator) - 1.0
        hide = torch.rand(timepoints, channels, generator=generator) < config.channel_dropout
        elastic = torch.randn(3, nodes, nodes, nodes, generator=generator) * config.elastic_mm
        matrix = _rotation(uniform[:3] * torch.pi / 180.0 * config.rotation_degrees)
        matrix = matrix * (1.0 + uniform[3] * config.scale_fraction)
        if flip:
            matrix = matrix @ torch.diag(torch.tensor([-1.0, 1.0, 1.0]))
        offset = uniform[4:7] * config.translation_mm + shifts  # (T, 3)
        transforms.append(torch.cat([matrix.expand(timepoints, 3, 3), offset[:, :, None]], dim=2))
        elastics.append(elastic)
        gains.append(1.0 + gain * config.gain_fraction)
        keeps.append(~hide)
    return AugmentationParameters(
        transform=torch.stack(transforms),
        elastic_mm=torch.stack(elastics),
        gain=torch.stack(gains),
        keep=torch.stack(keeps),
        noise_seeds=tuple(int(seed) ^ _NOISE for seed in seeds),
    )


def apply(
    image: Tensor,
    present: Tensor,
    parameters: AugmentationParameters,
    config: AugmentationConfig,
    imaging: ImagingConfig,
    branch_of_channel: Tensor,
    is_suv: Tensor,
    distort: Callable[[Tensor], Tensor] = lambda moved: moved,
) -> tuple[Tensor, Tensor]:
    """Augment a batch.

    Args:
        image: float (B, T, C, X, Y, Z), physical units.
        present: bool (B, T, C).
        parameters: From :func:`draw`, on the device of ``image``.
        config: Strength of the noise.
        imaging: The grid.
        branch_of_channel: int (C,).
        is_suv: bool (C,); noise on SUV grows with SUV, as the network sees its logarithm.
        distort: What the scanner does to the image before noise comes to it.

    Returns:
        The augmented image, float32, and the presence after hiding channels. A patient never
        loses the last channel.
    """
    batch, timepoints = image.shape[:2]
    moved = functional.grid_sample(
        image.float().flatten(0, 1),
        _sampling_grid(parameters, imaging),
        mode="bilinear",
        padding_mode="border",
        align_corners=False,
    ).reshape(batch, timepoints, *image.shape[2:])
    gain = parameters.gain[:, :, branch_of_channel]
    moved = distort(moved * gain[..., None, None, None])
    if config.noise > 0:
        noise = _noise(moved, parameters.noise_seeds)
        # d log(1 + SUV) = d SUV / (1 + SUV)
        size = torch.where(is_suv[:, None, None, None], 1.0 + moved.clamp(min=0.0), 1.0)
        moved = torch.addcmul(moved, noise, size, value=config.noise)
    kept = present & parameters.keep
    nothing_left = ~kept.flatten(1).any(dim=1)
    return moved, torch.where(nothing_left[:, None, None], present, kept)


def _noise(like: Tensor, seeds: Sequence[int]) -> Tensor:
    """Standard normal numbers, each patient's from the patient's own seed wherever it stands."""
    noise = torch.empty_like(like)
    generator = torch.Generator(device=like.device)
    for own, seed in zip(noise, seeds, strict=True):
        generator.manual_seed(seed)
        own.normal_(generator=generator)
    return noise


def _sampling_grid(parameters: AugmentationParameters, imaging: ImagingConfig) -> Tensor:
    """Where to look, (B·T, X, Y, Z, 3) in grid_sample's units of half the crop, last axis first."""
    device = parameters.transform.device
    batch, timepoints = parameters.transform.shape[:2]
    extent = torch.tensor(
        [n * mm for n, mm in zip(imaging.size, imaging.spacing_mm, strict=True)], device=device
    )
    axes = [
        (torch.arange(n, device=device) + 0.5 - n / 2) * mm
        for n, mm in zip(imaging.size, imaging.spacing_mm, strict=True)
    ]
    places = torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1).reshape(-1, 3)
    matrix, offset = parameters.transform[..., :3], parameters.transform[..., 3]
    looks = places @ matrix.transpose(-1, -2) + offset[:, :, None]  # (B, T, X·Y·Z, 3)
    if parameters.elastic_mm.shape[-1]:
        displacement = functional.interpolate(
            parameters.elastic_mm, size=imaging.size, mode="trilinear", align_corners=True
        )
        looks = looks + displacement.flatten(2).transpose(1, 2)[:, None]
    unit = (looks / (extent / 2)).flip(-1)
    return unit.reshape(batch * timepoints, *imaging.size, 3)


def _rotation(angles: Tensor) -> Tensor:
    """Rotation matrix from three angles in radians, about x, then y, then z."""
    matrix = torch.eye(3)
    for axis, angle in enumerate(angles):
        first, second = (axis + 1) % 3, (axis + 2) % 3
        turn = torch.eye(3)
        turn[first, first] = turn[second, second] = torch.cos(angle)
        turn[first, second] = -torch.sin(angle)
        turn[second, first] = torch.sin(angle)
        matrix = turn @ matrix
    return matrix

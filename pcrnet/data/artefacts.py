"""What coils, resolution, k-space and breathing do to images, as augmentation.

Each effect reaches the channels whose physics knows it. Blur and coarser voxels keep means, so
that SUV and ADC stay absolute; contrast, coil sensitivity, ringing and ghosts belong to MR signals.
Drawing is separate from applying, as in :mod:`pcrnet.data.augment`.

Shapes: B patients, T timepoints, C channels, R branches, X Y Z voxels, K = 20 monomials.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from pcrnet.config.augmentation import AugmentationConfig
from pcrnet.config.data import DataConfig
from pcrnet.config.imaging import ImagingConfig

_STREAM = 1 << 61  # the bit that parts these numbers from those of the warp
_ORDER = 3
_EXPONENTS = tuple(
    (x, y, z)
    for x in range(_ORDER + 1)
    for y in range(_ORDER + 1 - x)
    for z in range(_ORDER + 1 - x - y)
)
_TRUNCATE = 4.0  # standard deviations of a Gaussian kernel to either side
_FEWEST_GHOSTS, _MOST_GHOSTS = 2, 5


class ArtefactParameters(NamedTuple):
    """The random numbers of one batch.

    Attributes:
        log_gamma: float32 (B, T, C).
        bias: float32 (B, T, K) coefficients of x^i y^j z^k, i + j + k ≤ 3.
        blur_mm: float32 (B, T, R); 0 leaves it out.
        coarsening: float32 (B, T, R); 1 leaves it out.
        gibbs: float32 (B, T, R); 0 leaves it out.
        ghosting: float32 (B, T, R); 0 leaves it out.
        ghosts: int64 (B, T, R), how many.
        axis: int64 (B, T, R), along which the ghosts lie.
    """

    log_gamma: Tensor
    bias: Tensor
    blur_mm: Tensor
    coarsening: Tensor
    gibbs: Tensor
    ghosting: Tensor
    ghosts: Tensor
    axis: Tensor


class ChannelPhysics(NamedTuple):
    """What each of C channels is.

    Attributes:
        branch: int (C,).
        suv: bool (C,).
        standardised: bool (C,): z-scored, its scale has no meaning.
        signal: bool (C,): an MR signal as the coils received it, z-scored or DCE.
    """

    branch: Tensor
    suv: Tensor
    standardised: Tensor
    signal: Tensor

    @classmethod
    def of(cls, data: DataConfig, imaging: ImagingConfig) -> ChannelPhysics:
        """From the settings."""
        kinds = [imaging.channel_kind(name) for name in data.channels]
        branches = [
            index for index, channels in enumerate(data.branches.values()) for _ in channels
        ]
        return cls(
            branch=torch.tensor(branches),
            suv=torch.tensor([kind == "suv" for kind in kinds]),
            standardised=torch.tensor([kind == "zscore" for kind in kinds]),
            signal=torch.tensor([kind in ("zscore", "dce") for kind in kinds]),
        )


def any_artefact(config: AugmentationConfig) -> bool:
    """Whether there is anything to draw."""
    rare = config.blur_mm or config.coarsening > 1.0 or config.gibbs or config.ghosting
    return bool(config.gamma or config.bias_field or (rare and config.artefact_probability))


def draw_artefacts(
    config: AugmentationConfig, seeds: Sequence[int], timepoints: int, channels: int, branches: int
) -> ArtefactParameters:
    """Draw the parameters of one batch, one seed a patient."""
    drawn = [_of_patient(config, seed, timepoints, channels, branches) for seed in seeds]
    return ArtefactParameters(*(torch.stack(values) for values in zip(*drawn, strict=True)))


def _of_patient(
    config: AugmentationConfig, seed: int, timepoints: int, channels: int, branches: int
) -> ArtefactParameters:
    generator = torch.Generator()
    generator.manual_seed(int(seed) ^ _STREAM)

    def uniform(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator)

    # A fixed number of draws in a fixed order: changing one strength changes nothing else.
    log_gamma = (2 * uniform(timepoints, channels) - 1) * config.gamma
    bias = (2 * uniform(timepoints, len(_EXPONENTS)) - 1) * config.bias_field
    strength = uniform(4, timepoints, branches)
    there = (uniform(4, timepoints, branches) < config.artefact_probability).float()
    ghosts = torch.randint(
        _FEWEST_GHOSTS, _MOST_GHOSTS + 1, (timepoints, branches), generator=generator
    )
    axis = torch.randint(0, 3, (timepoints, branches), generator=generator)
    blur, coarsening, gibbs, ghosting = strength * there
    return ArtefactParameters(
        log_gamma,
        bias,
        blur * config.blur_mm,
        1.0 + coarsening * (config.coarsening - 1.0),
        gibbs * config.gibbs,
        ghosting * config.ghosting,
        ghosts,
        axis,
    )


def apply_artefacts(
    image: Tensor, parameters: ArtefactParameters, imaging: ImagingConfig, physics: ChannelPhysics
) -> Tensor:
    """Change a batch, in the order in which a scanner would: coil, k-space, voxels, contrast.

    Args:
        image: float32 (B, T, C, X, Y, Z), physical units.
        parameters: From :func:`draw_artefacts`, on the device of ``image``.
        imaging: The grid.
        physics: On the device of ``image``.

    Returns:
        A new tensor of the same shape.
    """
    image = _sensed(image, parameters.bias, physics)
    image = image.clone()
    for place in _struck(parameters):
        patient, visit, branch = place
        for chosen, effect in (
            (physics.signal, _in_k_space),
            (torch.ones_like(physics.signal), _resolved),
        ):
            channels = torch.nonzero(chosen & (physics.branch == branch)).flatten()
            if len(channels):
                values = image[patient, visit, channels]
                image[patient, visit, channels] = effect(values, parameters, place, imaging)
    return _with_contrast(image, parameters.log_gamma, physics)


_Place = tuple[int, int, int]


def _struck(parameters: ArtefactParameters) -> list[_Place]:
    """Patient, visit and branch of all that anything but coil and contrast changes."""
    any_of = (
        (parameters.blur_mm > 0)
        | (parameters.coarsening > 1)
        | (parameters.gibbs > 0)
        | (parameters.ghosting > 0)
    )
    return [(b, t, r) for b, t, r in torch.nonzero(any_of).tolist()]


def _sensed(image: Tensor, bias: Tensor, physics: ChannelPhysics) -> Tensor:
    """One field of sensitivity over all signals of a visit; the darkest voxel stays dark."""
    if not bool(bias.any()):
        return image
    field = sensitivity(bias, (image.shape[3], image.shape[4], image.shape[5]))[:, :, None]
    darkest = image.amin(dim=(3, 4, 5), keepdim=True)
    # A z-score is counted from the mean of the body; the signal behind it from the dark of air.
    zero = torch.where(physics.standardised[:, None, None, None], darkest, 0.0)
    changed = zero + (image - zero) * field
    return torch.where(physics.signal[:, None, None, None], changed, image)


def sensitivity(coefficients: Tensor, size: tuple[int, int, int]) -> Tensor:
    """exp Σ c_ijk x^i y^j z^k on a grid from −1 to 1, (…, K) to (…, X, Y, Z).

    The polynomial is that of Van Leemput et al., IEEE TMI 1999, and of TorchIO.
    """
    axes = []
    for length in size:
        places = torch.arange(length, device=coefficients.device) + 0.5 - length / 2
        axes.append(places / places.max().clamp(min=0.5))
    powers = [torch.stack([axis**n for n in range(_ORDER + 1)]) for axis in axes]
    x, y, z = (
        power[[exponents[index] for exponents in _EXPONENTS]] for index, power in enumerate(powers)
    )
    return torch.einsum("...k,kx,ky,kz->...xyz", coefficients, x, y, z).exp()


def _with_contrast(image: Tensor, log_gamma: Tensor, physics: ChannelPhysics) -> Tensor:
    """x^γ between the darkest and the brightest voxel of each standardised channel."""
    if not bool(log_gamma.any()):
        return image
    low = image.amin(dim=(3, 4, 5), keepdim=True)
    span = (image.amax(dim=(3, 4, 5), keepdim=True) - low).clamp(min=1e-6)
    gamma = log_gamma.exp()[..., None, None, None]
    changed = low + span * ((image - low) / span).clamp(0.0, 1.0) ** gamma
    return torch.where(physics.standardised[:, None, None, None], changed, image)


def _in_k_space(
    values: Tensor, parameters: ArtefactParameters, place: _Place, imaging: ImagingConfig
) -> Tensor:
    """Ringing and ghosts of channels (c, X, Y, Z)."""
    cut, strength = float(parameters.gibbs[place]), float(parameters.ghosting[place])
    if not cut and not strength:
        return values
    size = values.shape[1:]
    spectrum = torch.fft.fftshift(torch.fft.fftn(values, dim=(1, 2, 3)), dim=(1, 2, 3))
    if cut:
        spectrum = spectrum * _within_radius(size, cut, values.device)
    if strength:
        axis, ghosts = int(parameters.axis[place]), int(parameters.ghosts[place])
        weight = torch.ones(size[axis], device=values.device)
        weight[::ghosts] = 1.0 - strength
        weight[size[axis] // 2] = 1.0  # the middle of k-space holds the mean
        shape = [1, 1, 1, 1]
        shape[1 + axis] = -1
        spectrum = spectrum * weight.reshape(shape)
    changed: Tensor = torch.fft.ifftn(torch.fft.ifftshift(spectrum, dim=(1, 2, 3)), dim=(1, 2, 3))
    return changed.real


def _within_radius(size: Sequence[int], cut: float, device: torch.device) -> Tensor:
    """bool (X, Y, Z): what remains of k-space when the outer part of its radius is cut off."""
    squared = torch.zeros((), device=device)
    for axis, length in enumerate(size):
        shape = [1, 1, 1]
        shape[axis] = -1
        places = torch.arange(length, device=device) - length // 2
        squared = squared + (places**2).reshape(shape)
    radius: float = (1.0 - cut) * max(size) * 2**0.5 / 2
    inside: Tensor = squared <= radius**2
    return inside


def _resolved(
    values: Tensor, parameters: ArtefactParameters, place: _Place, imaging: ImagingConfig
) -> Tensor:
    """Blur and coarser voxels of channels (c, X, Y, Z)."""
    blur, factor = float(parameters.blur_mm[place]), float(parameters.coarsening[place])
    if blur:
        for axis, spacing in enumerate(imaging.spacing_mm):
            values = _blurred(values, axis, blur / spacing)
    if factor > 1:
        coarse = [max(1, round(length / factor)) for length in values.shape[1:]]
        small = functional.interpolate(values[None], size=coarse, mode="area")
        values = functional.interpolate(
            small, size=values.shape[1:], mode="trilinear", align_corners=False
        )[0]
    return values


def _blurred(values: Tensor, axis: int, deviation: float) -> Tensor:
    """Gaussian blur of (c, X, Y, Z) along one axis; the border is repeated."""
    reach = int(_TRUNCATE * deviation + 0.5)
    if not reach:
        return values
    places = torch.arange(-reach, reach + 1, device=values.device)
    kernel = torch.exp(-0.5 * (places / deviation) ** 2)
    kernel = (kernel / kernel.sum()).reshape([-1 if own == axis else 1 for own in range(3)])
    padding = [0] * 6
    padding[2 * (2 - axis)] = padding[2 * (2 - axis) + 1] = reach
    padded = functional.pad(values[:, None], padding, mode="replicate")
    return functional.conv3d(padded, kernel[None, None])[:, 0]

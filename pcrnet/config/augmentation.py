"""Settings of how training images are varied: one fused warp, or transforms of a library."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from pcrnet.config.section import Fraction, Name, NonNegative, Section

TorchioName = Literal[
    "RandomFlip",
    "RandomAffine",
    "RandomElasticDeformation",
    "RandomAffineElasticDeformation",
    "RandomAnisotropy",
    "RandomBlur",
    "RandomNoise",
    "RandomGamma",
    "RandomBiasField",
    "RandomGhosting",
    "RandomMotion",
    "RandomSpike",
]
"""TorchIO's random transforms that keep the grid and what a voxel means."""

MonaiName = Literal[
    "RandFlip",
    "RandRotate",
    "RandZoom",
    "RandAffine",
    "Rand3DElastic",
    "RandGridDistortion",
    "RandGaussianNoise",
    "RandGaussianSmooth",
    "RandSimulateLowResolution",
    "RandCoarseDropout",
    "RandAdjustContrast",
    "RandScaleIntensity",
    "RandShiftIntensity",
    "RandHistogramShift",
    "RandBiasField",
    "RandRicianNoise",
    "RandGibbsNoise",
    "RandKSpaceSpikeNoise",
]
"""MONAI's random transforms that keep the grid and what a voxel means."""

Scalar = bool | int | float | str | None
Argument = Scalar | tuple[Scalar | tuple[Scalar, ...], ...]


class AugmentationConfig(Section):
    """One fused random warp of the crop and random intensities, made on the training device."""

    kind: Literal["fused"] = "fused"
    enabled: bool = True
    """Whether training images are varied at all."""
    flip_probability: Fraction = 0.5
    """Left-right mirror image, all visits of the patient together."""
    rotation_degrees: NonNegative = 10.0
    """Greatest turn about each axis."""
    translation_mm: NonNegative = 6.0
    """Greatest shift along each axis."""
    scale_fraction: Annotated[float, Field(ge=0.0, lt=0.5)] = 0.08
    """Greatest change of size, as a fraction."""
    elastic_mm: NonNegative = 0.0
    """Standard deviation of a smooth random displacement; 0 leaves it out."""
    visit_shift_mm: NonNegative = 2.0
    """Extra shift of each visit of its own: what registration leaves over."""
    noise: NonNegative = 0.03
    """Standard deviation of added noise, in network input units."""
    gain_fraction: Annotated[float, Field(ge=0.0, lt=0.5)] = 0.05
    """Random gain of each visit and branch; small, since SUV and ADC are absolute."""
    channel_dropout: Fraction = 0.05
    """Chance that a present channel is hidden, so that missing scans are nothing new."""
    gamma: Annotated[float, Field(ge=0.0, le=1.0)] = 0.0
    """Greatest |log γ| of a change of contrast; of z-scored channels alone, the others' scales have
    a meaning."""
    bias_field: NonNegative = 0.0
    """Greatest coefficient of a smooth field of sensitivity over z-scored and DCE channels, one for
    all that a visit shows: enhancement survives, and ADC and SUV know no such field."""
    artefact_probability: Fraction = 0.2
    """Chance of each of the following for the channels of one branch in one visit."""
    blur_mm: NonNegative = 0.0
    """Greatest standard deviation of a Gaussian blur; SUV and ADC keep their means."""
    coarsening: Annotated[float, Field(ge=1.0, le=4.0)] = 1.0
    """Greatest factor by which voxels become coarser; SUV and ADC keep their means."""
    gibbs: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    """Greatest share of the radius of k-space that is cut off z-scored and DCE channels, which then
    ring at their edges."""
    ghosting: Fraction = 0.0
    """Greatest strength of ghosts along an axis of z-scored and DCE channels, as breathing makes
    them."""


class TorchioTransform(Section):
    """One of TorchIO's random transforms."""

    name: TorchioName
    """Its class."""
    arguments: dict[str, Argument] = Field(default={})
    """Its arguments, by TorchIO's names; lengths are in millimetres."""
    channels: tuple[Name, ...] | None = None
    """The channels that a transform of intensities is for; null: all that it makes sense for."""


class MonaiTransform(Section):
    """One of MONAI's random transforms."""

    name: MonaiName
    """Its class."""
    arguments: dict[str, Argument] = Field(default={})
    """Its arguments, by MONAI's names; lengths are in voxels."""
    channels: tuple[Name, ...] | None = None
    """The channels that a transform of intensities is for; null: all that it makes sense for."""


class TorchioAugmentation(Section):
    """TorchIO's transforms, patient by patient on the CPU: slower than the fused warp by far."""

    kind: Literal["torchio"] = "torchio"
    enabled: bool = True
    """Whether training images are varied at all."""
    transforms: tuple[TorchioTransform, ...] = ()
    """One after the other. Those in space move all scans of a patient alike; those that change the
    scale of intensities are for z-scored and DCE channels alone."""
    channel_dropout: Fraction = 0.05
    """Chance that a present channel is hidden, so that missing scans are nothing new."""


class MonaiAugmentation(Section):
    """MONAI's transforms, patient by patient on the CPU."""

    kind: Literal["monai"] = "monai"
    enabled: bool = True
    """Whether training images are varied at all."""
    transforms: tuple[MonaiTransform, ...] = ()
    """One after the other. Those in space move all scans of a patient alike; those that change the
    scale of intensities are for z-scored and DCE channels alone."""
    channel_dropout: Fraction = 0.05
    """Chance that a present channel is hidden, so that missing scans are nothing new."""


LibraryAugmentation = TorchioAugmentation | MonaiAugmentation
AnyAugmentation = Annotated[AugmentationConfig | LibraryAugmentation, Field(discriminator="kind")]

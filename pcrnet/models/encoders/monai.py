"""MONAI's backbones whole, as published weights expect them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pcrnet.config.kinds import BranchEncoderSettings, EncoderKind
from pcrnet.config.section import PositiveInt
from pcrnet.errors import ConfigError

if TYPE_CHECKING:
    from torch import nn

Backbone = Literal[
    "resnet10",
    "resnet18",
    "resnet34",
    "resnet50",
    "resnet101",
    "resnet152",
    "resnet200",
    "DenseNet121",
    "DenseNet169",
    "DenseNet201",
    "SEResNet50",
    "SEResNet101",
    "SEResNet152",
    "SEResNext50",
    "SEResNext101",
    "SegResNet",
    "BasicUNet",
    "SwinTransformer",
    "ViT",
]
"""Networks of MONAI's in three dimensions, by the names of their classes or makers."""

_STRIDES = {
    "resnet": (4, 8, 16, 32),
    "DenseNet": (4, 8, 16, 32),
    "SE": (4, 8, 16, 32),
    "SegResNet": (1, 2, 4, 8),
    "BasicUNet": (1, 2, 4, 8, 16),
    "SwinTransformer": (4, 8, 16, 32),
    "ViT": (16,),
}
"""Family of backbones to the stride after each of its stages."""


class MonaiEncoderConfig(BranchEncoderSettings):
    """A backbone of MONAI's from its first layer on, as published weights expect it; of U-shaped
    networks the encoder."""

    kind: Literal["monai"] = "monai"
    backbone: Backbone = "resnet18"
    """Its class. ResNets bear MedicalNet's layers and names, SwinTransformer those of MONAI's
    self-supervised Swin UNETR, ViT those of masked autoencoders."""
    stages: PositiveInt | None = None
    """How many of its stages are used; fewer keep a finer grid of features; null: all."""
    shortcut: Literal["A", "B"] = "B"
    """Shortcuts of a resnet that change width: padded with zeros, or convolved. MedicalNet's 18 and
    34 have A, its others B."""


def family(backbone: Backbone) -> str:
    """The networks that are built alike."""
    return next(name for name in _STRIDES if backbone.startswith(name))


def stage_count(config: MonaiEncoderConfig) -> int:
    """How many stages are used.

    Raises:
        ConfigError: The backbone has fewer than are asked for.
    """
    there = len(_STRIDES[family(config.backbone)])
    if config.stages is not None and config.stages > there:
        raise ConfigError(
            f"{config.backbone} has {there} stages, found {config.stages}",
            field="model.encoder.stages",
            remedy=f"choose 1 to {there}, or null for all",
        )
    return config.stages or there


def backbone_stride(config: MonaiEncoderConfig) -> int:
    """Voxels of the input along one edge of a cell of the feature grid.

    Raises:
        ConfigError: The backbone has fewer stages than are asked for.
    """
    return _STRIDES[family(config.backbone)][stage_count(config) - 1]


def _whole(
    config: MonaiEncoderConfig, channels: int, size: tuple[int, int, int], width: int
) -> nn.Module:
    from pcrnet.models.encoders.backbone import MonaiEncoder

    return MonaiEncoder(config, channels, size, width)


# Their 3D pooling has no deterministic gradient on CUDA, and their norms weigh the absolute scale
# as they were trained to: the intensity summaries alone are sure to keep it.
KIND = EncoderKind(
    MonaiEncoderConfig, backbone_stride, deterministic=False, absolute=False, whole=_whole
)

"""MONAI's backbones whole, as published weights expect them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pcrnet.config.kinds import BranchEncoderSettings, EncoderKind
from pcrnet.config.section import PositiveInt
from pcrnet.models.encoders.backbone_families import Backbone, backbone_stride

if TYPE_CHECKING:
    from torch import nn


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


def _stride(config: MonaiEncoderConfig) -> int:
    return backbone_stride(config.backbone, config.stages)


def _whole(
    config: MonaiEncoderConfig, channels: int, size: tuple[int, int, int], width: int
) -> nn.Module:
    from pcrnet.models.encoders.backbone import MonaiEncoder

    return MonaiEncoder(config, channels, size, width)


# Their 3D pooling has no deterministic gradient on CUDA, and their norms weigh the absolute scale
# as they were trained to: the intensity summaries alone are sure to keep it.
KIND = EncoderKind(MonaiEncoderConfig, _stride, deterministic=False, absolute=False, whole=_whole)

"""Encoders: one visit of one branch in, a grid of feature vectors out.

Shapes: N visits, C channels, X Y Z voxels, H channels of the stem, x y z cells of the feature grid,
W token width.

No default layer is random on CUDA: there is no 3D pooling and no interpolation. No default layer
normalises over space either, which would take the absolute scale from SUV and ADC.
"""

from __future__ import annotations

from typing import assert_never

from torch import nn

from pcrnet.config.model import (
    ConvNeXtConfig,
    DenseNetConfig,
    EncoderConfig,
    ResNetConfig,
    SwinConfig,
    ViTConfig,
)
from pcrnet.errors import ConfigError
from pcrnet.models.encoders.convnext import ConvNeXt
from pcrnet.models.encoders.layers import STEM_STRIDE, Stem, VisitEncoder
from pcrnet.models.encoders.monai import DenseNet, Swin, ViT
from pcrnet.models.encoders.resnet import ResNet


def build_encoder(
    config: EncoderConfig, channels: int, size: tuple[int, int, int], width: int
) -> VisitEncoder:
    """Build the encoder of one branch.

    Args:
        config: Kind and size of the encoder.
        channels: Input channels C.
        size: Input voxels (X, Y, Z).
        width: Token width W.

    Raises:
        ConfigError: ``size`` cannot be divided by the encoder's total stride.
    """
    stride = encoder_stride(config)
    if any(length % stride for length in size):
        raise ConfigError(
            f"every size must be a multiple of the {config.kind} encoder's stride {stride}, "
            f"found {list(size)}",
            field="imaging.size",
            remedy=f"choose sizes such as {[-(-length // stride) * stride for length in size]}",
        )
    stem = Stem(channels, config.stem_width)
    inner = (size[0] // STEM_STRIDE, size[1] // STEM_STRIDE, size[2] // STEM_STRIDE)
    return VisitEncoder(stem, _build_body(config, inner, width))


def _build_body(config: EncoderConfig, size: tuple[int, int, int], width: int) -> nn.Module:
    match config:
        case ResNetConfig():
            return ResNet(config, width)
        case ConvNeXtConfig():
            return ConvNeXt(config, width)
        case DenseNetConfig():
            return DenseNet(config, width)
        case ViTConfig():
            return ViT(config, size, width)
        case SwinConfig():
            return Swin(config, width)
        case _:
            assert_never(config)


def encoder_stride(config: EncoderConfig) -> int:
    """Voxels of the input along one edge of a cell of the feature grid."""
    match config:
        case ResNetConfig() | ConvNeXtConfig():
            return int(STEM_STRIDE * 2 ** len(config.widths))
        case DenseNetConfig():
            return int(STEM_STRIDE * 2 ** (len(config.blocks) + 1))
        case ViTConfig():
            return STEM_STRIDE * config.patch
        case SwinConfig():
            return int(STEM_STRIDE * 2 ** (len(config.depths) + 1))
        case _:
            assert_never(config)

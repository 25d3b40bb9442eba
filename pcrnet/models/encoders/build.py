"""Encoders: one visit of one branch in, a grid of feature vectors out.

Shapes: N visits, C channels, X Y Z voxels, H channels of the stem, x y z cells of the feature grid,
W token width.

No default layer is random on CUDA: there is no 3D pooling and no interpolation. No default layer
normalises over space either, which would take the absolute scale from SUV and ADC.
"""

from __future__ import annotations

from pcrnet.config.model import ENCODERS, EncoderConfig
from pcrnet.errors import ConfigError
from pcrnet.models.encoders.layers import STEM_STRIDE, Stem, VisitEncoder


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
    return VisitEncoder(stem, ENCODERS[config.kind].body(config, inner, width))


def encoder_stride(config: EncoderConfig) -> int:
    """Voxels of the input along one edge of a cell of the feature grid."""
    return STEM_STRIDE * ENCODERS[config.kind].stride(config)

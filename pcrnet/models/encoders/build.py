"""Encoders: one visit of one branch in, a grid of feature vectors out.

Shapes: N visits, C channels, X Y Z voxels, H channels of the stem, x y z cells of the feature grid,
W token width.

No default layer is random on CUDA: there is no 3D pooling and no interpolation. No default layer
normalises over space either, which would take the absolute scale from SUV and ADC.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from pcrnet.config.data import DataConfig
from pcrnet.config.imaging import ImagingConfig
from pcrnet.config.kinds import EncoderSettings
from pcrnet.config.model import ENCODERS, EncoderConfig, NetworkConfig
from pcrnet.errors import ConfigError
from pcrnet.models.encoders.layers import STEM_STRIDE, Stem, VisitEncoder


def build_encoders(
    model: NetworkConfig, data: DataConfig, imaging: ImagingConfig
) -> list[nn.Module]:
    """The encoder of every branch; all end in one grid, the coarsest.

    Raises:
        ConfigError: As :func:`build_encoder` and :func:`common_stride`.
    """
    stride = common_stride(model, data)
    encoders: list[nn.Module] = []
    for branch, channels in data.branches.items():
        config = model.encoder_of(branch)
        encoder = build_encoder(config, len(channels), imaging.size, model.width)
        factor = stride // encoder_stride(config)
        encoders.append(encoder if factor == 1 else Coarsened(encoder, factor))
    return encoders


def common_stride(model: NetworkConfig, data: DataConfig) -> int:
    """Voxels of the input along one edge of a cell of the grid that all branches end in.

    Raises:
        ConfigError: An encoder is for a branch that is not there, or the grids do not fit into each
            other.
    """
    strange = sorted(set(model.encoders) - set(data.branches))
    if strange:
        raise ConfigError(
            f"there is no branch {strange[0]}",
            field="model.encoders",
            remedy=f"name some of {', '.join(data.branches)}",
        )
    strides = {branch: encoder_stride(model.encoder_of(branch)) for branch in data.branches}
    coarsest = max(strides.values())
    if any(coarsest % stride for stride in strides.values()):
        raise ConfigError(
            f"the encoders end in grids that do not fit into each other: strides {strides}",
            field="model.encoders",
            remedy="choose encoders whose strides divide the largest",
        )
    return coarsest


class Coarsened(nn.Module):
    """An encoder whose feature grid is averaged to that of a coarser one."""

    def __init__(self, encoder: nn.Module, factor: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.factor = factor

    def forward(self, image: Tensor, present: Tensor) -> Tensor:
        """Image (N, C, X, Y, Z) and presence bool (N, C) to (N, W, x, y, z)."""
        features: Tensor = self.encoder(image, present)
        for axis in (2, 3, 4):  # deterministic on every device, as 3D pooling is not
            features = torch.unflatten(features, axis, (-1, self.factor)).mean(dim=axis + 1)
        return features


def build_encoder(
    config: EncoderConfig, channels: int, size: tuple[int, int, int], width: int
) -> nn.Module:
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
    kind = ENCODERS[config.kind]
    if kind.whole is not None:
        return kind.whole(config, channels, size, width)
    if kind.body is None or not isinstance(config, EncoderSettings):
        raise TypeError(f"the encoder {config.kind} declares neither a body nor a whole")
    stem = Stem(channels, config.stem_width)
    inner = (size[0] // STEM_STRIDE, size[1] // STEM_STRIDE, size[2] // STEM_STRIDE)
    return VisitEncoder(stem, kind.body(config, inner, width))


def encoder_stride(config: EncoderConfig) -> int:
    """Voxels of the input along one edge of a cell of the feature grid."""
    kind = ENCODERS[config.kind]
    return kind.stride(config) * (STEM_STRIDE if kind.whole is None else 1)

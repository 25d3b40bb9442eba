"""MONAI's densely connected encoder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pcrnet.config.kinds import EncoderKind, EncoderSettings
from pcrnet.config.section import PositiveInt

if TYPE_CHECKING:
    from torch import nn


class DenseNetConfig(EncoderSettings):
    """MONAI's densely connected blocks."""

    kind: Literal["densenet"] = "densenet"
    stem_width: PositiveInt = 16
    """Channels of the stem."""
    growth: PositiveInt = 8
    """Channels that each layer adds."""
    blocks: tuple[PositiveInt, ...] = (2, 2)
    """Layers of each dense block."""
    initial_width: PositiveInt = 16
    """Channels before the first dense block."""


def _stride(config: DenseNetConfig) -> int:
    return int(2 ** (len(config.blocks) + 1))


def _body(config: DenseNetConfig, size: tuple[int, int, int], width: int) -> nn.Module:
    from monai.networks.nets import DenseNet
    from torch import nn

    from pcrnet.models.encoders.layers import named_sequence

    network = DenseNet(
        spatial_dims=3,
        in_channels=config.stem_width,
        out_channels=1,
        init_features=config.initial_width,
        growth_rate=config.growth,
        block_config=config.blocks,
        norm=("group", {"num_groups": 4}),
    )
    outputs: int = network.class_layers.out.in_features
    return named_sequence(features=network.features, project=nn.Conv3d(outputs, width, 1))


# Its 3D pooling has no deterministic gradient on CUDA. Its group norms take the absolute scale,
# which then reaches the fusion through the intensity summaries alone.
KIND = EncoderKind(DenseNetConfig, _stride, _body, deterministic=False, absolute=False)

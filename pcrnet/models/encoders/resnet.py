"""The default encoder: residual, without normalisation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Self

from pydantic import model_validator

from pcrnet.config.kinds import EncoderKind, EncoderSettings
from pcrnet.config.section import NonNegativeInt, PositiveInt, same_length

if TYPE_CHECKING:
    from torch import nn


class ResNetConfig(EncoderSettings):
    """Normaliser-free residual encoder; the stem and every stage halve the grid."""

    kind: Literal["resnet"] = "resnet"
    stem_width: PositiveInt = 12
    """Channels of the stem."""
    widths: tuple[PositiveInt, ...] = (24, 48)
    """Channels of each stage."""
    blocks: tuple[NonNegativeInt, ...] = (0, 1)
    """Residual blocks of each stage."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        return same_length(self, "widths", "blocks")


def _stride(config: ResNetConfig) -> int:
    return int(2 ** len(config.widths))


def _body(config: ResNetConfig, size: tuple[int, int, int], width: int) -> nn.Module:
    """Pre-activation residual blocks; each stage begins by halving the grid."""
    from torch import nn

    from pcrnet.models.encoders.layers import (
        ActivatedConv3d,
        Downsample,
        ResidualBlock,
        named_sequence,
    )

    stages: list[nn.Module] = []
    previous = config.stem_width
    for stage_width, count in zip(config.widths, config.blocks, strict=True):
        stages.append(Downsample(previous, stage_width))
        stages.extend(ResidualBlock(stage_width) for _ in range(count))
        previous = stage_width
    return named_sequence(
        stages=nn.Sequential(*stages),
        project=ActivatedConv3d(previous, width, 1),
    )


KIND = EncoderKind(ResNetConfig, _stride, _body)

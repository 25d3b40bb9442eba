"""ConvNeXt in three dimensions. Source: Liu et al., A ConvNet for the 2020s, CVPR 2022."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Self

from pydantic import model_validator

from pcrnet.config.kinds import EncoderKind, EncoderSettings
from pcrnet.config.section import NonNegativeInt, PositiveInt, same_length

if TYPE_CHECKING:
    from torch import nn


class ConvNeXtConfig(EncoderSettings):
    """ConvNeXt blocks in 3D: depthwise 5×5×5, layer norm, inverted bottleneck."""

    kind: Literal["convnext"] = "convnext"
    stem_width: PositiveInt = 16
    """Channels of the stem."""
    widths: tuple[PositiveInt, ...] = (32, 64)
    """Channels of each stage."""
    blocks: tuple[NonNegativeInt, ...] = (1, 1)
    """Blocks of each stage."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        return same_length(self, "widths", "blocks")


def _stride(config: ConvNeXtConfig) -> int:
    return int(2 ** len(config.widths))


def _body(config: ConvNeXtConfig, size: tuple[int, int, int], width: int) -> nn.Module:
    """No layer norm between the stages: the residual stream carries the absolute scale."""
    from torch import nn

    from pcrnet.models.encoders.layers import ConvNeXtBlock, named_sequence

    stages: list[nn.Module] = []
    previous = config.stem_width
    for stage_width, count in zip(config.widths, config.blocks, strict=True):
        stages.append(nn.Conv3d(previous, stage_width, 2, stride=2))
        stages.extend(ConvNeXtBlock(stage_width) for _ in range(count))
        previous = stage_width
    return named_sequence(stages=nn.Sequential(*stages), project=nn.Conv3d(previous, width, 1))


KIND = EncoderKind(ConvNeXtConfig, _stride, _body)

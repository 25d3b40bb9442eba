"""MONAI's shifted-window transformer, last stage."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field, model_validator

from pcrnet.config.kinds import EncoderKind, EncoderSettings
from pcrnet.config.section import PositiveInt, same_length

if TYPE_CHECKING:
    from torch import nn


class SwinConfig(EncoderSettings):
    """MONAI's shifted-window transformer."""

    kind: Literal["swin"] = "swin"
    stem_width: PositiveInt = 12
    """Channels of the stem."""
    width: PositiveInt = 16
    """Channels of the first stage; each later one doubles them."""
    depths: tuple[PositiveInt, ...] = (2,)
    """Blocks of each stage."""
    heads: tuple[PositiveInt, ...] = (2,)
    """Attention heads of each stage."""
    window: Annotated[int, Field(ge=1, le=12)] = 4
    """Edge of an attention window."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        return same_length(self, "depths", "heads")


def _stride(config: SwinConfig) -> int:
    return int(2 ** (len(config.depths) + 1))


def _body(config: SwinConfig, size: tuple[int, int, int], width: int) -> nn.Module:
    """MONAI's stages, used one after the other.

    Its own forward wants exactly four, and a layer norm after each that would hide the absolute
    scale.
    """
    from monai.networks.nets.swin_unetr import SwinTransformer
    from torch import nn

    from pcrnet.models.encoders.layers import ContiguousStages, named_sequence

    network = SwinTransformer(
        in_chans=config.stem_width,
        embed_dim=config.width,
        window_size=(config.window,) * 3,
        patch_size=(2, 2, 2),
        depths=config.depths,
        num_heads=config.heads,
        spatial_dims=3,
    )
    stages = [getattr(network, f"layers{stage + 1}")[0] for stage in range(len(config.depths))]
    return named_sequence(
        embed=network.patch_embed,
        stages=ContiguousStages(stages),
        project=nn.Conv3d(config.width * 2 ** len(config.depths), width, 1),
    )


KIND = EncoderKind(SwinConfig, _stride, _body)

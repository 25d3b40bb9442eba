"""MONAI's vision transformer without its class token, whose head ends in a tanh."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pcrnet.config.kinds import EncoderKind, EncoderSettings
from pcrnet.config.section import PositiveInt
from pcrnet.errors import ConfigError

if TYPE_CHECKING:
    from torch import nn


class ViTConfig(EncoderSettings):
    """Vision transformer on patches of the stem's feature map."""

    kind: Literal["vit"] = "vit"
    stem_width: PositiveInt = 16
    """Channels of the stem."""
    patch: PositiveInt = 4
    """Edge of a patch, in voxels of the stem's map."""
    depth: PositiveInt = 2
    """Transformer layers."""
    heads: PositiveInt = 4
    """Attention heads of each layer."""


def _stride(config: ViTConfig) -> int:
    return config.patch


def _body(config: ViTConfig, size: tuple[int, int, int], width: int) -> nn.Module:
    from monai.networks.nets import ViT

    from pcrnet.models.encoders.layers import PatchGrid

    if width % config.heads:
        raise ConfigError(
            f"model.width must be a multiple of the encoder's heads, found {width} and "
            f"{config.heads}",
            field="model.encoder.heads",
            remedy="choose heads that divide model.width",
        )
    network = ViT(
        in_channels=config.stem_width,
        img_size=size,
        patch_size=config.patch,
        hidden_size=width,
        mlp_dim=2 * width,
        num_layers=config.depth,
        num_heads=config.heads,
        spatial_dims=3,
    )
    grid = (size[0] // config.patch, size[1] // config.patch, size[2] // config.patch)
    return PatchGrid(network, grid)


KIND = EncoderKind(ViTConfig, _stride, _body)

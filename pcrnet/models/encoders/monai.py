"""MONAI's networks as encoders."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from pcrnet.config.model import DenseNetConfig, SwinConfig, ViTConfig
from pcrnet.errors import ConfigError


class DenseNet(nn.Module):
    """MONAI's densely connected encoder; its 3D pooling is not deterministic on CUDA.

    Its group norms take the absolute scale, which then reaches the fusion through the intensity
    summaries alone.
    """

    def __init__(self, config: DenseNetConfig, width: int) -> None:
        super().__init__()
        from monai.networks.nets import DenseNet as MonaiDenseNet

        network = MonaiDenseNet(
            spatial_dims=3,
            in_channels=config.stem_width,
            out_channels=1,
            init_features=config.initial_width,
            growth_rate=config.growth,
            block_config=config.blocks,
            norm=("group", {"num_groups": 4}),
        )
        self.features = network.features
        outputs: int = network.class_layers.out.in_features
        self.project = nn.Conv3d(outputs, width, 1)

    def forward(self, values: Tensor) -> Tensor:
        """(N, H, X, Y, Z) to (N, W, x, y, z)."""
        projected: Tensor = self.project(self.features(values))
        return projected


class ViT(nn.Module):
    """MONAI's vision transformer without its class token, whose head ends in a tanh."""

    def __init__(self, config: ViTConfig, size: tuple[int, int, int], width: int) -> None:
        super().__init__()
        from monai.networks.nets import ViT as MonaiViT

        if width % config.heads:
            raise ConfigError(
                f"model.width must be a multiple of the encoder's heads, found {width} and "
                f"{config.heads}",
                field="model.encoder.heads",
                remedy="choose heads that divide model.width",
            )
        self.network = MonaiViT(
            in_channels=config.stem_width,
            img_size=size,
            patch_size=config.patch,
            hidden_size=width,
            mlp_dim=2 * width,
            num_layers=config.depth,
            num_heads=config.heads,
            spatial_dims=3,
        )
        self.grid = tuple(length // config.patch for length in size)

    def forward(self, values: Tensor) -> Tensor:
        """(N, H, X, Y, Z) to (N, W, x, y, z)."""
        tokens, _ = self.network(values)  # (N, x·y·z, W)
        return torch.unflatten(tokens.transpose(1, 2), 2, self.grid)


class Swin(nn.Module):
    """MONAI's shifted-window transformer, last stage."""

    def __init__(self, config: SwinConfig, width: int) -> None:
        super().__init__()
        from monai.networks.nets.swin_unetr import SwinTransformer

        network = SwinTransformer(
            in_chans=config.stem_width,
            embed_dim=config.width,
            window_size=(config.window,) * 3,
            patch_size=(2, 2, 2),
            depths=config.depths,
            num_heads=config.heads,
            spatial_dims=3,
        )
        # MONAI's own forward wants exactly four stages and a layer norm after each, which would
        # hide the absolute scale; its stages are used one after the other instead.
        self.embed = network.patch_embed
        self.stages = nn.ModuleList(
            getattr(network, f"layers{stage + 1}")[0] for stage in range(len(config.depths))
        )
        self.project = nn.Conv3d(config.width * 2 ** len(config.depths), width, 1)

    def forward(self, values: Tensor) -> Tensor:
        """(N, H, X, Y, Z) to (N, W, x, y, z)."""
        values = self.embed(values)
        for stage in self.stages:
            values = stage(values.contiguous())
        projected: Tensor = self.project(values)
        return projected

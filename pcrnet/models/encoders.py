"""Encoders: one visit of one branch in, a grid of feature vectors out.

Shapes: N visits, C channels, X Y Z voxels, H channels of the stem, x y z cells of the feature grid,
W token width.

No default layer is random on CUDA: there is no 3D pooling and no interpolation. No default layer
normalises over space either, which would take the absolute scale from SUV and ADC.
"""

from __future__ import annotations

from typing import assert_never

import torch
from torch import Tensor, nn
from torch.nn import functional

from pcrnet.config.model import (
    ConvNeXtConfig,
    DenseNetConfig,
    EncoderConfig,
    ResNetConfig,
    SwinConfig,
    ViTConfig,
)
from pcrnet.errors import ConfigError

STEM_STRIDE = 2


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


class VisitEncoder(nn.Module):
    """A stem that knows which channels are there, then an encoder of any kind."""

    def __init__(self, stem: Stem, body: nn.Module) -> None:
        super().__init__()
        self.stem = stem
        self.body = body

    def forward(self, image: Tensor, present: Tensor) -> Tensor:
        """Image (N, C, X, Y, Z) and presence bool (N, C) to (N, W, x, y, z)."""
        features: Tensor = self.body(self.stem(image, present))
        return features


class Stem(nn.Module):
    """The first convolution, over the channels that are present.

    An absent channel contributes a learned constant instead of voxels, whatever its voxels hold.
    Being the constant's only home, the stem needs no gradient with respect to the image, which
    would double the cost of a training step.
    """

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.convolution = ScaledConv3d(channels, width, 3, stride=STEM_STRIDE)
        self.absent = nn.Linear(channels, width, bias=False)

    def forward(self, image: Tensor, present: Tensor) -> Tensor:
        """Image (N, C, X, Y, Z) and presence bool (N, C) to (N, H, X/2, Y/2, Z/2)."""
        # where, not a product: an absent channel may hold anything, NaN included.
        image = torch.where(present[:, :, None, None, None], image, 0.0)
        features: Tensor = self.convolution(channels_last(image))
        constant: Tensor = self.absent((~present).to(features.dtype))
        return features + constant[:, :, None, None, None]


def channels_last(values: Tensor) -> Tensor:
    """The same values with channels innermost: convolutions run up to twice as fast."""
    return values.contiguous(memory_format=torch.channels_last_3d)


class ScaledConv3d(nn.Conv3d):
    """Convolution with standardised weights and a learned gain a filter.

    It keeps the variance of its input without looking at the input, so that a patient's features
    depend neither on the batch nor on how much of the crop is bright. Source: Brock et al.,
    High-performance large-scale image recognition without normalization, ICML 2021, section 2.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1) -> None:
        super().__init__(inputs, outputs, kernel, stride, padding=(kernel - 1) // 2)
        self.gain = nn.Parameter(torch.ones(outputs))
        fan_in = inputs * kernel**3
        self.scale = fan_in**-0.5
        nn.init.normal_(self.weight)
        nn.init.zeros_(self.bias) if self.bias is not None else None

    def forward(self, values: Tensor) -> Tensor:
        """Convolve (N, C, X, Y, Z)."""
        weight = self.weight
        mean = weight.mean(dim=(1, 2, 3, 4), keepdim=True)
        deviation = weight.std(dim=(1, 2, 3, 4), keepdim=True, correction=0)
        gain = (self.gain * self.scale).reshape(-1, 1, 1, 1, 1)
        weight = (weight - mean) / (deviation + 1e-4) * gain
        return functional.conv3d(values, weight, self.bias, self.stride, self.padding)


def _activation(values: Tensor) -> Tensor:
    # 1.7015 is 1 / standard deviation of GELU of a standard normal: it keeps the variance at 1.
    return functional.gelu(values) * 1.7015


class _ResidualBlock(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = ScaledConv3d(width, width, 3)
        self.second = ScaledConv3d(width, width, 3)
        # Starting near the identity replaces what normalisation does for trainability.
        self.skip_gain = nn.Parameter(torch.tensor(0.2))

    def forward(self, values: Tensor) -> Tensor:
        inner: Tensor = self.second(_activation(self.first(_activation(values))))
        return values + self.skip_gain * inner


class ResNet(nn.Module):
    """Normaliser-free pre-activation residual encoder; each stage begins by halving the grid."""

    def __init__(self, config: ResNetConfig, width: int) -> None:
        super().__init__()
        stages: list[nn.Module] = []
        previous = config.stem_width
        for stage_width, count in zip(config.widths, config.blocks, strict=True):
            stages.append(_Downsample(previous, stage_width))
            stages.extend(_ResidualBlock(stage_width) for _ in range(count))
            previous = stage_width
        self.stages = nn.Sequential(*stages)
        self.project = ScaledConv3d(previous, width, 1)

    def forward(self, values: Tensor) -> Tensor:
        """(N, H, X, Y, Z) to (N, W, x, y, z)."""
        projected: Tensor = self.project(_activation(self.stages(values)))
        return projected


class _Downsample(nn.Module):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.convolution = ScaledConv3d(inputs, outputs, 3, stride=2)

    def forward(self, values: Tensor) -> Tensor:
        halved: Tensor = self.convolution(_activation(values))
        return halved


class _ConvNeXtBlock(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.spatial = nn.Conv3d(width, width, 5, padding=2, groups=width)
        self.norm = nn.LayerNorm(width)
        self.expand = nn.Linear(width, 4 * width)
        self.contract = nn.Linear(4 * width, width)
        self.layer_scale = nn.Parameter(torch.full((width,), 0.1))

    def forward(self, values: Tensor) -> Tensor:
        inner: Tensor = self.norm(self.spatial(values).movedim(1, -1))  # (N, x, y, z, W)
        inner = self.layer_scale * self.contract(functional.gelu(self.expand(inner)))
        return values + inner.movedim(-1, 1)


class ConvNeXt(nn.Module):
    """ConvNeXt in 3D. Source: Liu et al., A ConvNet for the 2020s, CVPR 2022.

    There is no layer norm between the stages: the residual stream carries the absolute scale.
    """

    def __init__(self, config: ConvNeXtConfig, width: int) -> None:
        super().__init__()
        stages: list[nn.Module] = []
        previous = config.stem_width
        for stage_width, count in zip(config.widths, config.blocks, strict=True):
            stages.append(nn.Conv3d(previous, stage_width, 2, stride=2))
            stages.extend(_ConvNeXtBlock(stage_width) for _ in range(count))
            previous = stage_width
        self.stages = nn.Sequential(*stages)
        self.project = nn.Conv3d(previous, width, 1)

    def forward(self, values: Tensor) -> Tensor:
        """(N, H, X, Y, Z) to (N, W, x, y, z)."""
        projected: Tensor = self.project(self.stages(values))
        return projected


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

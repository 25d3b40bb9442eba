"""The default encoder: residual, without normalisation."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from pcrnet.config.model import ResNetConfig
from pcrnet.models.encoders.layers import ActivatedConv3d


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
        self.project = ActivatedConv3d(previous, width, 1)

    def forward(self, values: Tensor) -> Tensor:
        """(N, H, X, Y, Z) to (N, W, x, y, z)."""
        projected: Tensor = self.project(self.stages(values))
        return projected


class _ResidualBlock(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = ActivatedConv3d(width, width, 3)
        self.second = ActivatedConv3d(width, width, 3)
        # Starting near the identity replaces what normalisation does for trainability.
        self.skip_gain = nn.Parameter(torch.tensor(0.2))

    def forward(self, values: Tensor) -> Tensor:
        inner: Tensor = self.second(self.first(values), self.skip_gain)
        return values + inner


class _Downsample(nn.Module):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.convolution = ActivatedConv3d(inputs, outputs, 3, stride=2)

    def forward(self, values: Tensor) -> Tensor:
        halved: Tensor = self.convolution(values)
        return halved

"""ConvNeXt in three dimensions."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from pcrnet.config.model import ConvNeXtConfig


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

"""MONAI's classifiers as published, on all scans side by side (early fusion): a rival.

What is absent is zero, and said by a presence flag beside each scan's features.

Shapes: B patients, T timepoints, C channels, X Y Z voxels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from pcrnet.config.data import DataConfig

if TYPE_CHECKING:
    from pcrnet.models.monai_rival import MonaiConfig

_SMALLEST = {"densenet121": 32, "resnet10": 1}
"""Voxels along an axis below which a backbone has nothing left to pool."""


class MonaiNetwork(nn.Module):
    """One backbone over T·C channels, then a linear layer over its features and the presence.

    Args:
        config: Which backbone.
        data: Timepoints and channels.
    """

    def __init__(self, config: MonaiConfig, data: DataConfig) -> None:
        super().__init__()
        from monai.networks import nets

        inputs = len(data.timepoints) * len(data.channels)
        self.smallest = _SMALLEST[config.backbone]
        match config.backbone:
            case "densenet121":
                self.backbone = nets.DenseNet121(3, inputs, config.features)
            case "resnet10":
                self.backbone = nets.resnet10(
                    n_input_channels=inputs, num_classes=config.features, conv1_t_stride=2
                )
        self.linear = nn.Linear(config.features + inputs, 3)
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)

    def forward(
        self,
        image: Tensor,
        present: Tensor,
        days: Tensor,
        covariates: Tensor,
        covariate_present: Tensor,
    ) -> Tensor:
        """Logits (B, 3) from scans alone; the arguments are those of every network."""
        seen = torch.where(present[..., None, None, None], image.to(self.linear.weight.dtype), 0.0)
        # Batch normalisation has nothing to compare a single patient with.
        self.backbone.train(self.training and len(image) > 1)
        features = self.backbone(_padded(seen.flatten(1, 2), self.smallest))
        flags = present.flatten(1).to(features.dtype)
        logits: Tensor = self.linear(torch.cat([nn.functional.gelu(features), flags], dim=1))
        return logits


def _padded(image: Tensor, smallest: int) -> Tensor:
    """Zeros around (B, T·C, X, Y, Z), half on either side, until no axis is shorter."""
    missing = [max(0, smallest - length) for length in reversed(image.shape[2:])]
    sides = [side for total in missing for side in (total // 2, total - total // 2)]
    return nn.functional.pad(image, sides)

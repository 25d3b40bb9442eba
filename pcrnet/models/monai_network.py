"""MONAI's classifiers as published, on all scans side by side (early fusion): a rival.

What is absent is zero, and said by a presence flag beside each scan's features.

Shapes: B patients, T timepoints, C channels, X Y Z voxels.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from pcrnet.config.data import DataConfig
from pcrnet.config.model import MonaiConfig


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
        features = self.backbone(seen.flatten(1, 2))
        flags = present.flatten(1).to(features.dtype)
        logits: Tensor = self.linear(torch.cat([nn.functional.gelu(features), flags], dim=1))
        return logits

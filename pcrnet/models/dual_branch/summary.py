"""Intensity summaries: what a reader would measure, handed to the fusion beside the feature maps.

With some hundred patients a network does not learn from voxels alone that the highest uptake, and
how far it fell, matter. These tokens say it outright, on the absolute scale: mean, spread and
maximum of every channel around the lesion and over the whole crop, and their change since the
first visit.

Shapes: B patients, T timepoints, c channels of one branch, Q = 6 quantities a channel, X Y Z
voxels, W token width.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from pcrnet.config.imaging import ImagingConfig

LESION_RADIUS_MM = 30.0
QUANTITIES = 6


class IntensitySummary(nn.Module):
    """One token a visit and one for each visit's change since the first, of one branch."""

    def __init__(self, channels: int, timepoints: int, width: int) -> None:
        super().__init__()
        self.timepoints = timepoints
        self.level = nn.Linear(channels * QUANTITIES + channels, width)
        self.change = nn.Linear(channels * QUANTITIES + channels, width)

    def forward(self, measured: Tensor, present: Tensor) -> tuple[Tensor, Tensor]:
        """Quantities (B, T, c, Q) and presence (B, T, c) to tokens and their presence.

        Returns:
            Tokens (B, 2·T − 1, W), levels first, and their presence bool (B, 2·T − 1).
        """
        measured = torch.where(present[..., None], measured, 0.0)
        both = present[:, 1:] & present[:, :1]
        difference = torch.where(both[..., None], measured[:, 1:] - measured[:, :1], 0.0)
        tokens = [
            layer(torch.cat([values.flatten(2), known.to(values.dtype)], dim=2))
            for layer, values, known in (
                (self.level, measured, present),
                (self.change, difference, both),
            )
        ]
        return torch.cat(tokens, dim=1), torch.cat([present.any(dim=2), both.any(dim=2)], dim=1)


def measure(image: Tensor, lesion: Tensor) -> Tensor:
    """Mean, standard deviation and maximum of every channel around the lesion and over the crop.

    Args:
        image: (B, T, C, X, Y, Z) in network units.
        lesion: Flat indices of the voxels around the lesion, from :func:`lesion_voxels`.

    Returns:
        (B, T, C, Q).
    """
    everywhere = image.flatten(3)  # (B, T, C, X·Y·Z)
    parts: list[Tensor] = []
    for values in (everywhere.index_select(3, lesion), everywhere):
        parts += [*_mean_and_spread(values), values.amax(dim=3)]
    return torch.stack(parts, dim=-1)


def _mean_and_spread(values: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation (B, T, C) of voxels (B, T, C, n)."""
    if values.is_cuda:
        spread, mean = torch.std_mean(values, dim=3, correction=0)
        return mean, spread
    mean = values.mean(dim=3)
    # Two passes: torch's std in one takes twenty times as long on a CPU.
    distance = torch.linalg.vector_norm(values - mean[..., None], dim=3)
    return mean, distance * values.shape[3] ** -0.5


def lesion_voxels(imaging: ImagingConfig) -> Tensor:
    """Flat indices (n,) of the voxels near the centre of the crop, where the lesion lies."""
    axes = [
        (torch.arange(n) + 0.5 - n / 2) * mm
        for n, mm in zip(imaging.size, imaging.spacing_mm, strict=True)
    ]
    distance = torch.stack(torch.meshgrid(*axes, indexing="ij")).norm(dim=0).flatten()
    return torch.nonzero(distance <= max(LESION_RADIUS_MM, float(distance.min()))).flatten()

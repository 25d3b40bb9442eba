"""Networks on the pair of fields, as corrections of the quantitative model's logits.

A measurer (``pretraining.py``) sees the lesion in one channel after the other, a smaller CNN the
region with the axilla; what all have pooled goes to a head of zeros on top of the offset. Trained
on the joint outcome, from random weights or from those that were pretrained, with or without
auxiliary targets: the quantities, which every patient has without any outcome.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.fields import CHANNELS, Fields
from benchmarks.pretraining import Measurer, in_channels_last, stacked
from pcrnet.models.dual_branch.joint_head import joint_log_cells

FloatArray = NDArray[np.float64]
Weights = dict[str, Tensor]
SEEN = ("pet", "enhancement")
"""Channels that the measurer sees: those in which the residue stands out."""
_BATCH = 16


@dataclass(frozen=True)
class Recipe:
    """How a network on fields learns.

    Attributes:
        region: Whether it sees the region with the axilla.
        pretrained: Whether the measurer begins with the pretrained weights; then its head learns
            alone for the first third of the epochs.
        auxiliary: Weight of the auxiliary targets; 0 leaves them out.
        epochs: Passes over the patients.
    """

    region: bool = True
    pretrained: bool = False
    auxiliary: float = 0.0
    epochs: int = 15


class _Region(nn.Module):
    """(B, 3, 40, 40, 40) to (B, 64): visits and their difference, mean and attention pooled."""

    def __init__(self) -> None:
        super().__init__()
        widths = (3, 8, 16, 32)
        layers: list[nn.Module] = []
        for before, after in pairwise(widths):
            layers += [
                nn.Conv3d(before, after, 3, stride=2, padding=1, bias=False),
                nn.GroupNorm(4, after),
                nn.SiLU(),
            ]
        self.maps = nn.Sequential(*layers)
        self.attention = nn.Conv3d(32, 1, 1)

    def forward(self, region: Tensor) -> Tensor:
        maps = self.maps(region)
        weight = self.attention(maps).flatten(2).softmax(dim=2)
        return torch.cat([maps.mean(dim=(2, 3, 4)), (maps.flatten(2) * weight).sum(2)], dim=1)


class FieldNetwork(nn.Module):
    """The measurer on the lesion, a CNN on the region, and a head that begins at zero."""

    def __init__(self, recipe: Recipe, auxiliary: int, weights: Weights | None) -> None:
        super().__init__()
        self.lesion = Measurer()
        if weights is not None:
            self.lesion.load_state_dict(weights)
        self.region = _Region() if recipe.region else None
        width = len(SEEN) * self.lesion.head.in_features + (64 if recipe.region else 0)
        self.drop = nn.Dropout(0.3)
        self.head = nn.Linear(width, 3)
        self.auxiliary = nn.Linear(width, auxiliary) if recipe.auxiliary else None
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, seen: Seen) -> tuple[Tensor, Tensor | None]:
        """What is added to the logits (B, 3), and auxiliary targets (B, q)."""
        pairs = seen.pairs.flatten(0, 1).contiguous(memory_format=torch.channels_last_3d)
        pooled = self.lesion(pairs)[0].view(*seen.known.shape, -1)
        pooled = (pooled * seen.known[..., None]).flatten(1)
        if self.region is not None:
            pooled = torch.cat([pooled, self.region(seen.region)], dim=1)
        pooled = self.drop(pooled)
        return self.head(pooled), None if self.auxiliary is None else self.auxiliary(pooled)


class Seen(NamedTuple):
    """What a network is given of B patients.

    Attributes:
        pairs: (B, 2, 5, 24, 24, 24); of each channel both visits, outline, inside, and 1.
        known: (B, 2); whether both visits have the channel.
        region: (B, 3, 40, 40, 40); both visits and their difference.
    """

    pairs: Tensor
    known: Tensor
    region: Tensor

    @classmethod
    def of(cls, fields: Fields, rows: slice | NDArray[np.int64]) -> Seen:
        """Of some patients."""
        chosen = [CHANNELS.index(name) for name in SEEN]
        lesion = torch.from_numpy(fields.lesion[rows][:, :, chosen].astype(np.float32))
        known = torch.from_numpy(fields.known[rows][:, :, chosen]).all(1).float()
        outline = torch.from_numpy(fields.outline[rows].astype(np.float32))
        region = torch.from_numpy(fields.region[rows].astype(np.float32))
        within = (outline > 0).float()
        pairs = [stacked(lesion[:, :, one], outline, within) for one in range(len(SEEN))]
        change = region[:, 1:] - region[:, :1]
        return cls(torch.stack(pairs, dim=1), known, torch.cat([region, change], dim=1))

    def turned(self) -> Seen:
        """Mirror images, hidden channels, gains and noise: what must not change an answer."""
        axes = [axis for axis in (3, 4, 5) if torch.rand(()) < 0.5]
        pairs = self.pairs.flip(axes)
        region = self.region.flip([2]) if 3 in axes else self.region
        visits = pairs[:, :, :2] * (1.0 + 0.1 * torch.randn(*pairs.shape[:2], 2, 1, 1, 1))
        visits = visits + 0.05 * torch.randn_like(visits)
        known = self.known * (torch.rand(self.known.shape) > 0.1).float()
        return Seen(torch.cat([visits, pairs[:, :, 2:]], dim=2), known, region)


def correction(
    recipe: Recipe,
    fields: Fields,
    offset: FloatArray,
    cells: NDArray[np.bool_],
    quantities: FloatArray,
    others: Fields,
    weights: Weights | None,
    seed: int,
) -> FloatArray:
    """What a network adds to the logits of others (m, 3).

    Args:
        recipe: How it learns.
        fields: Of the n patients that it learns from.
        offset: (n, 3) their cross-fitted logits.
        cells: (n, 4) their outcome.
        quantities: (n, q) standardised auxiliary targets.
        others: Whom it is asked about.
        weights: Of the pretrained measurer.
        seed: Of weights and batches.
    """
    torch.manual_seed(seed)
    network = FieldNetwork(recipe, quantities.shape[1], weights)
    in_channels_last(network)
    head = [*network.head.parameters()]
    if network.auxiliary is not None:
        head += [*network.auxiliary.parameters()]
    if network.region is not None:
        head += [*network.region.parameters()]
    groups = [
        {"params": [*network.lesion.parameters()], "lr": 2e-4 if recipe.pretrained else 1e-3},
        {"params": head, "lr": 1e-3},
    ]
    optimiser = torch.optim.AdamW(groups, weight_decay=5e-2)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, recipe.epochs)
    start = torch.from_numpy(offset.astype(np.float32))
    label = torch.from_numpy(cells)
    target = torch.from_numpy(np.nan_to_num(quantities).astype(np.float32))
    for epoch in range(recipe.epochs):
        frozen = recipe.pretrained and epoch < recipe.epochs // 3
        network.lesion.requires_grad_(not frozen)
        network.train()
        for rows in torch.randperm(len(offset)).split(_BATCH):
            added, told = network(Seen.of(fields, rows.numpy()).turned())
            log_cells = joint_log_cells(start[rows] + added)
            loss = -log_cells.masked_fill(~label[rows], -torch.inf).logsumexp(dim=1).mean()
            if told is not None:
                loss = loss + recipe.auxiliary * functional.smooth_l1_loss(told, target[rows])
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimiser.step()
        schedule.step()
    return _asked(network, others)


@torch.no_grad()
def _asked(network: FieldNetwork, fields: Fields) -> FloatArray:
    network.eval()
    said = [
        network(Seen.of(fields, slice(first, first + 32)))[0]
        for first in range(0, len(fields.lesion), 32)
    ]
    return torch.cat(said).numpy().astype(np.float64)


@torch.no_grad()
def told_and_pooled(fields: Fields, weights: Weights) -> tuple[FloatArray, FloatArray]:
    """What the pretrained measurer tells of patients; NaN for a channel that a visit lacks.

    Returns:
        (n, 2·15) targets, in standard deviations of the lesions it was trained on, and (n, 2·96)
        its features.
    """
    model = in_channels_last(Measurer())
    model.load_state_dict(weights)
    model.eval()
    told: list[Tensor] = []
    features: list[Tensor] = []
    for first in range(0, len(fields.lesion), 32):
        seen = Seen.of(fields, slice(first, first + 32))
        pairs = seen.pairs.flatten(0, 1).contiguous(memory_format=torch.channels_last_3d)
        pooled, targets, _ = model(pairs)
        absent = torch.where(seen.known > 0, 0.0, torch.nan)[..., None]
        both = (each.view(*seen.known.shape, -1) + absent for each in (targets, pooled))
        for kept, each in zip((told, features), both, strict=True):
            kept.append(each.flatten(1))
    return torch.cat(told).double().numpy(), torch.cat(features).double().numpy()


def read_weights(path: Path) -> Weights:
    """The weights that ``pretraining.py`` kept."""
    return dict(torch.load(path, weights_only=False)["weights"])

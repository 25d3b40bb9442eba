"""Calibrators in the graph: logits to the four cells, in double precision and plain operators.

Shapes: B patients; 3 logits; 4 cells in the order of ``pcrnet.cohort.outcome.CELLS``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from pcrnet.decision.calibrators import (
    ChainCalibrator,
    IdentityCalibrator,
    IsotonicCalibrator,
    TemperatureCalibrator,
    calibrator_from_dict,
)
from pcrnet.decision.isotonic import MonotoneCurve
from pcrnet.errors import ExportError


def build_calibration(record: Mapping[str, Any]) -> nn.Module:
    """The module of a bundle's calibrator: logits float64 (B, 3) to cells (B, 4).

    Raises:
        ExportError: The calibrator is of a kind that has no graph.
        BundleError: The record is none of a calibrator.
    """
    match calibrator_from_dict(record):
        case ChainCalibrator(slopes, intercepts):
            return _Chain(slopes, intercepts)
        case IdentityCalibrator():
            return _Chain((1.0, 1.0, 1.0), (0.0, 0.0, 0.0))
        case TemperatureCalibrator(inverse_temperature, biases):
            return _Temperature(inverse_temperature, biases)
        case IsotonicCalibrator(curves):
            return _Isotonic(curves)
    raise ExportError(
        f"a calibrator of the kind {record.get('kind')} has no graph yet",
        field="evaluation.calibration.kind",
        remedy="use the kind chain, temperature, isotonic or none",
    )


class _Chain(nn.Module):
    """Platt's line for each logit, then the product of the chain."""

    def __init__(self, slopes: Sequence[float], intercepts: Sequence[float]) -> None:
        super().__init__()
        self.slopes: Tensor
        self.intercepts: Tensor
        self.register_buffer("slopes", torch.tensor(slopes, dtype=torch.float64))
        self.register_buffer("intercepts", torch.tensor(intercepts, dtype=torch.float64))

    def forward(self, logits: Tensor) -> Tensor:
        straightened = logits * self.slopes + self.intercepts
        return _product(torch.sigmoid(straightened), torch.sigmoid(-straightened))


class _Temperature(nn.Module):
    """One temperature and a bias a cell."""

    def __init__(self, inverse_temperature: float, biases: Sequence[float]) -> None:
        super().__init__()
        self.inverse_temperature: Tensor
        self.biases: Tensor
        inverse = torch.tensor(inverse_temperature, dtype=torch.float64)
        self.register_buffer("inverse_temperature", inverse)
        self.register_buffer("biases", torch.tensor(biases, dtype=torch.float64))

    def forward(self, logits: Tensor) -> Tensor:
        # log σ(x) = min(x, 0) − log(1 + exp(−|x|)), which no x overflows.
        tail = torch.log(1.0 + torch.exp(-logits.abs()))
        yes, no = logits.clamp(max=0.0) - tail, (-logits).clamp(max=0.0) - tail
        breast, given_free, given_residue = yes[:, 0:1], yes[:, 1:2], yes[:, 2:3]
        log_cells = torch.cat(
            [
                breast + given_free,
                breast + no[:, 1:2],
                no[:, 0:1] + given_residue,
                no[:, 0:1] + no[:, 2:3],
            ],
            dim=1,
        )
        return torch.softmax(self.inverse_temperature * log_cells + self.biases, dim=1)


class _Isotonic(nn.Module):
    """A monotone curve for each logit, then the product of the chain."""

    def __init__(self, curves: Sequence[MonotoneCurve]) -> None:
        super().__init__()
        self.curves = nn.ModuleList(_Curve(curve) for curve in curves)

    def forward(self, logits: Tensor) -> Tensor:
        prob = torch.cat(
            [curve(logits[:, index : index + 1]) for index, curve in enumerate(self.curves)], dim=1
        )
        return _product(prob, 1.0 - prob)


class _Curve(nn.Module):
    """A line between knots, flat outside them: the first level, and what each piece adds."""

    def __init__(self, curve: MonotoneCurve) -> None:
        super().__init__()
        knots = torch.tensor(curve.logits, dtype=torch.float64)
        levels = torch.tensor(curve.probs, dtype=torch.float64)
        self.first: Tensor
        self.lower: Tensor
        self.length: Tensor
        self.rise: Tensor
        self.register_buffer("first", levels[:1].clone())
        self.register_buffer("lower", knots[:-1].clone())
        self.register_buffer("length", knots.diff())
        self.register_buffer("rise", levels.diff())

    def forward(self, logit: Tensor) -> Tensor:
        """Logit (B, 1) to probability (B, 1)."""
        if not self.rise.numel():
            return self.first + 0.0 * logit
        covered = torch.minimum((logit - self.lower).clamp(min=0.0), self.length) / self.length
        return self.first + (covered * self.rise).sum(dim=1, keepdim=True)


def _product(yes: Tensor, no: Tensor) -> Tensor:
    """Cells (B, 4) from the chain's probabilities (B, 3) and their complements."""
    return torch.cat(
        [
            yes[:, 0:1] * yes[:, 1:2],
            yes[:, 0:1] * no[:, 1:2],
            no[:, 0:1] * yes[:, 2:3],
            no[:, 0:1] * no[:, 2:3],
        ],
        dim=1,
    )

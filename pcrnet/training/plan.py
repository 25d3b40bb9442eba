"""Which fits an experiment needs.

Nested estimation at half the price: one fit for each pair of folds {i, j}, trained on all others.
Its logits on j are inner out-of-fold logits for outer fold i and the other way round, and outer
fold i is predicted by the average of its K − 1 pair models. The model that ships is the same with
one fold left out instead of two.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import Literal

Mode = Literal["nested", "crossfit"]


@dataclass(frozen=True)
class FitPlan:
    """One fit: trained on every fold but those left out."""

    left_out: tuple[int, ...]

    @property
    def name(self) -> str:
        """Name of the fit and of its folder, such as ``without-0-3``."""
        return "-".join(["without", *map(str, self.left_out)])


def judged_fits(folds: int, mode: Mode) -> tuple[FitPlan, ...]:
    """The fits whose logits an estimate rests on: K(K−1)/2 pairs; the K single ones in crossfit."""
    return _leaving_out(2 if mode == "nested" else 1, folds)


def shipped_fits(folds: int) -> tuple[FitPlan, ...]:
    """The K fits that become the bundle."""
    return _leaving_out(1, folds)


def plan_fits(folds: int, mode: Mode) -> tuple[FitPlan, ...]:
    """Every fit of an experiment: those that are judged, then those that are shipped."""
    return tuple(dict.fromkeys(judged_fits(folds, mode) + shipped_fits(folds)))


def _leaving_out(count: int, folds: int) -> tuple[FitPlan, ...]:
    return tuple(FitPlan(left_out) for left_out in combinations(range(folds), count))

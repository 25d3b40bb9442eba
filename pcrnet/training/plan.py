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


@dataclass(frozen=True)
class FitPlan:
    """One fit: trained on every fold but those left out."""

    left_out: tuple[int, ...]

    @property
    def name(self) -> str:
        """Name of the fit and of its folder, such as ``without-0-3``."""
        return "-".join(["without", *map(str, self.left_out)])


def plan_fits(folds: int, mode: Literal["nested", "crossfit"]) -> tuple[FitPlan, ...]:
    """The fits of an experiment: K(K−1)/2 pairs and K final ones; ``crossfit`` has the K alone."""
    pairs = [FitPlan(pair) for pair in combinations(range(folds), 2)] if mode == "nested" else []
    return (*pairs, *(FitPlan((fold,)) for fold in range(folds)))

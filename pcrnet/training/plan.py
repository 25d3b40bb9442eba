"""Which fits an experiment needs.

Nested estimation at half the price: one fit for each pair of folds {i, j}, trained on all others.
Its logits on j are inner out-of-fold logits for outer fold i and the other way round, and outer
fold i is predicted by the average of its K − 1 pair models. The model that ships is the same with
one fold left out instead of two. A few fits without three folds show how much of a logit is noise
of its fit, which averaging takes away (:mod:`pcrnet.training.averaging`).
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
    """The fits whose logits an estimate rests on.

    Nested: K(K−1)/2 pairs, and from five folds on the fewest triples that touch every fold.
    Crossfit: the K single ones.
    """
    if mode == "crossfit":
        return shipped_fits(folds)
    pairs = tuple(FitPlan(pair) for pair in combinations(range(folds), 2))
    return (*pairs, *_triples(folds))


def shipped_fits(folds: int) -> tuple[FitPlan, ...]:
    """The K fits that become the bundle."""
    return tuple(FitPlan((fold,)) for fold in range(folds))


def plan_fits(folds: int, mode: Mode) -> tuple[FitPlan, ...]:
    """Every fit of an experiment: those that are judged, then those that are shipped."""
    return tuple(dict.fromkeys(judged_fits(folds, mode) + shipped_fits(folds)))


def _triples(folds: int) -> list[FitPlan]:
    # With fewer folds a fit without three of them would learn from one fold or none.
    starts = {*range(0, folds - 2, 3), folds - 3} if folds >= 5 else set()
    return [FitPlan((start, start + 1, start + 2)) for start in sorted(starts)]

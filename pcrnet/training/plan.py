"""Which fits an experiment needs.

Nested estimation at half the price. Outer fold i is predicted by the one fit that left it out.
What is fitted on predictions for its sake, the calibrator and the thresholds, rests on the fits
that left out i and one fold more: the fit without {i, j} predicts j for the sake of i, and i for
the sake of j. The model that ships learns from everybody, and is calibrated on what the fits
without one fold said of it: at every level one fit is calibrated on single fits of the level below,
so that nothing has to be corrected for averaging.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import Literal

from pcrnet.config.experiment import Experiment
from pcrnet.config.model import RIVALS, Rival

Mode = Literal["nested", "crossfit"]


@dataclass(frozen=True)
class FitPlan:
    """One fit: trained on every fold but those left out."""

    left_out: tuple[int, ...]

    @property
    def name(self) -> str:
        """Name of the fit and of its folder, such as ``without-0-3``; ``with-all`` ships."""
        return "-".join(["without", *map(str, self.left_out)]) if self.left_out else "with-all"


SHIPPED_FIT = FitPlan(())
"""The fit that learns from every patient and becomes the bundle."""


def judged_fits(folds: int, mode: Mode) -> tuple[FitPlan, ...]:
    """The fits whose logits an estimate rests on.

    Nested: the K(K−1)/2 that leave out two folds and the K that leave out one. Crossfit: the
    latter alone.
    """
    singles = tuple(FitPlan((fold,)) for fold in range(folds))
    if mode == "crossfit":
        return singles
    return (*(FitPlan(pair) for pair in combinations(range(folds), 2)), *singles)


def rivals_to_train(experiment: Experiment, covariates: int) -> tuple[Rival, ...]:
    """Of the rivals that are asked for those that there is something to be learned by.

    Args:
        experiment: Its own kind of model is no rival.
        covariates: How many are named: without one, a rival that rests on them alone is left out.
    """
    return tuple(
        kind
        for kind in experiment.evaluation.rivals
        if kind != experiment.model.kind and (covariates or RIVALS[kind].rests_on_scans)
    )


def fits_in_words(fits: int, networks: int, epochs: int) -> str:
    """How many fits there are, and what each trains at most.

    Args:
        fits: Their number.
        networks: That a fit trains; 0 where its model has a closed form.
        epochs: Of each network.
    """
    text = f"{fits} fit{'' if fits == 1 else 's'}"
    if not networks:
        return text
    several = f"up to {networks} networks, " if networks > 1 else ""
    return f"{text} of {several}up to {epochs} epoch{'' if epochs == 1 else 's'}" + (
        " each" if several else ""
    )


def plan_fits(folds: int, mode: Mode) -> tuple[FitPlan, ...]:
    """Every fit of an experiment: those that are judged, then the one that ships."""
    return (*judged_fits(folds, mode), SHIPPED_FIT)

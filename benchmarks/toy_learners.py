"""Learners that take milliseconds, so that what a whole procedure does can be measured often.

Discriminants by ridge regression stand in for networks: as they are, their only noise is that of
the training sample; with weights that each fit disturbs at random they are noisy as seeds make a
network; and with a heavy penalty they speak up with every further patient, as trained networks do.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from pcrnet.training.plan import SHIPPED_FIT, plan_fits

FOLDS, COVARIATES = 5, 12


@dataclass(frozen=True)
class World:
    """What is learned, and by whom.

    Attributes:
        effect: Strength of the covariates' effects; 0 is noise.
        disturbance: Standard deviation of what each fit adds to each weight.
        ridge: Penalty, in patients.
    """

    effect: float
    disturbance: float
    ridge: float


WORLDS = {
    "signal": World(1.0, 0.0, 5.0),
    "signal, noisy fits": World(1.0, 0.3, 5.0),
    "signal, heavy penalty": World(1.0, 0.0, 60.0),
    "noise": World(0.0, 0.0, 5.0),
    "weak signal, some noise": World(0.6, 0.15, 20.0),
}


@dataclass(frozen=True)
class Patients:
    """Covariates (n, p) and the outcome's cell (n,), as ``pcrnet.cohort.outcome.CELLS``."""

    covariates: np.ndarray
    cell: np.ndarray

    @property
    def allowed(self) -> np.ndarray:
        """(n, 4) cells that agree with the outcome."""
        return np.eye(4, dtype=bool)[self.cell]


@dataclass(frozen=True)
class Fit:
    """Three linear discriminants: weights (p, 3) and intercepts (3,)."""

    weights: np.ndarray
    intercepts: np.ndarray

    def logits(self, covariates: np.ndarray) -> np.ndarray:
        """Logits (n, 3) of the chain."""
        return covariates @ self.weights + self.intercepts


@dataclass(frozen=True)
class Trial:
    """A cohort with every fit that pcrnet's scheme asks for.

    Attributes:
        patients: The cohort.
        fold: (n,) fold of each.
        fits: Folds left out to the fit.
        logits: Folds left out to logits (n, 3), NaN where the fit saw the patient.
    """

    patients: Patients
    fold: np.ndarray
    fits: Mapping[tuple[int, ...], Fit]
    logits: Mapping[tuple[int, ...], np.ndarray]

    @property
    def shipped(self) -> Fit:
        """The fit on everybody."""
        return self.fits[SHIPPED_FIT.left_out]


def chance_of_breast(covariates: np.ndarray, effect: float) -> np.ndarray:
    """P(yT0) (n,)."""
    return expit(0.4 + 0.6 * effect * covariates[:, :3].sum(axis=1))


def chance_of_nodes(covariates: np.ndarray, breast: np.ndarray | bool, effect: float) -> np.ndarray:
    """P(yN0) (n,) of patients with yT0 = ``breast``."""
    return expit(np.where(breast, 1.0, -0.6) + 0.5 * effect * covariates[:, 2:5].sum(axis=1))


def chance_of_both(covariates: np.ndarray, effect: float) -> np.ndarray:
    """P(yT0yN0) (n,): what no learner can better."""
    return chance_of_breast(covariates, effect) * chance_of_nodes(covariates, True, effect)


def draw_patients(n: int, effect: float, generator: np.random.Generator) -> Patients:
    """Patients whose chance of response depends on two sums of covariates, times ``effect``."""
    covariates = generator.normal(size=(n, COVARIATES))
    breast = generator.random(n) < chance_of_breast(covariates, effect)
    nodes = generator.random(n) < chance_of_nodes(covariates, breast, effect)
    return Patients(covariates, np.where(breast, np.where(nodes, 0, 1), np.where(nodes, 2, 3)))


def run_trial(n: int, world: World, generator: np.random.Generator) -> Trial:
    """Draw a cohort, deal its folds by outcome, and make all fits."""
    patients = draw_patients(n, world.effect, generator)
    fold = deal_folds(patients.cell, generator)
    fits, logits = {}, {}
    for plan in plan_fits(FOLDS, "nested"):
        unseen = np.isin(fold, plan.left_out)
        fit = fit_chain_of(patients, ~unseen, world, generator)
        fits[plan.left_out] = fit
        logits[plan.left_out] = np.full((n, 3), np.nan)
        logits[plan.left_out][unseen] = fit.logits(patients.covariates[unseen])
    return Trial(patients, fold, fits, logits)


def fit_chain_of(
    patients: Patients, rows: np.ndarray, world: World, generator: np.random.Generator
) -> Fit:
    """yT0, yN0 given yT0 = 1 and yN0 given yT0 = 0, each from its own patients among ``rows``."""
    breast, nodes = patients.cell < 2, patients.cell % 2 == 0
    subsets = ((rows, breast), (rows & breast, nodes), (rows & ~breast, nodes))
    parts = [
        _discriminant(patients.covariates[inside], event[inside], world.ridge)
        for inside, event in subsets
    ]
    weights = np.stack([weight for weight, _ in parts], axis=1)
    weights += world.disturbance * generator.normal(size=weights.shape)
    return Fit(weights, np.array([intercept for _, intercept in parts]))


def _discriminant(
    covariates: np.ndarray, event: np.ndarray, ridge: float
) -> tuple[np.ndarray, float]:
    n, positive = len(event), int(event.sum())
    odds = float(np.log((positive + 0.5) / (n - positive + 0.5)))
    if positive in (0, n):
        return np.zeros(COVARIATES), odds
    means = [covariates[event == value].mean(axis=0) for value in (True, False)]
    within = covariates - np.where(event[:, None], *means)
    spread = (within.T @ within + ridge * np.eye(COVARIATES)) / max(n + ridge - 2, 1.0)
    weights = np.linalg.solve(spread, means[0] - means[1])
    return weights, odds - float(weights @ (means[0] + means[1])) / 2


def deal_folds(cell: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Folds (n,) that hold each outcome cell in equal parts, as pcrnet's own do."""
    order = np.lexsort((generator.random(len(cell)), cell))
    fold = np.empty(len(cell), dtype=np.int64)
    fold[order] = np.arange(len(cell)) % FOLDS
    return fold

"""The three logits of the joint outcome as ridge regressions on one set of features.

ℓ₁ is fitted on everybody. ℓ₂ and ℓ₃, the nodes given a breast with and without residue, share their
coefficients and differ by a step: each alone would rest on half of the patients. What tells the
nodes is a few measurements of the axilla and the clinical stage, where much that is measured says
something of the breast: there the relevance of a feature counts by its power of 1.5.

A patient whose outcome is partly known counts with the probabilities of what it may be
(expectation–maximisation), so that what is maximised is the marginal likelihood of what is known.

Shapes: n patients, p features, 4 outcome cells in the order of ``pcrnet.cohort.outcome.CELLS``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from pcrnet.models.rivals.moderation import moderated
from pcrnet.models.rivals.ridge import (
    PENALTIES,
    FloatArray,
    Ridge,
    choose_penalty,
    fit_relevant,
    relevance,
)

Design = tuple[FloatArray, FloatArray, FloatArray]
"""Features, labels in [0, 1] and weights of a regression."""

_ROUNDS = 8
_BREAST_POWER, _NODES_POWER = 1.0, 1.5
FREEDOM = 3.0  # the step between ℓ₂ and ℓ₃ is penalised a ninth as much as a feature
_FOLDS, _REPEATS = 5, 2


@dataclass(frozen=True, eq=False)
class RidgeChain:
    """Three linear logits.

    Attributes:
        breast: ℓ₁.
        nodes: ℓ₃ by its intercept; ℓ₂ is ``step`` above it.
        step: ℓ₂ − ℓ₃.
        penalties: Of the breast's and of the nodes' coefficients.
    """

    breast: Ridge
    nodes: Ridge
    step: float
    penalties: tuple[float, float]

    @classmethod
    def fit(cls, features: FloatArray, allowed: NDArray[np.bool_], seed: int) -> RidgeChain:
        """Choose both penalties on inner folds, then fit.

        Args:
            features: (n, p), standardised and complete.
            allowed: (n, 4) cells that agree with what is known.
            seed: Of the inner folds.
        """
        return cls._fit(features, allowed, seed, None)

    def refit(self, features: FloatArray, allowed: NDArray[np.bool_]) -> RidgeChain:
        """The same penalties on other patients: features (n, f), possible cells (n, 4)."""
        return self._fit(features, allowed, 0, self.penalties)

    def logits(self, features: FloatArray) -> FloatArray:
        """Features (n, p) to logits (n, 3)."""
        nodes = self.nodes.logits(features)
        return np.column_stack([self.breast.logits(features), nodes + self.step, nodes])

    @classmethod
    def _fit(
        cls,
        features: FloatArray,
        allowed: NDArray[np.bool_],
        seed: int,
        penalties: tuple[float, float] | None,
    ) -> RidgeChain:
        informative = ~allowed.all(axis=1)
        features, allowed = features[informative], allowed[informative]
        partly = bool((allowed.sum(axis=1) > 1).any())
        cells = first_guess(allowed)
        folds = _inner_folds(cells, seed)
        found = _maximise(features, cells, folds, penalties, None)
        for _ in range(_ROUNDS if partly else 0):
            cells = expected_cells(found.chain().logits(features), allowed)
            # What each round maximises must be the same, or it need not rise.
            found = _maximise(features, cells, folds, found.penalties, found.scales)
        return found.moderated(features, cells).chain()


@dataclass(frozen=True, eq=False)
class _Regressions:
    """Both regressions as they are fitted, and what they were fitted with.

    Attributes:
        breast: ℓ₁.
        nodes: With the coefficient of the step for the last.
        coding: Mean and spread of the step's feature.
        penalties: Of the breast's and of the nodes' coefficients.
        scales: Their features were multiplied by.
    """

    breast: Ridge
    nodes: Ridge
    coding: tuple[float, float]
    penalties: tuple[float, float]
    scales: tuple[FloatArray, FloatArray]

    def chain(self) -> RidgeChain:
        mean, spread = self.coding
        slope = float(self.nodes.coefficients[-1]) * FREEDOM
        return RidgeChain(
            breast=self.breast,
            nodes=Ridge(self.nodes.coefficients[:-1], self.nodes.intercept - slope * mean / spread),
            step=slope / spread,
            penalties=self.penalties,
        )

    def moderated(self, features: FloatArray, cells: FloatArray) -> _Regressions:
        """As they should be believed: the last step, since what is maximised is the likelihood."""
        (of_breast, _, everybody), (of_nodes, _, weights), _ = designs(features, cells)
        return replace(
            self,
            breast=moderated(self.breast, of_breast, everybody, self.penalties[0], self.scales[0]),
            nodes=moderated(self.nodes, of_nodes, weights, self.penalties[1], self.scales[1]),
        )


def _maximise(
    features: FloatArray,
    cells: FloatArray,
    folds: list[NDArray[np.int64]],
    penalties: tuple[float, float] | None,
    scales: tuple[FloatArray, FloatArray] | None,
) -> _Regressions:
    """The regressions given the probability (n, 4) of each cell."""
    breast, nodes, coding = designs(features, cells)
    if penalties is None:
        doubled = [np.concatenate([fold, fold]) for fold in folds]
        penalties = (
            choose_penalty(*breast, folds, _BREAST_POWER),
            choose_penalty(*nodes, doubled, _NODES_POWER),
        )
    if scales is None:
        scales = relevances(breast, nodes)
    of_breast, of_nodes = (
        fit_relevant(*of, [heavier for heavier in PENALTIES if heavier >= penalty], scale)[-1]
        for of, penalty, scale in zip((breast, nodes), penalties, scales, strict=True)
    )
    return _Regressions(of_breast, of_nodes, coding, penalties, scales)


def relevances(breast: Design, nodes: Design) -> tuple[FloatArray, FloatArray]:
    """What the features (p,) and (p + 1,) of the two regressions are multiplied by."""
    return relevance(*breast, _BREAST_POWER), relevance(*nodes, _NODES_POWER)


def designs(features: FloatArray, cells: FloatArray) -> tuple[Design, Design, tuple[float, float]]:
    """What the breast's and the nodes' regressions are fitted on, and how the step is coded.

    Each patient enters the nodes' twice, once as one with a free breast and once as one with
    residue; the last feature there is the step, standardised by the mean and spread returned.

    Args:
        features: (n, f).
        cells: (n, 4) probability of each cell of the joint outcome.
    """
    n = len(features)
    free = cells[:, 0] + cells[:, 1]
    mean = float(free.mean()) if n else 0.5
    spread = max(float(np.sqrt(mean * (1.0 - mean))), 0.05)
    step = np.repeat([(1.0 - mean) / spread, -mean / spread], n) * FREEDOM
    weights = np.concatenate([free, 1.0 - free])
    safe = np.maximum(weights, 1e-12)
    labels = np.concatenate([cells[:, 0], cells[:, 2]]) / safe
    nodes = (
        np.column_stack([np.vstack([features, features]), step]),
        np.clip(labels, 0.0, 1.0),
        weights,
    )
    return (features, free, np.ones(n)), nodes, (mean, spread)


def first_guess(allowed: NDArray[np.bool_]) -> FloatArray:
    """Probability (n, 4) of each cell from the frequencies of what is known."""
    known = allowed[allowed.sum(axis=1) == 1]
    frequency = known.sum(axis=0) + 0.5
    return _normalised(allowed * (frequency / frequency.sum()))


def expected_cells(logits: FloatArray, allowed: NDArray[np.bool_]) -> FloatArray:
    """Probability (n, 4) of each cell from the model, given what is known."""
    breast, given_free, given_residue = expit(logits).T
    joint = np.column_stack(
        [
            breast * given_free,
            breast * (1.0 - given_free),
            (1.0 - breast) * given_residue,
            (1.0 - breast) * (1.0 - given_residue),
        ]
    )
    return _normalised(allowed * np.maximum(joint, 1e-12))


def _normalised(weights: FloatArray) -> FloatArray:
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


def _inner_folds(cells: FloatArray, seed: int) -> list[NDArray[np.int64]]:
    """Folds (n,) that hold each likeliest cell in equal parts, dealt anew each time."""
    generator = np.random.default_rng(seed)
    dealt = []
    for _ in range(_REPEATS):
        order = np.lexsort((generator.random(len(cells)), cells.argmax(axis=1)))
        fold = np.empty(len(cells), dtype=np.int64)
        fold[order] = np.arange(len(cells)) % _FOLDS
        dealt.append(fold)
    return dealt

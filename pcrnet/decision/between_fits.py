"""How far pair fits would differ in what each does to other patients, metric by metric.

Only patients whom a fit has not seen are looked at: each fold by the K − 1 pair fits that left it
out. Every function gives variances between fits, as means over the folds.

Shapes: n patients, K folds; ``fold`` (n,), ``shown`` folds left out to probabilities (n,).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.special import logit, ndtr

from pcrnet.decision.training_size import pair_key
from pcrnet.evaluation.statistics.array_types import BoolArray, FloatArray

_SMOOTHING = 0.1
"""Width, in standard deviations of the logits, over which a patient close to a threshold counts in
part."""
INSIDE = 1e-9
"""Probabilities are kept this far from 0 and 1, where they have a logit."""

RisksByLeftOut = Mapping[tuple[int, ...], FloatArray]
"""Folds left out by a fit to its probabilities (n,)."""

Expected = Callable[[FloatArray, FloatArray], float]
"""From scores (m,) and the chances of response (m,) of m patients to what a metric would be."""


def expected_metrics(
    fold: NDArray[np.int64], shown: RisksByLeftOut, chance: FloatArray
) -> dict[str, float]:
    """AUC, average precision and slope, as if patients responded with their ``chance`` (n,)."""
    return {
        name: _between_fits(fold, shown, chance, expected) for name, expected in _EXPECTED.items()
    }


def _between_fits(
    fold: NDArray[np.int64],
    shown: RisksByLeftOut,
    chance: FloatArray,
    expected: Expected,
) -> float:
    """Mean over folds of the variance of ``expected`` over the pair fits that left the fold out."""
    found = []
    for own, risks in _unseen(fold, shown):
        values = [expected(risk, chance[own]) for risk in risks]
        if np.isfinite(values).all():
            found.append(np.var(values, ddof=1))
    return float(np.mean(found)) if found else 0.0


def called_rightly(
    fold: NDArray[np.int64],
    shown: RisksByLeftOut,
    label: FloatArray,
    threshold: float,
    spread: float,
    *,
    of_responders: bool,
) -> tuple[float, float]:
    """Sensitivity or specificity at a threshold, in as many patients as there may be.

    It is asked of the patients' outcomes: chances that a noisy fit tells hide what two others
    differ in, and by how much depends on the threshold. A rate jumps with every patient whom two
    fits call differently, and a fold has few: what comes of that is taken out, as the interaction
    of fits and patients in a two-way layout without repeats. A patient close to the threshold is
    called in part, so that less has to be.

    Args:
        fold: (n,) fold of each patient.
        shown: By fit.
        label: (n,) 1, 0 or NaN.
        threshold: In [0, 1], or NaN.
        spread: Standard deviation of the logits.
        of_responders: Sensitivity, or else specificity.

    Returns:
        The variance between fits, and what it was before the patients' part was taken out.
    """
    cut = float(logit(np.clip(threshold, INSIDE, 1 - INSIDE)))
    width = max(_SMOOTHING * spread, INSIDE) * (1 if of_responders else -1)
    concerned = label == float(of_responders)
    return _layouts(fold, shown, concerned, lambda risk: ndtr((scores_of(risk) - cut) / width))


def levels(
    fold: NDArray[np.int64], shown: RisksByLeftOut, chance: FloatArray, known: BoolArray
) -> tuple[float, float]:
    """Calibration in the large of the ``known`` (n,), with the same two variances.

    A shift of all logits moves the mean probability by the mean of p(1 − p) of ``chance`` (n,).
    """
    moved = float(np.mean(inside(chance) * (1 - inside(chance))))
    return _layouts(fold, shown, known, lambda risk: risk / moved)


def _layouts(
    fold: NDArray[np.int64],
    shown: RisksByLeftOut,
    concerned: BoolArray,
    part: Callable[[FloatArray], FloatArray],
) -> tuple[float, float]:
    """Mean over folds of the variance over fits of the mean ``part`` of the patients concerned."""
    found, seen = [], []
    for own, risks in _unseen(fold, shown):
        values = np.stack([part(risk[concerned[own]]) for risk in risks])
        fits, patients = values.shape
        if patients < 2 or np.isnan(values).any():
            continue
        of_fits = values.mean(axis=1)
        interaction = values - of_fits[:, None] - values.mean(axis=0) + values.mean()
        noise = float((interaction**2).sum()) / ((fits - 1) * (patients - 1))
        seen.append(float(np.var(of_fits, ddof=1)))
        found.append(seen[-1] - noise / patients)
    return (max(float(np.mean(found)), 0.0), float(np.mean(seen))) if found else (0.0, 0.0)


def _unseen(
    fold: NDArray[np.int64], shown: RisksByLeftOut
) -> Iterator[tuple[BoolArray, FloatArray]]:
    """Which patients (n,) each fold holds, and what the fits without it say of them (K − 1, m)."""
    folds = range(int(fold.max()) + 1)
    for outer in folds:
        own = fold == outer
        yield (
            own,
            np.stack([shown[pair_key(outer, inner)][own] for inner in folds if inner != outer]),
        )


def _expected_auc(score: FloatArray, chance: FloatArray) -> float:
    # In order of the score; ties count half, so that equal scores of all give one half.
    values, place = np.unique(score, return_inverse=True)
    positive = np.bincount(place, weights=chance, minlength=len(values))
    negative = np.bincount(place, weights=1 - chance, minlength=len(values))
    total = positive.sum() * negative.sum()
    below = np.cumsum(negative) - negative / 2
    return float(positive @ below / total) if total > 0 else np.nan


def _expected_precision(score: FloatArray, chance: FloatArray) -> float:
    order = np.argsort(-score, kind="stable")
    right = np.cumsum(chance[order])
    precision = right / np.arange(1, len(score) + 1)
    return float(chance[order] @ precision / right[-1]) if right[-1] > 0 else np.nan


def _expected_slope(score: FloatArray, chance: FloatArray) -> float:
    value = scores_of(score)
    spread = float(np.var(value))
    if spread < INSIDE:
        return np.nan
    return float(np.mean((value - value.mean()) * scores_of(chance))) / spread


_EXPECTED: Mapping[str, Expected] = {
    "auc": _expected_auc,
    "average_precision": _expected_precision,
    "calibration_slope": _expected_slope,
}


def inside(prob: FloatArray) -> FloatArray:
    """Probabilities (n,) that have a logit."""
    return np.clip(prob, INSIDE, 1 - INSIDE)


def scores_of(prob: FloatArray) -> FloatArray:
    """Logits (n,) of probabilities (n,)."""
    return np.asarray(logit(inside(prob)))

"""Discrimination: the area under the ROC curve with DeLong's variance.

Without folds all pairs of a complete response and a residual disease are compared; with folds only
pairs within a fold, since the scores of different models are not on one scale (pooling them biases
the AUC low: 0.485 on noise). An AUC below 0.5 stays below 0.5.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from pcrnet.evaluation.statistics.array_types import BoolArray, FloatArray, IntArray, why_undefined
from pcrnet.evaluation.statistics.intervals import (
    Estimate,
    clopper_pearson_interval,
    logit_wald_interval,
)

ROUNDING = 1e-12
"""Placements are shares of counts: what differs by less than this differs by rounding."""


@dataclass(frozen=True)
class Delong:
    """AUCs of m scores on the same n patients, with their covariance.

    Attributes:
        auc: (m,) areas.
        covariance: (m, m), given the fitted models and the folds; NaN where a class has fewer than
            two patients in every fold.
        disjoint_pairs: The most pairs of one patient of each class, each patient used once, that
            the folds hold: what an exact interval rests on.
    """

    auc: FloatArray
    covariance: FloatArray
    disjoint_pairs: int


def delong(scores: FloatArray, label: FloatArray, fold: IntArray | None = None) -> Delong:
    """AUCs and their covariance by the midrank algorithm (Sun & Xu 2014, IEEE SPL 21:1389).

    A patient's placement is the share of the other class, within the fold, that the score ranks
    rightly (ties count half). The AUC is the share of all within-fold pairs; its variance sums the
    variances of the folds, in which the spread of the placements about their fold's mean is pooled
    over the folds (LeDell, Petersen & van der Laan 2015, EJS 9:1583), so that a fold with a single
    patient of a class does no harm. With one fold this is DeLong, DeLong & Clarke-Pearson 1988.

    Args:
        scores: (m, n) finite scores of m models on the same patients.
        label: (n,) labels 0 and 1, both present in at least one fold.
        fold: (n,) fold of each patient, or None.
    """
    groups = np.zeros(len(label)) if fold is None else fold
    folds = [groups == group for group in np.unique(groups)]
    both = [(rows & (label == 1), rows & (label == 0)) for rows in folds]
    both = [
        (positive, negative) for positive, negative in both if positive.any() and negative.any()
    ]
    pairs = np.array([positive.sum() * negative.sum() for positive, negative in both], dtype=float)
    weights = pairs / pairs.sum()
    auc = np.zeros(len(scores))
    spread = np.zeros((2, len(scores), len(scores)))
    freedom, share = np.zeros(2), np.zeros(2)
    for weight, (positive, negative) in zip(weights, both, strict=True):
        classes = _placements(scores, positive, negative)
        area = classes[0].mean(axis=1)
        auc += weight * area
        for k, placement in enumerate(classes):
            deviation = placement - area[:, None]
            spread[k] += deviation @ deviation.T
            freedom[k] += placement.shape[1] - 1
            share[k] += weight**2 / placement.shape[1]
    # Without a degree of freedom there is no variance: a spread that rounding alone has made must
    # not be divided by zero, which would be infinite instead of unknown.
    per_freedom = np.divide(share, freedom, out=np.full(2, np.nan), where=freedom > 0)
    covariance = (spread * per_freedom[:, None, None]).sum(axis=0)
    smaller = sum(min(int(positive.sum()), int(negative.sum())) for positive, negative in both)
    return Delong(auc, covariance, smaller)


def auc(
    score: FloatArray,
    label: FloatArray,
    fold: IntArray | None = None,
    confidence: float = 0.95,
) -> Estimate:
    """AUC with DeLong's variance on the logit scale.

    Where all pairs are ranked alike (AUC 0 or 1) that variance is 0, and the interval is the exact
    one of disjoint pairs: were the AUC θ, all m of them would be concordant with probability θᵐ.

    Args:
        score: (n,) scores; only their order counts.
        label: (n,) labels 0 and 1.
        fold: (n,) fold of each patient; pairs are then formed within folds only.
        confidence: Two-sided.
    """
    method = auc_method(fold)
    reason = why_undefined(score, label) or why_no_pair(label, fold)
    if reason:
        return Estimate.undefined(reason, n=len(label), method=method)
    result = delong(score[None], label, fold)
    value = float(result.auc[0])
    variance = float(result.covariance[0, 0])
    if min(value, 1 - value) < ROUNDING:
        perfect = round(value) * result.disjoint_pairs
        low, high = clopper_pearson_interval(perfect, result.disjoint_pairs, confidence)
        reason = f"degenerate: all pairs are ranked {'rightly' if perfect else 'wrongly'}"
        method = f"exact over {result.disjoint_pairs} disjoint pairs"
        return Estimate(float(round(value)), low, high, len(label), method, reason)
    if reason := why_no_variance(variance):
        return Estimate(value, None, None, len(label), method, reason)
    low, high = logit_wald_interval(value, math.sqrt(variance), confidence)
    return Estimate(value, low, high, len(label), method)


def auc_fold_mean(
    score: FloatArray, label: FloatArray, fold: IntArray, confidence: float = 0.95
) -> Estimate:
    """Mean of the folds' AUCs, each fold counting the same, with Student's interval over folds.

    The interval shows the spread over folds. Their training sets overlap, so the folds are not
    independent and the interval has no exact coverage (Bengio & Grandvalet 2004).

    Args:
        score: (n,) higher for what is called 1.
        label: (n,) 0 or 1.
        fold: (n,) fold of each patient.
        confidence: Of the interval, in (0, 1).
    """
    method = "mean over folds, Student's t over folds (folds taken as independent)"
    reason = why_undefined(score, label) or why_no_pair(label, fold)
    if reason:
        return Estimate.undefined(reason, n=len(label), method=method)
    rows = [fold == k for k in np.unique(fold)]
    usable = [inside for inside in rows if len(np.unique(label[inside])) == 2]
    areas = np.array([delong(score[None, inside], label[inside]).auc[0] for inside in usable])
    value = float(areas.mean())
    note = None
    if len(usable) < len(rows):
        note = f"{len(rows) - len(usable)} of {len(rows)} folds have one class and are left out"
    if len(areas) < 2:
        return Estimate(value, None, None, len(label), method, note or "a single fold")
    if np.ptp(areas) < ROUNDING:
        alike = "no interval: all folds have the same AUC"
        note = f"{alike}; {note}" if note else alike
        return Estimate(value, None, None, len(label), method, note)
    error = float(areas.std(ddof=1)) / math.sqrt(len(areas))
    half = float(stdtrit(len(areas) - 1, (1 + confidence) / 2)) * error
    low, high = max(value - half, 0.0), min(value + half, 1.0)
    return Estimate(value, low, high, len(label), method, note)


def _placements(
    scores: FloatArray, positive: BoolArray, negative: BoolArray
) -> tuple[FloatArray, FloatArray]:
    from scipy.stats import rankdata

    above, below = scores[:, positive], scores[:, negative]
    n_above, n_below = above.shape[1], below.shape[1]
    ranks = rankdata(np.concatenate([above, below], axis=1), axis=1)
    among_above = rankdata(above, axis=1)
    among_below = rankdata(below, axis=1)
    return (
        (ranks[:, :n_above] - among_above) / n_below,
        1.0 - (ranks[:, n_above:] - among_below) / n_above,
    )


def why_no_pair(label: FloatArray, fold: IntArray | None) -> str | None:
    """Say why no fold has a pair of labels (n,) to compare, or None where one has."""
    if fold is None:
        return None
    if any(len(np.unique(label[fold == k])) == 2 for k in np.unique(fold)):
        return None
    return "no fold has patients of both classes"


def why_no_variance(variance: float) -> str | None:
    """Say why the variance of an AUC carries no interval, or None where it does."""
    if math.isnan(variance):
        return "no interval: a class has a single patient"
    if not variance > ROUNDING**2:
        return "no interval: the patients of each class are all ranked alike, without variance"
    return None


def auc_method(fold: IntArray | None, scale: str = "logit scale") -> str:
    """How an AUC and its interval came about, for the record; ``fold`` is (n,)."""
    if fold is None:
        return f"DeLong, {scale}"
    return f"DeLong over pairs within folds, {scale}; given the fitted models and the folds"

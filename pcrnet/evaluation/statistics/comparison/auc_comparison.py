"""Comparing AUCs: of two models or of many on the same patients, and of two groups of patients."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy import stats

from pcrnet.evaluation.statistics.array_types import FloatArray, IntArray, why_undefined
from pcrnet.evaluation.statistics.discrimination import (
    ROUNDING,
    Delong,
    auc_method,
    delong,
    why_no_pair,
    why_no_variance,
)
from pcrnet.evaluation.statistics.intervals import Estimate, Interval, normal_quantile


@dataclass(frozen=True)
class AucComparison:
    """The difference of two AUCs and its test.

    Attributes:
        difference: First less second, with Wald's interval.
        z: Standardised difference (Student's t for independent groups); None where undefined.
        p: Two-sided; 1 where the two scores rank all patients alike; None where undefined.
    """

    difference: Estimate
    z: float | None
    p: float | None


@dataclass(frozen=True)
class GlobalComparison:
    """χ² test that several AUCs are all the same.

    Attributes:
        chi2: The statistic.
        freedom: Its degrees of freedom.
        p: 1 where no two models rank the patients differently.
    """

    chi2: float
    freedom: int
    p: float


class ScoredGroup(NamedTuple):
    """Scores, labels and, after cross-validation, folds of one group of patients; each (n,)."""

    score: FloatArray
    label: FloatArray
    fold: IntArray | None = None


def compare_auc(
    first: FloatArray,
    second: FloatArray,
    label: FloatArray,
    fold: IntArray | None = None,
    confidence: float = 0.95,
) -> AucComparison:
    """Compare two models on the same patients (DeLong, DeLong & Clarke-Pearson 1988).

    Args:
        first: (n,) scores of one model.
        second: (n,) scores of the other.
        label: (n,) labels 0 and 1.
        fold: (n,) folds shared by both, or None.
        confidence: Two-sided, of the difference.
    """
    method = f"paired {auc_method(fold, scale='Wald')}"
    reason = why_undefined(first, label) or why_undefined(second, label) or why_no_pair(label, fold)
    if reason:
        return AucComparison(Estimate.undefined(reason, n=len(label), method=method), None, None)
    result = delong(np.stack([first, second]), label, fold)
    contrast = np.array([1.0, -1.0])
    difference = float(contrast @ result.auc)
    if np.isnan(result.covariance).any():
        reason = why_no_variance(math.nan)
        return AucComparison(
            Estimate(difference, None, None, len(label), method, reason), None, None
        )
    variance = float(contrast @ result.covariance @ contrast)
    negligible = ROUNDING * float(np.trace(result.covariance))
    if variance <= negligible and abs(difference) < ROUNDING:
        same = Estimate(0.0, 0.0, 0.0, len(label), method, "both rank all patients alike")
        return AucComparison(same, 0.0, 1.0)
    if not variance > negligible:
        reason = "no interval: the difference has no variance in these patients"
        return AucComparison(
            Estimate(difference, None, None, len(label), method, reason), None, None
        )
    error = math.sqrt(variance)
    low, high = _wald(difference, error, normal_quantile(confidence))
    z = difference / error
    estimate = Estimate(difference, low, high, len(label), method)
    return AucComparison(estimate, z, float(2 * stats.norm.sf(abs(z))))


def compare_auc_unpaired(
    first: ScoredGroup, second: ScoredGroup, confidence: float = 0.95
) -> AucComparison:
    """Compare the AUCs of two groups of different patients.

    Student's t with Satterthwaite's degrees of freedom, as pROC's ``roc.test(paired = FALSE)``.
    """
    method = f"unpaired {auc_method(first.fold, scale='Wald, Satterthwaite')}"
    n = len(first.label) + len(second.label)
    if reason := _why_no_area(first) or _why_no_area(second):
        return AucComparison(Estimate.undefined(reason, n=n, method=method), None, None)
    one, other = (delong(group.score[None], group.label, group.fold) for group in (first, second))
    difference = float(one.auc[0] - other.auc[0])
    variances = float(one.covariance[0, 0]), float(other.covariance[0, 0])
    # A group without variance would lend the difference a certainty that it does not have.
    if reason := why_no_variance(variances[0]) or why_no_variance(variances[1]):
        return AucComparison(Estimate(difference, None, None, n, method, reason), None, None)
    error = math.sqrt(sum(variances))
    freedom = sum(variances) ** 2 / (
        variances[0] ** 2 / (len(first.label) - 1) + variances[1] ** 2 / (len(second.label) - 1)
    )
    low, high = _wald(difference, error, float(stats.t.ppf((1 + confidence) / 2, freedom)))
    t = difference / error
    estimate = Estimate(difference, low, high, n, method)
    return AucComparison(estimate, t, float(2 * stats.t.sf(abs(t), freedom)))


def compare_many_auc(
    scores: FloatArray, label: FloatArray, fold: IntArray | None = None
) -> GlobalComparison | None:
    """Test that m models have the same AUC on the same patients; None where that is undefined.

    One test before the pairs of :func:`compare_auc`, which are not adjusted for their number.

    Args:
        scores: (m, n) scores of two models or more.
        label: (n,) labels 0 and 1.
        fold: (n,) folds shared by all, or None.
    """
    if any(why_undefined(score, label) for score in scores) or why_no_pair(label, fold):
        return None
    result = delong(scores, label, fold)
    if not np.isfinite(result.covariance).all():
        return None
    others = len(scores) - 1
    contrast = np.column_stack([np.ones(others), -np.eye(others)])
    return GlobalComparison(*contrast_test(result, contrast))


def contrast_test(result: Delong, contrast: FloatArray) -> tuple[float, int, float]:
    """Test that all rows of ``contrast`` (c, m) times the AUCs are 0.

    Returns:
        χ², its degrees of freedom (the rank of the contrast's covariance) and p.
    """
    difference = contrast @ result.auc
    covariance = contrast @ result.covariance @ contrast.T
    rank = int(np.linalg.matrix_rank(covariance, rtol=1e-10, hermitian=True))
    statistic = float(difference @ np.linalg.pinv(covariance, rtol=1e-10) @ difference)
    return statistic, rank, float(stats.chi2.sf(statistic, rank)) if rank else 1.0


def _why_no_area(group: ScoredGroup) -> str | None:
    return why_undefined(group.score, group.label) or why_no_pair(group.label, group.fold)


def _wald(value: float, error: float, quantile: float) -> Interval:
    return value - quantile * error, value + quantile * error

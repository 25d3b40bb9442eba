"""Proper scores and net benefit of two models on the same patients: differences with intervals.

Each is a mean over patients, so its difference is the mean of the patients' own differences, and
Student's t serves. The intervals are given both fitted models.
"""

from __future__ import annotations

import math

import numpy as np
from scipy import stats

from pcrnet.evaluation.statistics.array_types import FloatArray, why_undefined
from pcrnet.evaluation.statistics.calibration.scores import log_losses, why_no_log_loss
from pcrnet.evaluation.statistics.discrimination import ROUNDING
from pcrnet.evaluation.statistics.intervals import Estimate
from pcrnet.evaluation.statistics.net_benefit import benefits

_MEAN = "mean of the patients’ differences, Student’s t"
_RATIO = "difference of Brier scores over ȳ(1 − ȳ), delta method, Student’s t"


def compare_log_loss(
    first: FloatArray, second: FloatArray, label: FloatArray, confidence: float = 0.95
) -> Estimate:
    """Log loss of the first model less that of the second, in nats; below 0 the first is better.

    Undefined where either gave probability 0 to what happened.

    Args:
        first: (n,) probabilities of one model.
        second: (n,) probabilities of the other.
        label: (n,) labels 0 and 1.
        confidence: Two-sided.
    """
    if reason := why_no_log_loss(first, label) or why_no_log_loss(second, label):
        return Estimate.undefined(reason, n=len(label), method=_MEAN)
    return mean_difference(log_losses(first, label) - log_losses(second, label), confidence)


def compare_brier(
    first: FloatArray, second: FloatArray, label: FloatArray, confidence: float = 0.95
) -> Estimate:
    """Brier score of the first model less that of the second; below 0 the first is better.

    Args:
        first: (n,) probabilities of the first model.
        second: (n,) those of the second for the same patients.
        label: (n,) 0 or 1.
        confidence: Of the interval, in (0, 1).
    """
    if reason := _why_undefined(first, second, label, classes=1):
        return Estimate.undefined(reason, n=len(label), method=_MEAN)
    return mean_difference((first - label) ** 2 - (second - label) ** 2, confidence)


def compare_brier_skill(
    first: FloatArray, second: FloatArray, label: FloatArray, confidence: float = 0.95
) -> Estimate:
    """Brier skill (IPA) of the first model less that of the second; above 0 the first is better.

    That is −D / v, where D is the difference of the Brier scores and v = ȳ(1 − ȳ) their common
    reference, estimated from the same patients: the delta method holds for both.

    Args:
        first: (n,) probabilities of the first model.
        second: (n,) those of the second for the same patients.
        label: (n,) 0 or 1.
        confidence: Of the interval, in (0, 1).
    """
    if reason := _why_undefined(first, second, label, classes=2):
        return Estimate.undefined(reason, n=len(label), method=_RATIO)
    difference = (first - label) ** 2 - (second - label) ** 2
    rate = float(label.mean())
    reference = rate * (1 - rate)
    value = -float(difference.mean()) / reference
    slope = (1 - 2 * rate) / reference
    influence = -difference / reference - value * slope * (label - rate)
    return _about(value, influence, _RATIO, confidence)


def compare_net_benefit(
    first: FloatArray,
    second: FloatArray,
    label: FloatArray,
    thresholds: FloatArray,
    confidence: float = 0.95,
) -> tuple[Estimate, ...]:
    """Net benefit of the first model less that of the second, at each threshold.

    Args:
        first: (n,) probabilities of one model.
        second: (n,) probabilities of the other.
        label: (n,) labels 0 and 1.
        thresholds: (T,), in [0, 1).
        confidence: Two-sided, of one threshold at a time.
    """
    if reason := _why_undefined(first, second, label, classes=1):
        missing = Estimate.undefined(reason, n=len(label), method=_MEAN)
        return (missing,) * len(thresholds)
    gain = [benefits(label == 1, prob, thresholds) for prob in (first, second)]
    return tuple(mean_difference(column, confidence) for column in (gain[0] - gain[1]).T)


def mean_difference(difference: FloatArray, confidence: float = 0.95) -> Estimate:
    """The mean of the patients' differences (n,) with Student's interval."""
    return _about(float(difference.mean()), difference, _MEAN, confidence)


def _about(value: float, influence: FloatArray, method: str, confidence: float) -> Estimate:
    """``value`` with the interval that the spread of the patients' ``influence`` (n,) gives it."""
    n = len(influence)
    if n < 2:
        return Estimate(value, None, None, n, method, "no interval: one patient only")
    if np.ptp(influence) < ROUNDING:
        if abs(value) < ROUNDING:
            return Estimate(0.0, 0.0, 0.0, n, method, "both serve all patients alike")
        reason = "no interval: the difference is the same in every patient"
        return Estimate(value, None, None, n, method, reason)
    error = float(influence.std(ddof=1)) / math.sqrt(n)
    half = float(stats.t.ppf((1 + confidence) / 2, n - 1)) * error
    return Estimate(value, value - half, value + half, n, method)


def _why_undefined(
    first: FloatArray, second: FloatArray, label: FloatArray, *, classes: int
) -> str | None:
    return why_undefined(first, label, classes=classes) or why_undefined(
        second, label, classes=classes
    )

"""Proper scores of probabilities: Brier, log loss, skill, and the parts of the Brier score."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import isotonic_regression
from scipy.special import xlogy

from pcrnet.evaluation.statistics.array_types import FloatArray, why_undefined
from pcrnet.evaluation.statistics.intervals import Estimate, bootstrap_estimate


@dataclass(frozen=True)
class BrierDecomposition:
    """Brier score = miscalibration − discrimination + uncertainty, each at least 0.

    Attributes:
        miscalibration: What the best monotone recalibration would save.
        discrimination: What the recalibrated predictions save against the prevalence.
        uncertainty: Brier score of the prevalence, ȳ(1 − ȳ).
    """

    miscalibration: float
    discrimination: float
    uncertainty: float


def brier(
    prob: FloatArray,
    label: FloatArray,
    *,
    draws: int,
    generator: np.random.Generator,
    confidence: float = 0.95,
) -> Estimate:
    """Mean squared difference of probability and label, in [0, 1]; 0 is perfect. BCa interval.

    Args:
        prob: (n,) probabilities in [0, 1].
        label: (n,) 0 or 1.
        draws: Bootstrap samples.
        generator: Of their random numbers.
        confidence: Of the interval, in (0, 1).
    """
    if reason := why_undefined(prob, label, classes=1):
        return Estimate.undefined(reason, n=len(label), method="BCa bootstrap")
    return _mean((prob - label) ** 2, draws, generator, confidence)


def log_loss(
    prob: FloatArray,
    label: FloatArray,
    *,
    draws: int,
    generator: np.random.Generator,
    confidence: float = 0.95,
) -> Estimate:
    """Mean of −log of the probability given to what happened, in nats; 0 is perfect. BCa interval.

    Undefined where something happened that was given probability 0.

    Args:
        prob: (n,) probabilities in [0, 1].
        label: (n,) 0 or 1.
        draws: Bootstrap samples.
        generator: Of their random numbers.
        confidence: Of the interval, in (0, 1).
    """
    if reason := why_no_log_loss(prob, label):
        return Estimate.undefined(reason, n=len(label), method="BCa bootstrap")
    return _mean(log_losses(prob, label), draws, generator, confidence)


def why_no_log_loss(prob: FloatArray, label: FloatArray) -> str | None:
    """Say why probabilities and labels (n,) have no log loss, or None where they have one."""
    reason = why_undefined(prob, label, classes=1)
    if reason is None and (np.where(label == 1, prob, 1 - prob) == 0).any():
        return "an outcome happened that was given probability 0"
    return reason


def log_losses(prob: FloatArray, label: FloatArray) -> FloatArray:
    """−log of the probability given to what happened, of each patient (n,), in nats."""
    return np.asarray(-xlogy(label, prob) - xlogy(1 - label, 1 - prob), np.float64)


def brier_skill(
    prob: FloatArray,
    label: FloatArray,
    *,
    draws: int,
    generator: np.random.Generator,
    confidence: float = 0.95,
) -> Estimate:
    """1 − Brier / ȳ(1 − ȳ): the gain over predicting the observed prevalence for everybody.

    0 is no gain, 1 perfect, negative worse than the prevalence. BCa interval.

    Args:
        prob: (n,) probabilities in [0, 1].
        label: (n,) 0 or 1.
        draws: Bootstrap samples.
        generator: Of their random numbers.
        confidence: Of the interval, in (0, 1).
    """
    if reason := why_undefined(prob, label):
        return Estimate.undefined(reason, n=len(label), method="BCa bootstrap")
    squares = (prob - label) ** 2

    def statistic(counts: FloatArray) -> FloatArray:
        total = counts.sum(axis=1)
        rate = counts @ label / total
        return np.asarray(1 - counts @ squares / total / (rate * (1 - rate)))

    return bootstrap_estimate(
        statistic, np.zeros(len(label)), draws=draws, generator=generator, confidence=confidence
    )


def decompose_brier(prob: FloatArray, label: FloatArray) -> BrierDecomposition:
    """Split the Brier score by isotonic recalibration (CORP; Dimitriadis, Gneiting & Jordan 2021).

    It is Murphy's decomposition without bins: consistent, optimally binned, reproducible.

    Args:
        prob: (n,) probabilities in [0, 1].
        label: (n,) 0 or 1.

    Raises:
        ValueError: Scores or labels are not what they should be.
    """
    if reason := why_undefined(prob, label, classes=1):
        raise ValueError(reason)
    _, index, counts = np.unique(prob, return_inverse=True, return_counts=True)
    rates = np.bincount(index, weights=label) / counts
    recalibrated = isotonic_regression(rates, weights=counts).x[index]
    rate = float(label.mean())
    after = float(np.mean((recalibrated - label) ** 2))
    uncertainty = rate * (1 - rate)
    before = float(np.mean((prob - label) ** 2))
    return BrierDecomposition(
        miscalibration=max(before - after, 0.0),
        discrimination=max(uncertainty - after, 0.0),
        uncertainty=uncertainty,
    )


def _mean(
    values: FloatArray, draws: int, generator: np.random.Generator, confidence: float
) -> Estimate:
    def statistic(counts: FloatArray) -> FloatArray:
        return np.asarray(counts @ values / counts.sum(axis=1))

    return bootstrap_estimate(
        statistic, np.zeros(len(values)), draws=draws, generator=generator, confidence=confidence
    )

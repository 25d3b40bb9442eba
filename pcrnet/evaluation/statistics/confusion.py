"""What a threshold does to the patients: the 2×2 table and its rates.

Everywhere in pcrnet a patient is called a complete response when prob > threshold, strictly.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import expit, logit

from pcrnet.evaluation.statistics.array_types import FloatArray
from pcrnet.evaluation.statistics.intervals import (
    Estimate,
    normal_quantile,
    proportion,
    wilson_interval,
)


@dataclass(frozen=True)
class Confusion:
    """The 2×2 table; positive is complete response."""

    true_positive: int
    false_positive: int
    true_negative: int
    false_negative: int

    @property
    def positives(self) -> int:
        """Patients with complete response."""
        return self.true_positive + self.false_negative

    @property
    def negatives(self) -> int:
        """Patients with residual disease."""
        return self.true_negative + self.false_positive

    @property
    def n(self) -> int:
        """All patients in the table."""
        return self.positives + self.negatives


def confusion(prob: FloatArray, label: FloatArray, threshold: float | FloatArray) -> Confusion:
    """Count the 2×2 table of prob > threshold.

    Args:
        prob: (n,) probabilities.
        label: (n,) labels 0, 1 or NaN.
        threshold: One threshold, or each patient's own (n,); NaN where none was locked. Patients
            without outcome or threshold are left out.
    """
    threshold = np.broadcast_to(np.asarray(threshold, dtype=np.float64), prob.shape)
    known = ~np.isnan(label) & ~np.isnan(threshold)
    called, positive = prob[known] > threshold[known], label[known] == 1
    return Confusion(
        true_positive=int((called & positive).sum()),
        false_positive=int((called & ~positive).sum()),
        true_negative=int((~called & ~positive).sum()),
        false_negative=int((~called & positive).sum()),
    )


def sensitivity(table: Confusion, confidence: float = 0.95) -> Estimate:
    """Complete responses that are called so, with Wilson's interval."""
    return proportion(
        table.true_positive, table.positives, confidence, of="patient with complete response"
    )


def specificity(table: Confusion, confidence: float = 0.95) -> Estimate:
    """Residual disease that is called so, with Wilson's interval."""
    return proportion(
        table.true_negative, table.negatives, confidence, of="patient with residual disease"
    )


def accuracy(table: Confusion, confidence: float = 0.95) -> Estimate:
    """Patients called rightly, with Wilson's interval."""
    correct = table.true_positive + table.true_negative
    return proportion(correct, table.n, confidence, of="patient")


def ppv(table: Confusion, confidence: float = 0.95) -> Estimate:
    """Patients called complete response who are, with Wilson's interval."""
    called = table.true_positive + table.false_positive
    return proportion(
        table.true_positive, called, confidence, of="patient called complete response"
    )


def npv(table: Confusion, confidence: float = 0.95) -> Estimate:
    """Patients called residual disease who are, with Wilson's interval."""
    called = table.true_negative + table.false_negative
    return proportion(table.true_negative, called, confidence, of="patient called residual disease")


def balanced_accuracy(table: Confusion, confidence: float = 0.95) -> Estimate:
    """Mean of sensitivity and specificity; two independent Wilson intervals joined.

    The limits are combined by the method of variance estimates recovery, as in Newcombe's interval
    of a difference (Zou & Donner 2008, Stat Med 27:1693).
    """
    method = "Wilson, joined by MOVER"
    if not table.positives or not table.negatives:
        return Estimate.undefined("one class only", n=table.n, method=method)
    parts = (
        (table.true_positive, table.positives),
        (table.true_negative, table.negatives),
    )
    values = [successes / n for successes, n in parts]
    limits = [wilson_interval(successes, n, confidence) for successes, n in parts]
    below = math.hypot(*(value - low for value, (low, _) in zip(values, limits, strict=True)))
    above = math.hypot(*(high - value for value, (_, high) in zip(values, limits, strict=True)))
    value = sum(values) / 2
    return Estimate(value, value - below / 2, value + above / 2, table.n, method)


def predictive_values_at(
    table: Confusion, prevalence: float, confidence: float = 0.95
) -> tuple[Estimate, Estimate]:
    """PPV and NPV at another prevalence of complete response, on the logit scale.

    Mercaldo, Lau & Zhou 2007 (Stat Med 26:2170); where a cell of the table is 0, sensitivity and
    specificity enter the interval with z²/2 patients added to each cell, as proposed there.

    Args:
        table: The 2×2 table of the study.
        prevalence: Of complete response where the test would be used, strictly between 0 and 1.
        confidence: Two-sided.
    """
    if not 0.0 < prevalence < 1.0:
        raise ValueError("prevalence must lie strictly between 0 and 1")
    method = f"logit Wald at prevalence {prevalence:g}"
    if not table.positives or not table.negatives:
        missing = Estimate.undefined("one class only", n=table.n, method=method)
        return missing, missing
    hit, miss = table.true_positive, table.false_negative
    right, false_alarm = table.true_negative, table.false_positive
    return (
        _predictive_value(hit, miss, false_alarm, right, prevalence, confidence, method),
        _predictive_value(right, false_alarm, miss, hit, 1 - prevalence, confidence, method),
    )


def _predictive_value(
    hit: int,
    miss: int,
    false_alarm: int,
    right: int,
    prior: float,
    confidence: float,
    method: str,
) -> Estimate:
    n = hit + miss + false_alarm + right
    rate, false_rate = hit / (hit + miss), false_alarm / (false_alarm + right)
    if rate == 0.0 and false_rate == 0.0:
        return Estimate.undefined("no patient is called so", n=n, method=method)
    value = rate * prior / (rate * prior + false_rate * (1 - prior))
    z = normal_quantile(confidence)
    added = 0.0 if min(hit, miss, false_alarm, right) > 0 else z**2 / 2
    cases, others = hit + miss + 2 * added, false_alarm + right + 2 * added
    rate, false_rate = (hit + added) / cases, (false_alarm + added) / others
    centre = math.log(rate / false_rate) + logit(prior)
    half = z * math.sqrt((1 - rate) / (cases * rate) + (1 - false_rate) / (others * false_rate))
    low, high = float(expit(centre - half)), float(expit(centre + half))
    return Estimate(value, min(low, value), max(high, value), n, method)

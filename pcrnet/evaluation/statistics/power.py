"""Power and sample size of a co-primary sensitivity and specificity, by exact binomial sums.

The rule is the one of the trial: an endpoint is met when its one-sided Clopper–Pearson lower limit
exceeds the null value. Counts are discrete, so power is a saw-tooth in n; every number here is the
exact probability of passing the rule, not a normal approximation (Chu and Cole, J Clin Epidemiol
2007;60:1201).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from pcrnet.evaluation.statistics.array_types import FloatArray, IntArray

_LARGEST_TRIAL = 20_000


@dataclass(frozen=True)
class CoprimaryDesign:
    """A trial that must show both a sensitivity and a specificity above their null values."""

    response_rate: float
    """Share of complete responders among the patients, in (0, 1)."""
    null_sensitivity: float
    """To be exceeded, in (0, 1)."""
    null_specificity: float
    """To be exceeded, in (0, 1)."""
    true_sensitivity: float
    """Presumed, in (0, 1)."""
    true_specificity: float
    """Presumed, in (0, 1)."""
    alpha: float = 0.025
    """One-sided level of each test; intersection-union needs no split."""


@dataclass(frozen=True)
class DesignPower:
    """Power of a co-primary design at one number of patients."""

    design: CoprimaryDesign
    patients: int
    responders: int
    """Expected number with complete response, rounded; the others have residual tumour."""
    required_sensitivity: int
    """Fewest true positives that pass."""
    required_specificity: int
    """Fewest true negatives that pass."""
    sensitivity: float
    """Power of this test, a probability."""
    specificity: float
    """Power of this test, a probability."""
    both: float
    """Sensitivity and specificity come from different patients, hence the product."""
    both_random: float
    """The same, averaged over the binomial number of responders that a trial will really see."""


def required_successes(n: int | IntArray, null: float, alpha: float) -> IntArray:
    """Fewest successes out of ``n`` whose Clopper–Pearson lower limit exceeds ``null``.

    ``n + 1``, which cannot happen, where even ``n`` successes do not suffice.

    Args:
        n: Patients; an array of any shape gives an array of that shape.
        null: Proportion to be exceeded, in (0, 1).
        alpha: One-sided level, in (0, 1).
    """
    # The lower limit exceeds the null exactly when P(X >= x | null) < alpha.
    return np.asarray(stats.binom.isf(alpha, n, null), dtype=np.int64) + 1


def binomial_power(n: int | IntArray, null: float, truth: float, alpha: float) -> FloatArray:
    """Probability that ``n`` patients pass the rule when the true proportion is ``truth``.

    Args:
        n: Patients; an array of any shape gives an array of that shape.
        null: Proportion to be exceeded, in (0, 1).
        truth: The true proportion, in [0, 1].
        alpha: One-sided level, in (0, 1).
    """
    needed = required_successes(n, null, alpha)
    return np.asarray(stats.binom.sf(needed - 1, n, truth), dtype=np.float64)


def design_power(design: CoprimaryDesign, patients: int) -> DesignPower:
    """Exact power of ``design`` with ``patients`` patients."""
    responders = round(patients * design.response_rate)
    others = patients - responders
    counts = np.arange(patients + 1)
    both = _power_of_both(design, counts, patients - counts)
    chance = stats.binom.pmf(counts, patients, design.response_rate)
    sensitivity, specificity = _powers(design, np.array([responders]), np.array([others]))
    return DesignPower(
        design=design,
        patients=patients,
        responders=responders,
        required_sensitivity=int(
            required_successes(responders, design.null_sensitivity, design.alpha)
        ),
        required_specificity=int(required_successes(others, design.null_specificity, design.alpha)),
        sensitivity=float(sensitivity[0]),
        specificity=float(specificity[0]),
        both=float(sensitivity[0] * specificity[0]),
        both_random=float(chance @ both),
    )


def smallest_trial(design: CoprimaryDesign, power: float) -> int | None:
    """Fewest patients from which on the power of both endpoints never falls below ``power``.

    None where no trial of at most 20,000 patients has it (the truth is too near the null).
    """
    limit = 256
    while limit <= _LARGEST_TRIAL:
        patients = np.arange(2, limit + 1)
        responders = np.round(patients * design.response_rate).astype(np.int64)
        both = _power_of_both(design, responders, patients - responders)
        short = np.flatnonzero(both < power)
        # The saw-tooth dies out: a stretch without a shortfall as long as the trial itself decides.
        if short.size and patients[short[-1]] * 2 <= limit:
            return int(patients[short[-1]]) + 1
        limit *= 2
    return None


def _powers(
    design: CoprimaryDesign, responders: IntArray, others: IntArray
) -> tuple[FloatArray, FloatArray]:
    return (
        binomial_power(responders, design.null_sensitivity, design.true_sensitivity, design.alpha),
        binomial_power(others, design.null_specificity, design.true_specificity, design.alpha),
    )


def _power_of_both(design: CoprimaryDesign, responders: IntArray, others: IntArray) -> FloatArray:
    sensitivity, specificity = _powers(design, responders, others)
    return sensitivity * specificity

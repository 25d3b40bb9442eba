"""Two models judged on the same patients: the difference of their rates, and McNemar's test."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from scipy import stats

from pcrnet.evaluation.statistics.array_types import BoolArray
from pcrnet.evaluation.statistics.intervals import Estimate, Interval, wilson_interval


@dataclass(frozen=True)
class RateComparison:
    """Difference of two rates (first less second) and the two-sided p of McNemar's mid-p test."""

    difference: Estimate
    p: float | None


def compare_rates(first: BoolArray, second: BoolArray, confidence: float = 0.95) -> RateComparison:
    """Compare how often two models succeed on the same patients.

    Given who is called rightly among complete responses it compares sensitivities, among residual
    disease specificities, among all accuracies.

    Args:
        first: (n,) whether the first model is right.
        second: (n,) whether the second is.
        confidence: Two-sided, of the difference.
    """
    method = "Newcombe, paired; McNemar mid-p"
    n = len(first)
    if n == 0:
        return RateComparison(Estimate.undefined("no patient", n=0, method=method), None)
    both = int((first & second).sum())
    first_only, second_only = int((first & ~second).sum()), int((~first & second).sum())
    neither = n - both - first_only - second_only
    low, high = newcombe_paired_difference(both, first_only, second_only, neither, confidence)
    difference = Estimate((first_only - second_only) / n, low, high, n, method)
    return RateComparison(difference, mcnemar_test(first_only, second_only))


def mcnemar_test(
    first_only: int,
    second_only: int,
    kind: Literal["mid-p", "exact", "asymptotic", "corrected"] = "mid-p",
) -> float:
    """Two-sided p of equal rates from the patients on whom the models disagree.

    The mid-p kind holds its level and wastes less power than the exact one (Fagerland, Lydersen &
    Laake 2013, BMC Med Res Methodol 13:91). Without any disagreement p is 1.
    """
    discordant = first_only + second_only
    if discordant == 0:
        return 1.0
    gap = abs(first_only - second_only)
    if kind in ("asymptotic", "corrected"):
        shrunk = max(gap - 1, 0) if kind == "corrected" else gap
        return float(stats.chi2.sf(shrunk**2 / discordant, 1))
    exact = min(1.0, 2 * float(stats.binom.cdf(min(first_only, second_only), discordant, 0.5)))
    if kind == "exact":
        return exact
    return exact - float(stats.binom.pmf(first_only, discordant, 0.5))


def newcombe_paired_difference(
    both: int, first_only: int, second_only: int, neither: int, confidence: float = 0.95
) -> Interval:
    """Interval of p₁ − p₂ judged on the same patients (Newcombe 1998, Stat Med 17:2635, method 10).

    Args:
        both: Patients on whom both succeed.
        first_only: Patients on whom the first alone succeeds.
        second_only: Patients on whom the second alone succeeds.
        neither: Patients on whom none does; the four make the paired 2×2 table.
        confidence: Level of the interval, two-sided.
    """
    n = both + first_only + second_only + neither
    first, second = both + first_only, both + second_only
    p_1, p_2 = first / n, second / n
    low_1, high_1 = wilson_interval(first, n, confidence)
    low_2, high_2 = wilson_interval(second, n, confidence)
    margins = first * (n - first) * second * (n - second)
    product = both * neither - first_only * second_only
    # The continuity correction applies to a positive association only.
    corrected = max(product - n / 2, 0.0) if product > 0 else product
    phi = corrected / math.sqrt(margins) if margins else 0.0

    def distance(one: float, other: float) -> float:
        return math.sqrt(max(one**2 - 2 * phi * one * other + other**2, 0.0))

    difference = p_1 - p_2
    return (
        difference - distance(p_1 - low_1, high_2 - p_2),
        difference + distance(high_1 - p_1, p_2 - low_2),
    )

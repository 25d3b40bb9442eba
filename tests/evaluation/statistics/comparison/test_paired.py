"""Two models on the same patients, against published tables and statsmodels."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar

from pcrnet.evaluation.statistics.comparison.paired import (
    RateComparison,
    compare_rates,
    mcnemar_test,
    newcombe_paired_difference,
)
from pcrnet.evaluation.statistics.intervals import Estimate


def test_published_mcnemar_values(reference):
    small, large = reference.cases["mcnemar"]
    _, b, c, _ = small["table"]
    for kind, key in (
        ("asymptotic", "asymptotic_p"),
        ("corrected", "cc_p"),
        ("exact", "exact_p"),
        ("mid-p", "midp"),
    ):
        assert mcnemar_test(b, c, kind) == pytest.approx(small[key], abs=1e-9)
    _, b, c, _ = large["table"]
    assert mcnemar_test(b, c, "corrected") == pytest.approx(large["cc_p"], rel=1e-3)


@pytest.mark.parametrize(("b", "c"), [(3, 9), (9, 3), (0, 5), (40, 61)])
def test_mcnemar_agrees_with_statsmodels(b, c):
    table = [[10, b], [c, 10]]
    assert mcnemar_test(b, c, "exact") == pytest.approx(mcnemar(table, exact=True).pvalue)
    for kind, correction in (("asymptotic", False), ("corrected", True)):
        theirs = mcnemar(table, exact=False, correction=correction).pvalue
        assert mcnemar_test(b, c, kind) == pytest.approx(theirs)
        assert mcnemar_test(b, c) < mcnemar_test(b, c, "exact")


def test_models_that_never_disagree_have_p_one():
    assert mcnemar_test(0, 0) == 1.0
    assert mcnemar_test(0, 0, "corrected") == 1.0
    assert mcnemar_test(4, 4, "exact") == 1.0
    assert mcnemar_test(1, 1, "corrected") == 1.0


def test_published_paired_intervals(reference):
    for case in reference.cases["proportion_diff_paired"]:
        interval = newcombe_paired_difference(*case["table"])
        assert interval == pytest.approx(case["newcombe10"], abs=6e-4)


def by_the_paper(table, confidence):
    """Newcombe 1998, method 10, from scipy's Wilson limits."""
    e, f, g, h = table
    n = sum(table)
    one, other = stats.binomtest(e + f, n), stats.binomtest(e + g, n)
    (l2, u2), (l3, u3) = (x.proportion_ci(confidence, method="wilson") for x in (one, other))
    d2, e2 = (e + f) / n - l2, u2 - (e + f) / n
    d3, e3 = (e + g) / n - l3, u3 - (e + g) / n
    a = (e + f) * (g + h) * (e + g) * (f + h)
    b = e * h - f * g
    c = b - n / 2 if b > n / 2 else 0 if b >= 0 else b
    phi = c / math.sqrt(a) if a else 0
    difference = (f - g) / n
    return (
        difference - math.sqrt(d2**2 - 2 * phi * d2 * e3 + e3**2),
        difference + math.sqrt(d3**2 - 2 * phi * d3 * e2 + e2**2),
    )


@pytest.mark.parametrize(
    "table",
    [
        (36, 12, 2, 0),  # negative association
        (20, 7, 3, 11),  # positive
        (5, 3, 3, 2),  # positive, but within the continuity correction
        (4, 4, 4, 5),
        (6, 3, 2, 1),  # none
        (0, 5, 0, 5),  # an empty margin
        (9, 0, 0, 0),
    ],
)
@pytest.mark.parametrize("confidence", [0.8, 0.95])
def test_paired_interval_follows_the_paper(table, confidence):
    assert newcombe_paired_difference(*table, confidence) == pytest.approx(
        by_the_paper(table, confidence), abs=1e-12
    )


def test_swapping_the_models_mirrors_the_interval():
    low, high = newcombe_paired_difference(20, 7, 3, 11)
    other_low, other_high = newcombe_paired_difference(20, 3, 7, 11)
    assert (low, high) == pytest.approx((-other_high, -other_low))


def test_comparison_counts_the_patients():
    first = np.array([True] * 48 + [False] * 2)
    second = np.array([True] * 36 + [False] * 12 + [True] * 2)
    method = "Newcombe, paired; McNemar mid-p"
    for confidence in (0.8, 0.95):
        result = compare_rates(first, second, confidence)
        low, high = newcombe_paired_difference(36, 12, 2, 0, confidence)
        assert result.difference == Estimate((12 - 2) / 50, low, high, 50, method)
        assert result.p == mcnemar_test(12, 2, "mid-p")
    nobody = Estimate.undefined("no patient", n=0, method=method)
    assert compare_rates(first[:0], second[:0]) == RateComparison(nobody, None)

"""Two models on the same patients, against published tables and statsmodels."""

from __future__ import annotations

import numpy as np
import pytest
from statsmodels.stats.contingency_tables import mcnemar

from pcrnet.evaluation.paired import compare_rates, mcnemar_test, newcombe_paired_difference


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


def test_empty_margin_has_no_correlation():
    low, high = newcombe_paired_difference(0, 5, 0, 5)
    assert low < 0.5 < high


def test_swapping_the_models_mirrors_the_interval():
    low, high = newcombe_paired_difference(20, 7, 3, 11)
    other_low, other_high = newcombe_paired_difference(20, 3, 7, 11)
    assert (low, high) == pytest.approx((-other_high, -other_low))


def test_comparison_counts_the_patients():
    first = np.array([True] * 48 + [False] * 2)
    second = np.array([True] * 36 + [False] * 12 + [True] * 2)
    result = compare_rates(first, second)
    assert result.difference.value == pytest.approx(0.2)
    assert (result.difference.low, result.difference.high) == newcombe_paired_difference(
        36, 12, 2, 0
    )
    assert result.p == mcnemar_test(12, 2)
    assert result.difference.n == 50
    nobody = compare_rates(first[:0], second[:0])
    assert nobody.p is None
    assert nobody.difference.reason == "no patient"

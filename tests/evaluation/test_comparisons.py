from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score
from statsmodels.stats.contingency_tables import mcnemar

from pcrnet.evaluation.comparisons import (
    compare_together,
    compare_variants,
    conditional_metrics,
)
from pcrnet.evaluation.sources import Sources, read_run
from pcrnet.evaluation.tables.predictions import Predictions


@pytest.fixture(scope="module")
def sources(trial_run: Path) -> Sources:
    return read_run(trial_run)


def test_identical_predictions_differ_by_nothing_with_p_one(sources: Sources) -> None:
    same = replace(sources, ablations={"same": sources.predictions}, baselines={})
    (comparison,) = compare_variants(same)
    for compared in comparison.heads.values():
        assert compared.difference.value == 0.0
        assert compared.p == 1.0


def test_ablations_then_baselines_against_the_same_women(sources: Sources) -> None:
    comparisons = compare_variants(sources)
    assert [(c.kind, c.name) for c in comparisons] == [
        ("ablations", "without_interim"),
        ("ablations", "without_mri"),
        ("ablations", "without_pet"),
        ("baselines", "clinical"),
    ]
    clinical = comparisons[-1].heads["yT0yN0"]
    assert clinical.difference.value == pytest.approx(0.28, abs=0.05)
    assert clinical.p is not None
    assert clinical.p < 0.001


def test_a_variant_without_a_head_is_compared_on_the_others(sources: Sources) -> None:
    only = replace(
        sources.predictions, prob={"yT0": sources.predictions.prob["yT0"]}, uncalibrated_prob={}
    )
    (comparison,) = compare_variants(replace(sources, ablations={"x": only}, baselines={}))
    assert list(comparison.heads) == ["yT0"]


def test_sensitivity_and_specificity_are_compared_in_pairs_at_each_ones_threshold(
    sources: Sources,
) -> None:
    main, other = sources.predictions, sources.baselines["clinical"]
    rates = compare_variants(sources)[-1].heads["yT0"].rates
    label = main.label["yT0"]
    calls = [table.prob["yT0"] > table.threshold["yT0"] for table in (main, other)]
    for name, rows, right in (
        ("sensitivity", label == 1, calls),
        ("specificity", label == 0, [~called for called in calls]),
    ):
        first, second = (called[rows] for called in right)
        found = rates[name]
        assert found.difference.value == pytest.approx(first.mean() - second.mean())
        table = [[(a & b).sum() for b in (second, ~second)] for a in (first, ~first)]
        exact = mcnemar(table, exact=True).pvalue
        assert exact / 2 < found.p < exact
        assert found.difference.n == rows.sum()


def test_rates_are_compared_where_both_have_a_threshold_and_nowhere_else(sources: Sources) -> None:
    main, other = sources.predictions, sources.baselines["clinical"]
    cut = other.threshold["yT0"].copy()
    cut[: len(cut) // 2] = np.nan
    half = replace(other, threshold={"yT0": cut})
    (comparison,) = compare_variants(replace(sources, ablations={}, baselines={"half": half}))
    judged = (main.label["yT0"] == 1) & ~np.isnan(cut)
    assert comparison.heads["yT0"].rates["sensitivity"].difference.n == judged.sum()
    assert comparison.heads["yN0"].rates == {}
    none = replace(sources, predictions=replace(main, threshold={}))
    assert all(heads.rates == {} for c in compare_variants(none) for heads in c.heads.values())


def test_all_variants_of_a_kind_are_tested_together_before_the_pairs(sources: Sources) -> None:
    together = compare_together(sources)
    assert list(together) == ["ablations"]
    assert set(together["ablations"]) == {"yT0", "yN0", "yT0yN0"}
    assert together["ablations"]["yT0yN0"].freedom == 3
    smallest = min(c.heads["yT0yN0"].p for c in compare_variants(sources) if c.kind == "ablations")
    assert together["ablations"]["yT0yN0"].p < 3 * smallest + 0.05
    same = {"a": sources.predictions, "b": sources.predictions}
    (found,) = compare_together(replace(sources, ablations={}, baselines=same)).values()
    assert {test.p for test in found.values()} == {1.0}


def test_a_head_that_cannot_be_tested_together_is_left_out(sources: Sources) -> None:
    main = sources.predictions
    only = replace(main, prob={"yT0": main.prob["yT0"]}, uncalibrated_prob={}, threshold={})
    some = replace(sources, ablations={"a": only, "b": main}, baselines={})
    assert set(compare_together(some)["ablations"]) == {"yT0"}
    unknown = dict.fromkeys(main.label, np.full(len(main), np.nan))
    nobody = replace(some, predictions=replace(main, label=unknown))
    assert compare_together(nobody) == {}


def test_nodes_given_the_breast_are_judged_by_the_conditional_probability(
    sources: Sources,
) -> None:
    predictions = replace(sources.predictions, fold=None)
    found = conditional_metrics(predictions)
    rows = (predictions.label["yT0"] == 1) & ~np.isnan(predictions.label["yT0yN0"])
    label = predictions.label["yT0yN0"][rows]
    ratio = (predictions.prob["yT0yN0"] / predictions.prob["yT0"])[rows]
    assert found["auc"].value == pytest.approx(roc_auc_score(label, ratio))
    assert found["observed"].value == pytest.approx(label.mean())
    assert found["predicted"].value == pytest.approx(ratio.mean())


def test_no_conditional_without_both_heads_or_a_free_breast(sources: Sources) -> None:
    predictions = sources.predictions
    assert conditional_metrics(predictions.select(predictions.label["yT0"] == 0)) == {}
    one = Predictions(("P1",), {"yT0": np.array([0.5])}, {"yT0": np.array([1.0])})
    assert conditional_metrics(one) == {}


def test_no_chance_of_a_free_breast_is_no_division_by_zero() -> None:
    zero = np.zeros(2)
    table = Predictions(
        ("P1", "P2"), {"yT0": zero, "yT0yN0": zero}, {"yT0": np.ones(2), "yN0": np.array([1.0, 0])}
    )
    assert conditional_metrics(table)["predicted"].value == 0.0

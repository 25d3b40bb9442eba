from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix, roc_auc_score

from pcrnet.config.evaluation import EvaluationConfig
from pcrnet.evaluation.one_outcome import (
    analyse_head,
    brief_metrics,
    failure_cases,
    fold_or_one,
    locked_table,
)
from pcrnet.evaluation.statistics.curves import draw_weights
from pcrnet.evaluation.tables.predictions import Predictions, read_predictions

FEW = EvaluationConfig(bootstrap_draws=200)


@pytest.fixture(scope="module")
def predictions(trial_run: Path) -> Predictions:
    return read_predictions(trial_run / "predictions.csv")


def test_patients_of_unknown_outcome_are_left_out(predictions: Predictions) -> None:
    weights = draw_weights(len(predictions), 200, 1)
    result = analyse_head([predictions], "yN0", FEW, weights)
    known = ~np.isnan(predictions.label["yN0"])
    assert result.n == known.sum() < len(predictions)
    assert result.responders == np.nansum(predictions.label["yN0"])
    assert result.metrics["auc"].n == result.n


def test_metrics_agree_with_scikit_learn(predictions: Predictions) -> None:
    label, prob = predictions.label["yT0"], predictions.prob["yT0"]
    (tn, fp), (fn, tp) = confusion_matrix(label, prob > predictions.threshold["yT0"])
    table = locked_table(predictions, "yT0")
    assert table is not None
    assert (table.true_negative, table.false_positive) == (tn, fp)
    brief = brief_metrics(predictions, "yT0")
    assert brief["sensitivity"].value == pytest.approx(tp / (tp + fn))
    assert brief["observed_less_predicted"].value == pytest.approx(np.mean(label - prob))
    external = brief_metrics(replace(predictions, fold=None), "yT0")
    assert external["auc"].value == pytest.approx(roc_auc_score(label, prob))


def test_each_fold_has_its_auc(predictions: Predictions) -> None:
    result = analyse_head([predictions], "yT0", FEW, draw_weights(len(predictions), 200, 1))
    expected = [
        roc_auc_score(predictions.label["yT0"][rows], predictions.prob["yT0"][rows])
        for rows in (fold_or_one(predictions) == k for k in range(5))
    ]
    np.testing.assert_allclose(result.fold_aucs, expected)


def test_predictive_values_at_the_study_prevalence_are_those_of_the_table(
    predictions: Predictions,
) -> None:
    result = analyse_head([predictions], "yT0", FEW, draw_weights(len(predictions), 200, 1))
    rates = [row.prevalence for row in result.predictive_values]
    assert rates == sorted(rates)
    below, above = (
        max(row.ppv.value or 0 for row in result.predictive_values if row.prevalence <= 0.55),
        min(row.ppv.value or 0 for row in result.predictive_values if row.prevalence >= 0.55),
    )
    assert below <= (result.metrics["ppv"].value or 0) <= above


def test_one_class_leaves_curves_out_and_says_why(predictions: Predictions) -> None:
    responders = predictions.select(predictions.label["yT0"] == 1)
    result = analyse_head([responders], "yT0", FEW, draw_weights(len(responders), 200, 1))
    assert result.metrics["auc"].value is None
    assert result.metrics["auc"].reason
    curves = (result.roc, result.precision_recall, result.calibration, result.decision)
    assert curves == (None,) * 4
    assert result.predictive_values == ()
    assert result.fold_aucs == ()


def test_without_thresholds_there_is_no_operating_point(predictions: Predictions) -> None:
    bare = replace(predictions, threshold={}, uncalibrated_prob={}, fold=None)
    result = analyse_head([bare], "yT0", FEW, draw_weights(len(bare), 200, 1))
    assert result.table is None
    assert result.consequences is None
    assert result.metrics["sensitivity"].value is None
    assert not result.uncalibrated
    assert result.calibration_before is None
    assert failure_cases(bare, "yT0") == ()


def test_a_threshold_that_nobody_has_is_none(predictions: Predictions) -> None:
    nobody = replace(predictions, threshold={"yT0": np.full(len(predictions), np.nan)})
    assert locked_table(nobody, "yT0") is None


def test_one_patient_has_no_interval() -> None:
    alone = Predictions(("P1",), {"yT0": np.array([0.7])}, {"yT0": np.array([1.0])})
    assert brief_metrics(alone, "yT0")["observed_less_predicted"].value is None


def test_failures_are_the_farthest_on_the_wrong_side() -> None:
    table = Predictions(
        patient_id=tuple("ABCDEF"),
        prob={"yT0": np.array([0.9, 0.95, 0.6, 0.1, 0.4, 0.2])},
        label={"yT0": np.array([0.0, 1.0, 0.0, 1.0, 1.0, np.nan])},
        threshold={"yT0": np.full(6, 0.5)},
    )
    cases = failure_cases(table, "yT0", of_each_kind=1)
    assert [(case.patient_id, case.responder) for case in cases] == [("A", False), ("D", True)]
    assert [case.patient_id for case in failure_cases(table, "yT0")] == ["A", "C", "D", "E"]
    assert cases[0].distance == pytest.approx(0.4)

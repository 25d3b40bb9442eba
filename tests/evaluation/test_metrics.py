"""All numbers of one head."""

from __future__ import annotations

import json

import numpy as np
import pytest

from pcrnet.config.evaluation import EvaluationConfig, NetBenefitRule
from pcrnet.evaluation.metrics import head_metrics, metrics_json
from pcrnet.evaluation.statistics import confusion as rates
from pcrnet.evaluation.statistics.calibration.scores import (
    brier,
    brier_skill,
    decompose_brier,
    log_loss,
)
from pcrnet.evaluation.statistics.calibration.smooth_ece import binned_ece, smooth_ece
from pcrnet.evaluation.statistics.confusion import confusion
from pcrnet.evaluation.statistics.discrimination import auc, auc_fold_mean
from pcrnet.evaluation.statistics.intervals import Estimate, proportion
from pcrnet.evaluation.statistics.precision_recall import average_precision
from pcrnet.evaluation.tables.predictions import Predictions

CONFIG = EvaluationConfig(bootstrap_draws=200)

NAMES = {
    "auc",
    "average_precision",
    "sensitivity",
    "specificity",
    "accuracy",
    "balanced_accuracy",
    "ppv",
    "npv",
    "brier",
    "brier_skill",
    "calibration_slope",
    "calibration_intercept",
    "calibration_in_the_large",
    "smooth_ece",
    "smooth_ece_null",
    "spiegelhalter_z",
    "spiegelhalter_p",
    "prevalence",
    "log_loss",
    "brier_miscalibration",
    "brier_discrimination",
    "brier_uncertainty",
    "binned_ece",
}
WITHOUT_INTERVAL = {
    "smooth_ece",
    "spiegelhalter_z",
    "spiegelhalter_p",
    "brier_miscalibration",
    "brier_discrimination",
    "brier_uncertainty",
    "binned_ece",
}
RATES = ("sensitivity", "specificity", "accuracy", "balanced_accuracy", "ppv", "npv")


def simulate(n=60, seed=0, unknown=0, **more):
    generator = np.random.default_rng(seed)
    prob = generator.beta(1.5, 1.5, size=n)
    label = (generator.random(n) < prob).astype(float)
    label[:unknown] = np.nan
    return Predictions(
        patient_id=tuple(f"P{i}" for i in range(n)),
        prob={"yT0": prob},
        label={"yT0": label},
        **more,
    )


def test_external_table_has_every_metric_with_value_and_interval():
    metrics = head_metrics(simulate(), "yT0", CONFIG, threshold=0.5)
    assert set(metrics) == NAMES
    for name, estimate in metrics.items():
        assert estimate.value is not None, name
        if name in WITHOUT_INTERVAL:
            assert estimate.low is estimate.high is None, name
            assert estimate.reason, name
        else:
            assert estimate.low <= estimate.value <= estimate.high, name


def test_folds_form_pairs_within_folds_and_say_that_the_rest_is_pooled():
    predictions = simulate(fold=np.arange(60) % 5)
    prob, label, fold = predictions.prob["yT0"], predictions.label["yT0"], predictions.fold
    metrics = head_metrics(predictions, "yT0", CONFIG, threshold=0.5)
    assert set(metrics) == NAMES | {"auc_fold_mean"}
    assert metrics["auc"] == auc(prob, label, fold)
    assert metrics["auc_fold_mean"] == auc_fold_mean(prob, label, fold)
    for name in NAMES - {"auc", "prevalence"}:
        assert metrics[name].method.endswith("; 5 folds pooled"), name
    assert metrics["prevalence"] == proportion(int(label.sum()), 60, of="patient")
    without = head_metrics(simulate(), "yT0", CONFIG, threshold=0.5)
    for name in NAMES - {"auc"}:
        assert metrics[name].value == without[name].value
        assert metrics[name].low == without[name].low


def test_patients_of_unknown_outcome_are_left_out_of_everything():
    whole = simulate(unknown=10, fold=np.arange(60) % 5, threshold={"yT0": np.full(60, 0.5)})
    part = whole.select(np.arange(60) >= 10)
    assert head_metrics(whole, "yT0", CONFIG) == head_metrics(part, "yT0", CONFIG)
    assert {e.n for e in head_metrics(whole, "yT0", CONFIG).values()} - {50}  # rates: fewer
    assert head_metrics(whole, "yT0", CONFIG)["auc"].n == 50


def test_locked_thresholds_of_the_table_are_used_patient_by_patient():
    threshold = np.where(np.arange(60) % 2, 0.3, 0.7)
    threshold[0] = np.nan
    predictions = simulate(threshold={"yT0": threshold})
    table = confusion(predictions.prob["yT0"], predictions.label["yT0"], threshold)
    metrics = head_metrics(predictions, "yT0", CONFIG)
    for name in RATES:
        assert metrics[name] == getattr(rates, name)(table)
    assert metrics["accuracy"].n == 59


def test_given_threshold_comes_before_the_tables():
    predictions = simulate(threshold={"yT0": np.full(60, 0.9)})
    given = head_metrics(predictions, "yT0", CONFIG, threshold=0.2)
    table = confusion(predictions.prob["yT0"], predictions.label["yT0"], 0.2)
    assert given["sensitivity"] == rates.sensitivity(table)


def test_no_threshold_is_ever_chosen_on_the_judged_data():
    metrics = head_metrics(simulate(unknown=4), "yT0", CONFIG)
    reason = "no locked threshold in the table"
    for name in RATES:
        assert metrics[name] == Estimate.undefined(reason, n=56, method="Wilson")


def test_net_benefit_rule_is_a_threshold_of_its_own():
    config = EvaluationConfig(bootstrap_draws=200, operating_point=NetBenefitRule(threshold=0.8))
    predictions = simulate()
    table = confusion(predictions.prob["yT0"], predictions.label["yT0"], 0.8)
    assert head_metrics(predictions, "yT0", config)["npv"] == rates.npv(table)
    locked = simulate(threshold={"yT0": np.full(60, 0.3)})
    table = confusion(predictions.prob["yT0"], predictions.label["yT0"], 0.3)
    assert head_metrics(locked, "yT0", config)["npv"] == rates.npv(table)


@pytest.mark.parametrize("fold", [None, np.arange(6)])
@pytest.mark.parametrize("label", [np.full(6, np.nan), np.ones(6), np.zeros(6)])
def test_nobody_known_and_one_class_give_reasons_instead_of_numbers(label, fold):
    predictions = Predictions(
        patient_id=tuple("abcdef"),
        prob={"yN0": np.linspace(0.1, 0.9, 6)},
        label={"yN0": label},
        fold=fold,
    )
    metrics = head_metrics(predictions, "yN0", CONFIG, threshold=0.5)
    assert metrics["auc"].value is None
    assert metrics["auc"].reason
    if np.isnan(label).all():
        assert metrics["prevalence"].reason == "no patient with a known outcome"
    text = json.dumps(metrics_json({"yN0": metrics}), allow_nan=False)
    assert "NaN" not in text
    for record in json.loads(text)["yN0"].values():
        assert record["value"] is not None or record["reason"]


def test_unknown_head_is_an_error():
    with pytest.raises(KeyError):
        head_metrics(simulate(), "yN0", CONFIG)


def test_numbers_depend_on_the_seed_alone_and_heads_draw_apart():
    def drawn(head, seed):
        base = simulate()
        named = Predictions(
            patient_id=base.patient_id,
            prob={head: base.prob["yT0"]},
            label={head: base.label["yT0"]},
        )
        return head_metrics(named, head, EvaluationConfig(bootstrap_draws=200, seed=seed))["brier"]

    assert drawn("yT0", 1) == drawn("yT0", 1)
    assert drawn("yT0", 1) != drawn("yT0", 2)
    assert drawn("yT0", 1) != drawn("yN0", 1)


def test_every_metric_draws_from_a_stream_of_its_own():
    predictions = simulate()
    prob, label = predictions.prob["yT0"], predictions.label["yT0"]
    metrics = head_metrics(predictions, "yT0", CONFIG)
    for stream, (name, score) in enumerate(
        (
            ("average_precision", average_precision),
            ("brier", brier),
            ("brier_skill", brier_skill),
            ("log_loss", log_loss),
        )
    ):
        generator = np.random.default_rng([CONFIG.seed, 0, stream])
        assert metrics[name] == score(prob, label, draws=200, generator=generator)
    generator = np.random.default_rng([CONFIG.seed, 0, 4])
    smooth = smooth_ece(prob, label, draws=200, generator=generator)
    assert (metrics["smooth_ece"], metrics["smooth_ece_null"]) == (smooth.error, smooth.null)


def test_parts_of_the_brier_score_and_the_binned_error_are_descriptive():
    predictions = simulate()
    prob, label = predictions.prob["yT0"], predictions.label["yT0"]
    metrics = head_metrics(predictions, "yT0", CONFIG)
    parts, binned = decompose_brier(prob, label), binned_ece(prob, label, 15)
    corp = "CORP: Brier = miscalibration − discrimination + uncertainty"
    refitted = "no interval: recalibrated on the patients that are judged"
    for part, value in vars(parts).items():
        assert metrics[f"brier_{part}"] == Estimate(value, None, None, 60, corp, refitted)
    bins = "15 bins of equal width"
    assert metrics["binned_ece"] == Estimate(binned.value, None, None, 60, bins, binned.warning)
    responders = predictions.select(label == 1)
    assert head_metrics(responders, "yT0", CONFIG)["brier_uncertainty"].value == 0.0
    nobody = head_metrics(simulate(unknown=60), "yT0", CONFIG)
    reason = "no patient with a known outcome"
    assert nobody["brier_uncertainty"] == Estimate.undefined(reason, n=0, method=corp)
    assert nobody["binned_ece"] == Estimate.undefined(reason, n=0, method=bins)


def test_record_for_metrics_json_is_ordered_by_head():
    metrics = head_metrics(simulate(), "yT0", CONFIG)
    record = metrics_json({"yT0yN0": metrics, "yT0": metrics})
    assert list(record) == ["yT0", "yT0yN0"]
    assert record["yT0"]["auc"] == metrics["auc"].to_json()

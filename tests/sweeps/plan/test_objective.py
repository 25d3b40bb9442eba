"""Objectives: those of metrics.json, and what one fold shows of them."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import brier_score_loss, log_loss

from pcrnet.config.evaluation import EvaluationConfig
from pcrnet.config.sweep import Objective
from pcrnet.errors import ConfigError
from pcrnet.evaluation.metrics import head_metrics
from pcrnet.evaluation.tables.predictions import Predictions
from pcrnet.sweeps.plan.objective import (
    better,
    direction_of,
    early_value,
    objective_value,
    require_objective,
)

CONFIG = EvaluationConfig(bootstrap_draws=200)


@pytest.fixture
def predictions():
    generator = np.random.default_rng(5)
    label = {head: generator.integers(0, 2, 60).astype(float) for head in ("yT0", "yN0")}
    label["yT0"][:3] = np.nan
    both, breast, nodes, _ = generator.dirichlet((2, 2, 2, 2), 60).T
    prob = {"yT0": both + breast, "yN0": both + nodes, "yT0yN0": both}
    return Predictions(
        tuple(f"p{index}" for index in range(60)),
        prob,
        label,
        fold=np.arange(60) % 3,
        threshold={head: np.full(60, 0.5) for head in prob},
    )


@pytest.mark.parametrize("metric", ["auc", "log_loss", "brier", "sensitivity", "brier_skill"])
def test_it_is_the_number_of_metrics_json(predictions, metric):
    expected = head_metrics(predictions, "yT0", CONFIG)[metric].value
    found = objective_value(predictions, Objective(metric=f"yT0/{metric}"), CONFIG)
    assert found == pytest.approx(expected, abs=1e-12)


def test_the_mean_log_loss_is_that_of_the_heads(predictions):
    expected = [
        log_loss(predictions.label[head][known], predictions.prob[head][known])
        for head in predictions.heads
        for known in (~np.isnan(predictions.label[head]),)
    ]
    found = objective_value(predictions, Objective(), CONFIG)
    assert found == pytest.approx(np.mean(expected))


def test_what_is_undefined_is_none_and_what_is_unknown_an_error(predictions):
    label = {head: np.ones(60) for head in predictions.heads}
    alike = Predictions(predictions.patient_id, predictions.prob, label)
    assert objective_value(alike, Objective(metric="yT0/auc"), CONFIG) is None
    with pytest.raises(ConfigError, match="there is no metric auk"):
        objective_value(predictions, Objective(metric="yT0/auk", direction="maximize"), CONFIG)


def test_less_loss_and_more_area_are_better():
    loss, area = Objective(), Objective(metric="yT0/auc")
    assert better(loss, 0.5, 0.6)
    assert better(area, 0.6, 0.5)
    assert not better(area, 0.5, 0.5)
    assert direction_of(Objective(metric="yT0/auc", direction="minimize")) == "minimize"
    with pytest.raises(ConfigError):
        require_objective(Objective(metric="auc"))


def test_a_fold_shows_the_metric_itself_or_the_log_loss_in_the_same_direction(predictions):
    known = ~np.isnan(predictions.label["yN0"])
    label, prob = predictions.label["yN0"][known], predictions.prob["yN0"][known]

    def early(metric):
        return early_value(predictions.prob, predictions.label, Objective(metric=metric))

    assert early("yN0/brier") == pytest.approx(brier_score_loss(label, prob))
    assert early("yN0/sensitivity") == pytest.approx(-log_loss(label, prob))
    unknown = {head: np.full(60, np.nan) for head in predictions.heads}
    assert early_value(predictions.prob, unknown, Objective()) is None

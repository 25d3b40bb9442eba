"""Proper scores and the parts of the Brier score."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.isotonic import IsotonicRegression
from sklearn.metrics import brier_score_loss
from sklearn.metrics import log_loss as sklearn_log_loss

from pcrnet.evaluation.statistics.calibration.scores import (
    brier,
    brier_skill,
    decompose_brier,
    log_loss,
)
from pcrnet.evaluation.statistics.intervals import Estimate

ALL = (brier, brier_skill, log_loss)


def drawing(draws=400):
    return {"draws": draws, "generator": np.random.default_rng(0)}


def simulate(n=120, seed=0):
    generator = np.random.default_rng(seed)
    prob = generator.beta(1.5, 1.5, size=n)
    return prob, (generator.random(n) < prob).astype(float)


def test_published_brier_score_and_decomposition(val_prob):
    prob, label, case = val_prob
    assert brier(prob, label, **drawing()).value == pytest.approx(case["brier"], abs=1e-9)
    parts = decompose_brier(prob, label)
    assert vars(parts) == pytest.approx(case["brier_corp"], abs=1e-9)
    total = parts.miscalibration - parts.discrimination + parts.uncertainty
    assert total == pytest.approx(case["brier"], abs=1e-12)


def test_tiny_example_of_scikit_learn(reference):
    case = reference.cases["brier"][0]
    prob, label = np.array(case["p"]), np.array(case["y"], dtype=float)
    assert brier(prob, label, **drawing()).value == pytest.approx(case["brier"], abs=1e-12)


def test_scores_agree_with_scikit_learn():
    prob, label = simulate()
    assert brier(prob, label, **drawing()).value == pytest.approx(brier_score_loss(label, prob))
    assert log_loss(prob, label, **drawing()).value == pytest.approx(sklearn_log_loss(label, prob))
    reference = brier_score_loss(label, np.full(120, label.mean()))
    assert brier_skill(prob, label, **drawing()).value == pytest.approx(
        1 - brier_score_loss(label, prob) / reference
    )


def test_skill_of_the_prevalence_is_zero_and_of_certainty_one():
    _, label = simulate()
    prevalence = brier_skill(np.full(120, label.mean()), label, **drawing())
    assert prevalence.value == pytest.approx(0.0, abs=1e-12)
    assert brier_skill(label, label, **drawing()).value == 1.0
    assert brier_skill(1 - label, label, **drawing()).value < 0


def test_relabelling_changes_no_score():
    prob, label = simulate()
    for score in ALL:
        one, other = score(prob, label, **drawing()), score(1 - prob, 1 - label, **drawing())
        assert other.value == pytest.approx(one.value)
        assert (other.low, other.high) == pytest.approx((one.low, one.high))


def test_one_class_has_scores_but_no_skill():
    prob, label = np.array([0.8, 0.9, 0.6]), np.ones(3)
    assert brier(prob, label, **drawing()).value == pytest.approx((0.04 + 0.01 + 0.16) / 3)
    assert log_loss(prob, label, **drawing()).value == pytest.approx(-np.log(prob).mean())
    assert "one class" in brier_skill(prob, label, **drawing()).reason


def test_infinite_log_loss_is_named_and_a_sure_hit_costs_nothing():
    prob = np.array([1.0, 0.0, 0.5])
    infinite = Estimate.undefined(
        "an outcome happened that was given probability 0", n=3, method="BCa bootstrap"
    )
    assert log_loss(prob, np.array([0.0, 0.0, 1.0]), **drawing()) == infinite
    assert log_loss(prob, np.array([1.0, 1.0, 1.0]), **drawing()) == infinite
    assert log_loss(prob, np.array([1.0, 0.0, 1.0]), **drawing()).value == pytest.approx(
        np.log(2) / 3
    )


def test_undefined_scores_are_named():
    prob, label = np.array([0.5, np.nan]), np.array([0.0, 1.0])
    reason, method = "a score is not a finite number", "BCa bootstrap"
    for score in ALL:
        assert score(prob, label, **drawing()) == Estimate.undefined(reason, n=2, method=method)
    with pytest.raises(ValueError, match="finite"):
        decompose_brier(prob, label)


@pytest.mark.parametrize("score", ALL)
def test_draws_seed_and_confidence_reach_the_bootstrap(score):
    prob, label = simulate()
    wide, narrow = (score(prob, label, **drawing(), confidence=c) for c in (0.95, 0.5))
    assert wide.low < narrow.low < narrow.high < wide.high
    assert wide.method == "BCa bootstrap, 400 draws"
    assert wide.n == 120


def test_brier_interval_covers():
    # With p uniform and y following it the expected Brier score is E[p(1 − p)] = 1/6.
    generator = np.random.default_rng(1)
    inside = []
    for _ in range(300):
        prob = generator.random(100)
        label = (generator.random(100) < prob).astype(float)
        found = brier(prob, label, draws=400, generator=generator)
        inside.append(found.low <= 1 / 6 <= found.high)
    assert 0.91 <= np.mean(inside) <= 0.98


def test_decomposition_uses_isotonic_recalibration_with_ties():
    generator = np.random.default_rng(2)
    prob = generator.random(100).round(1)
    label = (generator.random(100) < prob**2).astype(float)
    recalibrated = IsotonicRegression().fit(prob, label).predict(prob)
    parts = decompose_brier(prob, label)
    after = np.mean((recalibrated - label) ** 2)
    assert parts.miscalibration == pytest.approx(np.mean((prob - label) ** 2) - after)
    assert parts.discrimination == pytest.approx(label.var() - after)
    assert parts.uncertainty == pytest.approx(label.var())


def test_monotone_transform_leaves_discrimination():
    prob, label = simulate()
    assert decompose_brier(prob**3, label).discrimination == pytest.approx(
        decompose_brier(prob, label).discrimination
    )


def test_perfect_and_useless_forecasts_have_the_extreme_parts():
    label = np.array([0.0, 1.0, 1.0, 0.0])
    perfect = decompose_brier(label, label)
    assert vars(perfect) == {"miscalibration": 0.0, "discrimination": 0.25, "uncertainty": 0.25}
    alone = decompose_brier(np.array([0.8]), np.ones(1))
    assert vars(alone) == pytest.approx(
        {"miscalibration": 0.04, "discrimination": 0.0, "uncertainty": 0.0}
    )
    useless = decompose_brier(np.full(4, 0.9), label)
    assert useless.discrimination == 0.0
    assert useless.miscalibration == pytest.approx(0.16)

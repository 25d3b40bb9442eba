"""Differences of proper scores and of net benefit, against scikit-learn, SciPy and closed forms."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from scipy.special import expit
from sklearn.metrics import brier_score_loss, log_loss

from pcrnet.evaluation.statistics.comparison.score_comparison import (
    compare_brier,
    compare_brier_skill,
    compare_log_loss,
    compare_net_benefit,
)
from pcrnet.evaluation.statistics.net_benefit import net_benefit

RNG = np.random.default_rng(7)
SIGNAL = RNG.normal(size=150)
LABEL = (RNG.random(150) < expit(SIGNAL)).astype(float)
FIRST, SECOND = expit(SIGNAL), expit(0.4 * SIGNAL + 0.5 * RNG.normal(size=150))


@pytest.mark.parametrize(
    ("compare", "score", "loss"),
    [
        (compare_log_loss, log_loss, lambda p: -np.log(np.where(LABEL == 1, p, 1 - p))),
        (compare_brier, brier_score_loss, lambda p: (p - LABEL) ** 2),
    ],
)
def test_the_difference_is_that_of_scikit_learn_and_its_interval_students(compare, score, loss):
    found = compare(FIRST, SECOND, LABEL)
    assert found.value == pytest.approx(score(LABEL, FIRST) - score(LABEL, SECOND))
    paired = stats.ttest_rel(loss(FIRST), loss(SECOND)).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((paired.low, paired.high))
    assert found.n == 150


@pytest.mark.parametrize("compare", [compare_log_loss, compare_brier, compare_brier_skill])
def test_exchanging_the_models_turns_the_sign(compare):
    one, other = compare(FIRST, SECOND, LABEL), compare(SECOND, FIRST, LABEL)
    assert (one.value, one.low, one.high) == pytest.approx((-other.value, -other.high, -other.low))


def test_the_skill_differs_by_the_gain_over_the_uncertainty_and_its_error_is_the_bootstraps():
    found = compare_brier_skill(FIRST, SECOND, LABEL)
    reference = LABEL.mean() * (1 - LABEL.mean())
    skill = [1 - brier_score_loss(LABEL, p) / reference for p in (FIRST, SECOND)]
    assert found.value == pytest.approx(skill[0] - skill[1])
    rows = np.random.default_rng(1).integers(150, size=(4000, 150))
    label = LABEL[rows]
    gain = (((SECOND - LABEL) ** 2 - (FIRST - LABEL) ** 2)[rows]).mean(axis=1)
    drawn = gain / (label.mean(axis=1) * (1 - label.mean(axis=1)))
    error = (found.high - found.low) / 2 / stats.t.ppf(0.975, 149)
    assert error == pytest.approx(drawn.std(), rel=0.06)


def test_net_benefit_differs_by_what_the_curves_differ_by():
    thresholds = np.array([0.3, 0.5, 0.8])
    found = compare_net_benefit(FIRST, SECOND, LABEL, thresholds)
    curves = [net_benefit(LABEL == 1, p, thresholds) for p in (FIRST, SECOND)]
    assert [e.value for e in found] == pytest.approx(list(curves[0] - curves[1]))
    # Threshold 0.5: a patient counts 1, −1 or 0, so that the interval is that of those counts.
    spared = [np.where(LABEL == 1, 1.0, -1.0) * (p > 0.5) for p in (FIRST, SECOND)]
    paired = stats.ttest_rel(*spared).confidence_interval(0.95)
    assert (found[1].low, found[1].high) == pytest.approx((paired.low, paired.high))


def test_the_interval_covers_and_a_true_zero_is_called_a_difference_once_in_twenty():
    generator = np.random.default_rng(9)
    inside = 0
    for _ in range(400):
        signal, one, other = generator.normal(size=(3, 120))
        label = (generator.random(120) < expit(signal)).astype(float)
        found = compare_log_loss(expit(signal + 0.5 * one), expit(signal + 0.5 * other), label)
        inside += found.low <= 0 <= found.high
    assert 0.92 <= inside / 400 <= 0.975


@pytest.mark.parametrize("compare", [compare_log_loss, compare_brier, compare_brier_skill])
def test_the_same_predictions_differ_by_nothing_and_say_so(compare):
    found = compare(FIRST, FIRST, LABEL)
    assert (found.value, found.low, found.high) == (0.0, 0.0, 0.0)
    assert found.reason == "both serve all patients alike"


def test_what_is_undefined_is_null_with_its_reason():
    sure = FIRST.copy()
    sure[LABEL == 1] = 0.0
    for found in (compare_log_loss(sure, SECOND, LABEL), compare_log_loss(SECOND, sure, LABEL)):
        assert found.value is None
        assert "probability 0" in found.reason
    assert "one class" in compare_brier_skill(FIRST, SECOND, np.ones(150)).reason
    assert compare_brier(FIRST[:0], SECOND[:0], LABEL[:0]).value is None
    (missing,) = compare_net_benefit(FIRST[:0], SECOND[:0], LABEL[:0], np.array([0.5]))
    assert missing.value is None


def test_one_patient_and_a_constant_difference_have_no_interval():
    one = compare_brier(FIRST[:1], SECOND[:1], LABEL[:1])
    assert one.low is None
    assert "one patient" in one.reason
    always = compare_brier(np.full(4, 0.2), np.full(4, 0.4), np.zeros(4))
    assert always.value == pytest.approx(-0.12)
    assert always.low is None
    assert "same in every patient" in always.reason

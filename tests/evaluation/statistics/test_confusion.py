"""The 2×2 table at a threshold, its rates and their intervals."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit
from sklearn.metrics import balanced_accuracy_score, confusion_matrix
from statsmodels.stats.proportion import proportion_confint

from pcrnet.evaluation.statistics.confusion import (
    Confusion,
    accuracy,
    balanced_accuracy,
    confusion,
    npv,
    ppv,
    predictive_values_at,
    sensitivity,
    specificity,
)
from pcrnet.evaluation.statistics.intervals import Estimate


def test_confusion_agrees_with_scikit_learn_and_is_strict():
    generator = np.random.default_rng(0)
    prob, label = generator.random(200).round(1), generator.integers(2, size=200).astype(float)
    table = confusion(prob, label, 0.5)
    (tn, fp), (fn, tp) = confusion_matrix(label, prob > 0.5)
    assert table == Confusion(tp, fp, tn, fn)
    assert confusion(np.array([0.5]), np.array([1.0]), 0.5).false_negative == 1
    assert balanced_accuracy(table).value == pytest.approx(
        balanced_accuracy_score(label, prob > 0.5)
    )


def test_whole_number_thresholds_serve_as_well():
    assert confusion(np.array([0.5]), np.array([1.0]), 0).true_positive == 1


def test_confusion_uses_each_patients_own_threshold_and_leaves_unknown_ones_out():
    prob, label = np.array([0.3, 0.3, 0.3, 0.3]), np.array([1.0, 1.0, np.nan, 1.0])
    table = confusion(prob, label, np.array([0.2, 0.4, 0.2, np.nan]))
    assert table == Confusion(true_positive=1, false_positive=0, true_negative=0, false_negative=1)
    assert table.n == 2


@pytest.mark.parametrize("confidence", [0.8, 0.95])
def test_rates_carry_wilson_intervals_of_their_own_denominators(confidence):
    table = Confusion(true_positive=81, false_positive=15, true_negative=133, false_negative=182)
    estimates = {
        sensitivity: (81, 263),
        specificity: (133, 148),
        accuracy: (214, 411),
        ppv: (81, 96),
        npv: (133, 315),
    }
    for of, (x, n) in estimates.items():
        low, high = proportion_confint(x, n, alpha=1 - confidence, method="wilson")
        assert of(table, confidence).to_json() == {
            "value": x / n,
            "low": pytest.approx(low, abs=1e-12),
            "high": pytest.approx(high, abs=1e-12),
            "n": n,
            "method": "Wilson",
        }


@pytest.mark.parametrize("confidence", [0.8, 0.95])
def test_balanced_accuracy_joins_the_two_wilson_intervals(confidence):
    table = Confusion(true_positive=30, false_positive=5, true_negative=25, false_negative=10)
    (l1, u1), (l2, u2) = (
        proportion_confint(x, n, alpha=1 - confidence, method="wilson")
        for x, n in ((30, 40), (25, 30))
    )
    value = (30 / 40 + 25 / 30) / 2
    assert balanced_accuracy(table, confidence).to_json() == {
        "value": pytest.approx(value),
        "low": pytest.approx(value - np.hypot(30 / 40 - l1, 25 / 30 - l2) / 2),
        "high": pytest.approx(value + np.hypot(u1 - 30 / 40, u2 - 25 / 30) / 2),
        "n": 70,
        "method": "Wilson, joined by MOVER",
    }


def test_empty_denominators_are_named():
    nobody = Confusion(0, 0, 5, 0)
    named = {
        sensitivity: "no patient with complete response",
        ppv: "no patient called complete response",
    }
    for of, reason in named.items():
        assert of(nobody) == Estimate.undefined(reason, n=0, method="Wilson")
    assert specificity(Confusion(5, 0, 0, 0)).reason == "no patient with residual disease"
    assert npv(Confusion(5, 1, 0, 0)).reason == "no patient called residual disease"
    assert accuracy(Confusion(0, 0, 0, 0)).reason == "no patient"
    for one_class in (nobody, Confusion(5, 0, 0, 0)):
        reason, method = "one class only", "Wilson, joined by MOVER"
        assert balanced_accuracy(one_class) == Estimate.undefined(reason, n=5, method=method)
        method = "logit Wald at prevalence 0.4"
        missing = Estimate.undefined(reason, n=5, method=method)
        assert predictive_values_at(one_class, 0.4) == (missing, missing)


def test_balanced_accuracy_interval_covers():
    generator = np.random.default_rng(1)
    truth = (0.8 + 0.6) / 2
    inside = 0
    for tp, tn in zip(
        generator.binomial(30, 0.8, 2000), generator.binomial(40, 0.6, 2000), strict=True
    ):
        estimate = balanced_accuracy(Confusion(tp, 40 - tn, tn, 30 - tp))
        inside += estimate.low <= truth <= estimate.high
    assert 0.935 <= inside / 2000 <= 0.97


def test_predictive_values_at_the_studys_own_prevalence_are_those_of_the_table():
    table = Confusion(true_positive=40, false_positive=10, true_negative=70, false_negative=20)
    positive, negative = predictive_values_at(table, 60 / 140)
    assert positive.value == pytest.approx(40 / 50)
    assert negative.value == pytest.approx(70 / 90)


def test_predictive_values_follow_bayes_at_another_prevalence():
    table = Confusion(true_positive=40, false_positive=10, true_negative=70, false_negative=20)
    positive, negative = predictive_values_at(table, 0.2)
    sens, spec = 40 / 60, 70 / 80
    assert positive.value == pytest.approx(sens * 0.2 / (sens * 0.2 + (1 - spec) * 0.8))
    assert negative.value == pytest.approx(spec * 0.8 / (spec * 0.8 + (1 - sens) * 0.2))


def mercaldo(sens, spec, positives, negatives, prevalence, z):
    """Logits of PPV and NPV with their standard errors, from the paper's formulas."""
    odds = prevalence / (1 - prevalence)
    positive = np.log(sens * odds / (1 - spec))
    negative = np.log(spec / odds / (1 - sens))
    error_p = np.sqrt((1 - sens) / (sens * positives) + spec / ((1 - spec) * negatives))
    error_n = np.sqrt(sens / ((1 - sens) * positives) + (1 - spec) / (spec * negatives))
    return [
        [expit(centre - z * error), expit(centre + z * error)]
        for centre, error in ((positive, error_p), (negative, error_n))
    ]


@pytest.mark.parametrize(
    ("confidence", "z"), [(0.95, 1.959963984540054), (0.8, 1.2815515655446004)]
)
@pytest.mark.parametrize(
    "table",
    [
        Confusion(40, 10, 70, 20),
        Confusion(1, 10, 70, 20),
        Confusion(40, 10, 1, 20),
        Confusion(9, 1, 9, 1),
    ],
)
def test_predictive_value_intervals_follow_the_paper(table, confidence, z):
    sens, spec = table.true_positive / table.positives, table.true_negative / table.negatives
    limits = mercaldo(sens, spec, table.positives, table.negatives, 0.2, z)
    for estimate, expected in zip(
        predictive_values_at(table, 0.2, confidence), limits, strict=True
    ):
        assert [estimate.low, estimate.high] == pytest.approx(expected)
        assert estimate.n == table.n
        assert estimate.method == "logit Wald at prevalence 0.2"


@pytest.mark.parametrize(
    "table",
    [
        Confusion(0, 3, 12, 9),
        Confusion(12, 0, 9, 3),
        Confusion(9, 12, 0, 3),
        Confusion(12, 3, 9, 0),
    ],
)
def test_empty_cells_enter_the_interval_with_half_z_squared_patients_each(table):
    z = 1.959963984540054
    more = z**2 / 2
    positives, negatives = table.positives + 2 * more, table.negatives + 2 * more
    sens, spec = (table.true_positive + more) / positives, (table.true_negative + more) / negatives
    limits = mercaldo(sens, spec, positives, negatives, 0.3, z)
    for estimate, (low, high) in zip(predictive_values_at(table, 0.3), limits, strict=True):
        if estimate.value is not None:
            assert estimate.low == pytest.approx(min(low, estimate.value))
            assert estimate.high == pytest.approx(max(high, estimate.value))


def test_predictive_value_intervals_cover_and_survive_empty_cells():
    generator = np.random.default_rng(2)
    sens, spec, prevalence = 0.9, 0.7, 0.3
    truths = (
        sens * prevalence / (sens * prevalence + (1 - spec) * (1 - prevalence)),
        spec * (1 - prevalence) / (spec * (1 - prevalence) + (1 - sens) * prevalence),
    )
    inside = np.zeros(2)
    for tp, tn in zip(
        generator.binomial(40, sens, 1000), generator.binomial(40, spec, 1000), strict=True
    ):
        pair = predictive_values_at(Confusion(tp, 40 - tn, tn, 40 - tp), prevalence)
        inside += [e.low <= t <= e.high for e, t in zip(pair, truths, strict=True)]
    assert ((inside / 1000 > 0.93) & (inside / 1000 < 0.99)).all()
    perfect = predictive_values_at(Confusion(10, 0, 10, 0), 0.5)
    for estimate in perfect:
        assert estimate.value == 1.0
        assert estimate.high == 1.0
        assert 0.5 < estimate.low < 1.0
    never = predictive_values_at(Confusion(0, 0, 10, 10), 0.5)[0]
    method = "logit Wald at prevalence 0.5"
    assert never == Estimate.undefined("no patient is called so", n=20, method=method)


@pytest.mark.parametrize("prevalence", [0.0, 1.0, -0.1])
def test_prevalence_must_be_a_proper_one(prevalence):
    with pytest.raises(ValueError, match=r"^prevalence must lie strictly between 0 and 1$"):
        predictive_values_at(Confusion(1, 1, 1, 1), prevalence)

"""Average precision."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from pcrnet.evaluation.statistics.curves import precision_recall_curve
from pcrnet.evaluation.statistics.precision_recall import average_precision


def estimate(score, label, seed=0, draws=500):
    generator = np.random.default_rng(seed)
    return average_precision(
        np.asarray(score, dtype=float),
        np.asarray(label, dtype=float),
        draws=draws,
        generator=generator,
    )


@pytest.mark.parametrize("digits", [0, 1, 8])
def test_value_agrees_with_scikit_learn_with_and_without_ties(digits):
    generator = np.random.default_rng(1)
    score, label = generator.random(80).round(digits), generator.integers(2, size=80)
    assert estimate(score, label).value == pytest.approx(average_precision_score(label, score))


def test_perfect_ranking_is_one_and_flagged_degenerate():
    found = estimate([0.9, 0.8, 0.2, 0.1], [1, 1, 0, 0])
    assert (found.value, found.low, found.high) == (1.0, 1.0, 1.0)
    assert found.reason == "degenerate: all draws agree"


def test_constant_score_has_the_prevalence():
    assert estimate(np.ones(10), [1, 1, 1, 0, 0, 0, 0, 0, 0, 0]).value == pytest.approx(0.3)


def test_monotone_transform_changes_nothing():
    generator = np.random.default_rng(2)
    score, label = generator.random(50), generator.integers(2, size=50)
    assert estimate(score, label) == estimate(np.exp(3 * score), label)


@pytest.mark.parametrize(
    ("score", "label", "reason"),
    [([0.1, 0.2], [1, 1], "one class"), ([0.1, np.nan], [0, 1], "finite"), ([], [], "no patient")],
)
def test_undefined_precision_is_named(score, label, reason):
    assert reason in estimate(score, label).reason


def test_the_interval_covers_where_the_prevalence_is_drawn_as_well():
    generator = np.random.default_rng(3)

    def draw(n):
        label = (generator.random(n) < 0.4).astype(float)
        return generator.normal(size=n) + label, label

    big, big_label = draw(100_000)
    truth = average_precision_score(big_label, big)
    inside = []
    for k in range(200):
        found = estimate(*draw(100), seed=k, draws=300)
        inside.append(found.low <= truth <= found.high)
    assert 0.92 <= np.mean(inside) <= 0.985


def test_an_interval_by_a_drawn_prevalence_is_wider_than_one_within_classes():
    """By the variance of the prevalence, with a score that tells nothing: AP is the prevalence."""
    label = np.append(np.ones(40), np.zeros(60))
    found = estimate(np.ones(100), label, draws=4000)
    half = 1.96 * np.sqrt(0.4 * 0.6 / 100)
    assert found.high - found.low == pytest.approx(2 * half, rel=0.06)
    assert estimate(np.ones(100), label).method.startswith("BCa bootstrap, 500")


def test_the_area_below_the_curve_is_the_number():
    generator = np.random.default_rng(5)
    label = generator.permutation(np.append(np.ones(50), np.zeros(70)))
    score = (generator.normal(size=120) + label).round(1)
    curve = precision_recall_curve(label == 1, score, np.ones((2, 120)))
    # 50 responders reach every second point of the grid, so the steps are read off exactly.
    assert curve.y[1:].mean() == pytest.approx(estimate(score, label).value)

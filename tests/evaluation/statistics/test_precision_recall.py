"""Average precision."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

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


def test_interval_covers():
    generator = np.random.default_rng(3)
    label = np.append(np.ones(40), np.zeros(60))

    # The truth at this prevalence, from a sample too large to matter.
    big = np.append(generator.normal(1.0, 1.0, 40_000), generator.normal(0.0, 1.0, 60_000))
    truth = average_precision_score(np.repeat([1, 0], [40_000, 60_000]), big)
    inside = []
    for k in range(200):
        found = estimate(generator.normal(size=100) + label, label, seed=k, draws=300)
        inside.append(found.low <= truth <= found.high)
    assert 0.89 <= np.mean(inside) <= 0.985

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import precision_recall_curve as sklearn_precision_recall
from sklearn.metrics import roc_auc_score
from sklearn.metrics import roc_curve as sklearn_roc

from pcrnet.evaluation.statistics.curves import (
    GRID,
    draw_weights,
    pointwise_band,
    precision_recall_curve,
    roc_curve,
)

RNG = np.random.default_rng(11)
SCORE = RNG.normal(size=200).round(1)
RESPONDER = RNG.random(200) < 1 / (1 + np.exp(-SCORE))
ONE_FOLD = np.zeros(200, dtype=np.int64)


def test_one_fold_is_the_roc_of_scikit_learn() -> None:
    false_positive, sensitivity, _ = sklearn_roc(RESPONDER, SCORE, drop_intermediate=False)
    last = np.searchsorted(false_positive, GRID + 1e-12, side="right") - 1
    curve = roc_curve(RESPONDER, SCORE, ONE_FOLD, np.ones((2, 200)))
    np.testing.assert_allclose(curve.y, sensitivity[last])


def test_area_below_the_mean_of_folds_is_the_auc_of_within_fold_pairs() -> None:
    fold = RNG.integers(0, 4, 200)
    score = RNG.normal(size=200) + RESPONDER + 5.0 * fold
    pairs = [(RESPONDER[fold == k].sum() * (~RESPONDER[fold == k]).sum()) for k in range(4)]
    aucs = [roc_auc_score(RESPONDER[fold == k], score[fold == k]) for k in range(4)]
    curve = roc_curve(RESPONDER, score, fold, np.ones((2, 200)))
    # The step curve is read off at 101 points: its mean is the area to the width of a step.
    assert curve.y.mean() == pytest.approx(np.average(aucs, weights=pairs), abs=0.01)


def test_a_constant_shift_of_a_fold_changes_nothing() -> None:
    fold = np.arange(200) % 3
    weights = draw_weights(200, 20, 1)
    one = roc_curve(RESPONDER, SCORE, fold, weights)
    other = roc_curve(RESPONDER, SCORE + 10.0 * fold, fold, weights)
    np.testing.assert_array_equal(one.y, other.y)
    np.testing.assert_array_equal(one.low, other.low)


def test_each_draw_equals_the_curve_of_the_repeated_patients() -> None:
    fold = np.arange(200) % 2
    weights = draw_weights(200, 7, 3)
    curve = roc_curve(RESPONDER, SCORE, fold, weights)
    draws = [
        roc_curve(
            *(np.repeat(a, w.astype(int)) for a in (RESPONDER, SCORE, fold)), np.ones((1, 200))
        ).y
        for w in weights
    ]
    np.testing.assert_allclose(curve.low, np.quantile(draws, 0.025, axis=0), atol=1e-12)


def test_precision_is_that_of_scikit_learn_at_each_recall_it_reaches() -> None:
    precision, recall, _ = sklearn_precision_recall(RESPONDER, SCORE)
    first = [np.flatnonzero(recall >= r - 1e-9)[-1] for r in GRID[1:]]
    curve = precision_recall_curve(RESPONDER, SCORE, np.ones((2, 200)))
    np.testing.assert_allclose(curve.y[1:], precision[first])


def test_draws_keep_the_number_of_patients_and_depend_on_the_seed_only() -> None:
    weights = draw_weights(30, 100, 4)
    np.testing.assert_array_equal(weights.sum(axis=1), 30)
    np.testing.assert_array_equal(weights, draw_weights(30, 100, 4))
    assert (weights != draw_weights(30, 100, 5)).any()


def test_a_fold_of_one_class_adds_nothing() -> None:
    fold = np.where(np.arange(200) < 20, 9, 0)
    responder = RESPONDER | (fold == 9)
    alone = roc_curve(responder[fold == 0], SCORE[fold == 0], fold[fold == 0], np.ones((1, 180)))
    both = roc_curve(responder, SCORE, fold, np.ones((1, 200)))
    np.testing.assert_allclose(both.y, alone.y)


def test_without_draws_there_is_no_band():
    low, high = pointwise_band(np.ones((0, 4)), 0.95)
    assert low.shape == high.shape == (4,)
    assert np.isnan([low, high]).all()

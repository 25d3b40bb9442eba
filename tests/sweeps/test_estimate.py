"""The estimate of the winner: what chooses for a fold has never seen it."""

from __future__ import annotations

import numpy as np
import pytest

from pcrnet.cohort.outcome import HEADS
from pcrnet.config.evaluation import EvaluationConfig
from pcrnet.decision.nested import head_labels, nested_estimate
from pcrnet.evaluation.tables.predictions import Predictions
from pcrnet.sweeps.estimate import assemble, inner_predictions

CONFIG = EvaluationConfig(folds=4)
FOLDS = 4


@pytest.fixture
def logits():
    """Logits of all judged fits of one trial, for 80 patients."""
    generator = np.random.default_rng(3)
    fold = np.arange(80) % FOLDS
    allowed = np.eye(4, dtype=bool)[generator.integers(0, 4, 80)]
    signal = np.where(allowed[:, :2].any(axis=1), 1.0, -1.0)[:, None]
    left = [(i,) for i in range(FOLDS)] + [(i, j) for i in range(FOLDS) for j in range(i)]
    return (
        fold,
        allowed,
        {tuple(sorted(one)): signal + generator.normal(size=(80, 3)) for one in left},
    )


def test_what_a_fold_is_chosen_by_does_not_change_with_that_folds_outcomes(logits):
    fold, allowed, own = logits
    changed = allowed.copy()
    changed[fold == 2] = ~changed[fold == 2][:, ::-1]
    one = inner_predictions(fold, allowed, own, 2, CONFIG)
    other = inner_predictions(fold, changed, own, 2, CONFIG)
    assert all(np.array_equal(one.prob[head], other.prob[head]) for head in HEADS)
    assert len(one) == 60
    assert 2 not in one.fold


def test_nor_with_anything_that_a_fit_which_saw_the_fold_has_said(logits):
    fold, allowed, own = logits
    spoiled = {left: values if 2 in left else values * np.nan for left, values in own.items()}
    one = inner_predictions(fold, allowed, own, 2, CONFIG)
    other = inner_predictions(fold, allowed, spoiled, 2, CONFIG)
    assert all(np.array_equal(one.prob[head], other.prob[head]) for head in HEADS)


def test_its_calibrator_is_the_one_that_predicts_the_fold(logits):
    fold, allowed, own = logits
    whole = nested_estimate(fold, allowed, own, CONFIG)
    inner = inner_predictions(fold, allowed, own, 1, CONFIG)
    for head in HEADS:
        assert inner.threshold[head][0] == whole.decisions[1].thresholds[head]


def predictions_of(value, fold, allowed):
    return Predictions(
        patient_id=tuple(f"p{index}" for index in range(len(fold))),
        prob={head: np.full(len(fold), value) for head in ("yT0", "yN0")},
        label={head: head_labels(allowed, head) for head in HEADS},
        fold=fold,
        threshold={head: np.full(len(fold), value / 2) for head in ("yT0", "yN0")},
    )


def test_every_fold_is_predicted_by_the_trial_that_was_chosen_for_it(logits):
    fold, allowed, _ = logits
    tables = [predictions_of(value, fold, allowed) for value in (0.1, 0.2, 0.3, 0.4)]
    together = assemble(tables)
    np.testing.assert_allclose(together.prob["yT0"], 0.1 * (fold + 1))
    np.testing.assert_allclose(together.threshold["yN0"], 0.05 * (fold + 1))


def test_of_noise_the_nested_estimate_is_unbiased_and_the_winners_own_value_is_not():
    """Of forty trials of noise the best looks good, and nested selection sees through it."""
    generator = np.random.default_rng(11)
    won, nested = [], []
    for _ in range(12):
        fold = np.arange(120) % FOLDS
        allowed = np.eye(4, dtype=bool)[generator.integers(0, 4, 120)]
        label = head_labels(allowed, "yT0")
        trials = [_noise(generator, 120) for _ in range(40)]
        areas = [_area(own, fold, label, range(FOLDS)) for own in trials]
        won.append(max(areas))
        by_fold = []
        for outer in range(FOLDS):
            inner = [_inner_area(own, fold, label, outer) for own in trials]
            best = trials[int(np.argmax(inner))]
            by_fold.append(_area(best, fold, label, [outer]))
        nested.append(np.mean(by_fold))
    assert np.mean(won) > 0.56
    assert abs(np.mean(nested) - 0.5) < 0.03


def _noise(generator, n):
    left = [(i,) for i in range(FOLDS)] + [(j, i) for i in range(FOLDS) for j in range(i)]
    # Fits of one trial agree with one another, as those of one model do.
    common = generator.normal(size=(n, 3))
    return {one: common + 0.3 * generator.normal(size=(n, 3)) for one in left}


def _area(own, fold, label, folds):
    return np.mean([_auc(own[(f,)][fold == f, 0], label[fold == f]) for f in folds])


def _inner_area(own, fold, label, outer):
    return np.mean([
        _auc(own[(min(f, outer), max(f, outer))][fold == f, 0], label[fold == f])
        for f in range(FOLDS)
        if f != outer
    ])  # fmt: skip


def _auc(score, label):
    return (score[label == 1][:, None] > score[label == 0]).mean()

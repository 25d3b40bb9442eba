"""Why a statistic is undefined."""

from __future__ import annotations

import numpy as np
import pytest

from pcrnet.evaluation.statistics import array_types, curves
from pcrnet.evaluation.statistics.array_types import in_blocks, why_undefined
from pcrnet.evaluation.statistics.curves import draw_weights

CASES = [
    ([], [], 2, "no patient"),
    ([0.1, np.nan], [0, 1], 2, "a score is not a finite number"),
    ([0.1, np.inf], [0, 1], 2, "a score is not a finite number"),
    ([0.1, 0.2], [1, 2], 2, "neither 0 nor 1"),
    ([0.1, 0.2], [1, np.nan], 2, "neither 0 nor 1"),
    ([0.1, 0.2], [1, 1], 2, "one class only: every label is 1"),
]


@pytest.mark.parametrize(("score", "label", "classes", "reason"), CASES)
def test_what_makes_a_statistic_undefined_is_named(score, label, classes, reason):
    found = why_undefined(
        np.array(score, dtype=float), np.array(label, dtype=float), classes=classes
    )
    assert reason in found


def test_sound_data_have_no_reason_and_one_class_may_do():
    score = np.array([0.1, 0.2])
    assert why_undefined(score, np.array([0.0, 1.0])) is None
    assert why_undefined(score, np.array([1.0, 1.0]), classes=1) is None


def test_blocks_of_draws_change_no_number(monkeypatch):
    values = np.arange(12.0)
    weights = draw_weights(12, 50, seed=3)
    whole = in_blocks(lambda counts: counts @ values, weights)
    monkeypatch.setattr(array_types, "BLOCK_ELEMENTS", 30)
    monkeypatch.setattr(curves, "BLOCK_ELEMENTS", 30)
    np.testing.assert_array_equal(in_blocks(lambda counts: counts @ values, weights), whole)
    np.testing.assert_array_equal(draw_weights(12, 50, seed=3), weights)
    assert (weights.sum(axis=1) == 12).all()


def test_without_draws_there_is_a_row_less_than_none_of_the_right_width():
    empty = np.ones((0, 12))
    assert in_blocks(lambda counts: counts @ np.ones((12, 3)), empty).shape == (0, 3)

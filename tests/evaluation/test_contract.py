"""The contract of predictions, on columns (whole tables are in test_predictions)."""

from __future__ import annotations

import numpy as np

from pcrnet.cohort.outcome import HEADS
from pcrnet.evaluation.contract import find_problems

UNKNOWN = dict.fromkeys(HEADS, np.full(2, np.nan))


def test_sound_columns_have_no_problem():
    numbers = {**UNKNOWN, "prob_yT0": np.array([0.0, 1.0])}
    assert find_problems(("a", "b"), numbers, np.array([0, 1]), {"site": ("", "")}) == []


def test_columns_of_different_length_are_reported_alone():
    numbers = {**UNKNOWN, "prob_yT0": np.array([5.0])}
    problems = find_problems(("a", "b"), numbers, None, {"site": ("",)})
    assert [problem.field for problem in problems] == ["prob_yT0", "site"]


def test_no_probability_is_a_problem():
    assert [p.field for p in find_problems(("a", "b"), UNKNOWN, None, {})] == ["prob_<head>"]


def test_empty_table_in_memory_is_sound():
    empty = {name: np.array([]) for name in (*HEADS, "prob_yT0")}
    assert find_problems((), empty, None, {}) == []

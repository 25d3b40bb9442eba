"""The contract of predictions, on columns (whole tables are in test_predictions)."""

from __future__ import annotations

import numpy as np

from pcrnet.cohort.outcome import HEADS
from pcrnet.evaluation.tables.contract import find_problems

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


def test_reversed_coding_is_named_where_a_table_contradicts_itself():
    prob = {"prob_yT0": [0.4, 0.7], "prob_yN0": [0.5, 0.9], "prob_yT0yN0": [0.2, 0.6]}
    label = {"yT0": [1, 1, 0, 0], "yN0": [1, 0, 1, 0], "yT0yN0": [1, 0, 0, 0]}

    def remedies(**given):
        columns = {name: 1 - np.array(values, dtype=float) for name, values in given.items()}
        patients = tuple("abcd"[: len(next(iter(given.values())))])
        labels = {head: np.full(len(patients), np.nan) for head in HEADS}
        return {problem.remedy for problem in find_problems(patients, labels | columns, None, {})}

    assert any("probabilities of residual" in text for text in remedies(**prob))
    assert any("--positive 0" in text for text in remedies(**label, prob_yT0=[0.1, 0.2, 0.3, 0.4]))


def test_text_in_several_columns_warns_of_no_arithmetic(recwarn):
    numbers = {**UNKNOWN, **{f"prob_{head}": np.full(2, np.inf) for head in HEADS}}
    assert len(find_problems(("a", "b"), numbers, None, {})) == 3
    assert not recwarn.list

"""What the columns of somebody's table mean."""

from __future__ import annotations

import pytest

from pcrnet.errors import PredictionsError
from pcrnet.evaluation.tables.column_map import (
    ColumnMap,
    find_columns,
    missing_columns,
    near_columns,
)


def test_a_bare_column_is_of_the_joint_head_and_a_number_is_a_threshold_for_all():
    wanted = ColumnMap.of_words(
        prob=["score", "YT0=p_breast"], label=["a=b"], threshold=["0,5", "yN0=cut"]
    )
    assert wanted.prob == {"yT0yN0": "score", "yT0": "p_breast"}
    assert wanted.label == {"yT0yN0": "a=b"}  # no head before the sign: all of it is the name
    assert wanted.threshold == {"yT0yN0": 0.5, "yN0": "cut"}
    assert wanted.named() == {
        "prob_yT0yN0": "score",
        "prob_yT0": "p_breast",
        "yT0yN0": "a=b",
        "threshold_yN0": "cut",
    }


def test_a_head_given_twice_is_refused():
    with pytest.raises(PredictionsError, match="yT0yN0 is given twice"):
        ColumnMap.of_words(prob=["a", "yT0yN0=b"])


@pytest.mark.parametrize("word", ["nan", "yT0=inf", "yN0=-inf"])
def test_a_threshold_that_is_no_number_is_refused(word):
    with pytest.raises(PredictionsError, match="is no number"):
        ColumnMap.of_words(threshold=[word])


@pytest.mark.parametrize(
    "name", ["PATIENT_ID", "Patient ID", "patient.id", "PatientID", "ｐatient-id"]
)
def test_case_and_separators_of_a_name_do_not_matter(name):
    found, remarks, problems = find_columns([name, "Prob.YT0"], ColumnMap())
    assert found == {"patient_id": name, "prob_yT0": "Prob.YT0"}
    assert (len(remarks), problems) == (2, [])


def test_the_contracts_own_name_comes_before_one_that_is_alike():
    found, remarks, problems = find_columns(["Fold", "fold", "patient_id"], ColumnMap())
    assert found == {"fold": "fold", "patient_id": "patient_id"}
    assert (remarks, problems) == ([], [])


def test_two_names_that_are_alike_are_not_chosen_from():
    _, _, (problem,) = find_columns(["Fold", "FOLD"], ColumnMap())
    assert problem.field == "fold"
    assert "Fold, FOLD may all be it" in problem.problem


def test_what_the_user_says_comes_first_and_is_not_taken_twice():
    wanted = ColumnMap.of_words(identifier="name", label=["yT0yN0=yT0"])
    found, _, problems = find_columns(["name", "patient_id", "yT0", "prob_yT0yN0"], wanted)
    assert found == {"patient_id": "name", "yT0yN0": "yT0", "prob_yT0yN0": "prob_yT0yN0"}
    assert problems == []


def test_a_column_that_is_not_there_is_named_with_those_that_are():
    _, _, (problem,) = find_columns(["a", "b"], ColumnMap.of_words(identifier="c"))
    assert problem.field == "c"
    assert "its columns are a, b" in problem.problem


CELLS = {
    "Subject": ("s1", "s2", "s3", "s4"),
    "noise": ("0.1", "17", "", "3"),
    "model output": ("0,1", "0,2", "NA", "0,9"),
    "resp": ("yes", "no", "NA", "yes"),
    "pCR": ("1", "0", "1", "1"),
}


@pytest.mark.parametrize(
    ("kind", "near"),
    [("id", ["Subject"]), ("prob", ["model output"]), ("label", ["pCR", "resp"])],
)
def test_near_columns_are_known_by_name_and_then_by_what_they_hold(kind, near):
    found = near_columns(CELLS, kind)
    assert found[: len(near)] == near


def test_a_column_of_the_other_class_is_proposed_last():
    half = ("0.1", "0.2", "0.9")
    assert near_columns({"prob_0": half, "prob_1": half}, "prob") == ["prob_1", "prob_0"]
    found = near_columns({"prob_residual": half, "prob_neg": half, "score_pcr": half}, "prob")
    assert found[0] == "score_pcr"


@pytest.mark.parametrize("name", ["p", "Score", "prob", "pred_pcr", "P(yT0yN0)"])
def test_synonyms_are_proposed_with_the_option_that_names_them(name):
    problems = list(missing_columns({"id": ("a",), name: ("0.5",)}, {}))
    assert [problem.field for problem in problems][:2] == ["patient_id", "prob_<head>"]
    assert "--id id" in problems[0].remedy
    assert f"did you mean {name}?" in problems[1].problem
    assert f"--prob yT0yN0={name}" in problems[1].remedy

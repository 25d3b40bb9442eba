"""Pathology columns become one joint outcome."""

import itertools

import pytest

from pcrnet.cohort.outcome import CELLS, Outcome, parse_outcome
from pcrnet.errors import ProblemListError


def _parse(definition="ypT0", **values):
    return parse_outcome(values, definition=definition)


@pytest.mark.parametrize("text", ["0", "ypT0", "T0", " 0 ", "0.0", "ypt0"])
def test_no_residue_is_response_of_the_breast(text):
    assert _parse(ypT=text).yT0 is True


@pytest.mark.parametrize("text", ["is", "ypTis", "Tis(DCIS)", "is (paget)"])
def test_in_situ_residue_counts_by_the_definition(text):
    assert _parse(ypT=text).yT0 is False
    assert _parse("ypT0/is", ypT=text).yT0 is True


@pytest.mark.parametrize("text", ["1mi", "1", "1c", "2", "3", "4", "4b", "2(m)", "2.0"])
@pytest.mark.parametrize("definition", ["ypT0", "ypT0/is"])
def test_invasive_residue_is_never_response(text, definition):
    outcome = _parse(definition, ypT=text)
    assert outcome == Outcome(yT0=False, yN0=None, yT0yN0=False)


@pytest.mark.parametrize("text", ["X", "x", "", "  "])
def test_unknown_is_not_residual(text):
    assert _parse(ypT=text, ypN=text) == Outcome()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", True),
        ("0(i-)", True),
        ("0(mol+)", True),
        ("0(sn)", True),
        ("ypN0", True),
        ("0(i+)", False),
        ("0 (I+)", False),
        ("1mi", False),
        ("1a(sn)", False),
        ("3c", False),
    ],
)
def test_isolated_tumour_cells_in_nodes_are_residual(text, expected):
    assert _parse(ypN=text).yN0 is expected


def test_both_stages_settle_the_joint_outcome():
    assert _parse(ypT="0", ypN="0") == Outcome(True, True, True)
    assert _parse(ypT="0", ypN="1") == Outcome(True, False, False)


def test_what_follows_is_known():
    assert _parse(yT0yN0="1") == Outcome(True, True, True)
    assert _parse(yT0="1", yT0yN0="0") == Outcome(True, False, False)
    assert _parse(yT0yN0="0") == Outcome(None, None, False)


def test_closing_changes_no_allowed_cell():
    for flags in itertools.product((None, True, False), repeat=3):
        outcome = Outcome(*flags)
        if any(outcome.allowed_cells):
            assert outcome.closed.allowed_cells == outcome.allowed_cells
            assert outcome.closed.closed == outcome.closed


def test_allowed_cells_are_those_that_agree():
    assert Outcome(yT0=True).allowed_cells == tuple(t for t, _ in CELLS)
    assert Outcome(yT0yN0=False).allowed_cells == (False, True, True, True)


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"ypT": "is", "yT0": "1"}, "yT0"),
        ({"ypN": "0", "yN0": "0"}, "yN0"),
        ({"ypT": "0", "ypN": "0", "yT0yN0": "0"}, "yT0yN0"),
        ({"yT0": "0", "yT0yN0": "1"}, "yT0yN0"),
    ],
)
def test_contradictions_are_refused(values, field):
    with pytest.raises(ProblemListError, match="contradicts") as caught:
        _parse(**values)
    assert [problem.field for problem in caught.value.problems] == [field]


def test_the_same_columns_agree_under_the_other_definition():
    assert _parse("ypT0/is", ypT="is", yT0="1").yT0 is True


@pytest.mark.parametrize(
    "values", [{"ypT": "5"}, {"ypT": "T0N0"}, {"ypN": "4"}, {"yT0": "yes"}, {"yN0": "2"}]
)
def test_other_values_are_refused(values):
    with pytest.raises(ProblemListError) as caught:
        _parse(**values)
    assert [problem.field for problem in caught.value.problems] == list(values)


def test_every_problem_is_listed_and_no_value_repeated():
    with pytest.raises(ProblemListError) as caught:
        _parse(ypT="secret-word", ypN="9", yT0="maybe")
    assert [problem.field for problem in caught.value.problems] == ["ypT", "ypN", "yT0"]
    assert "secret-word" not in str(caught.value)

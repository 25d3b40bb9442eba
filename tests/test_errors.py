"""Errors tell where, what and what to do, and survive the way between processes."""

import inspect
import pickle

import pytest

import pcrnet
from pcrnet import errors
from pcrnet.errors import CohortError, PcrnetError, ProblemListError, UnitError

_KINDS = [
    kind
    for _, kind in inspect.getmembers(errors, inspect.isclass)
    if issubclass(kind, PcrnetError) and not issubclass(kind, ProblemListError)
]


def test_the_message_names_patient_file_field_problem_and_remedy():
    error = CohortError(
        "expected 0 or 1", remedy="leave it empty", patient="P1", file="cohort.csv", field="yT0"
    )
    assert str(error) == (
        "patient P1, file cohort.csv, field yT0: expected 0 or 1\n  remedy: leave it empty"
    )


def test_what_is_not_known_is_left_out():
    assert str(PcrnetError("broken")) == "broken"
    assert str(PcrnetError("broken", field="a")) == "field a: broken"


def test_a_place_is_filled_in_only_where_it_was_unknown():
    error = UnitError("wrong unit", field="Units")
    assert error.located(patient="P1", file="a.nii", field="other") is error
    assert (error.patient, error.file, error.field) == ("P1", "a.nii", "Units")
    error.located(patient="P2", file="b.nii")
    assert (error.patient, error.file) == ("P1", "a.nii")


@pytest.mark.parametrize("kind", _KINDS)
def test_an_error_survives_the_way_from_a_worker_process(kind):
    error = kind("found 3", remedy="mend it", patient="P1", file="x.csv", field="a")
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301 - made one line above
    assert type(copy) is kind
    assert str(copy) == str(error)
    assert copy.args == error.args
    assert vars(copy) == vars(error)


def test_a_list_of_problems_shows_and_keeps_each():
    problems = [CohortError("first", field="a"), UnitError("second", patient="P1")]
    error = ProblemListError("two things", problems)
    assert str(error) == "two things\n- field a: first\n- patient P1: second"
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301 - made one line above
    assert str(copy) == str(error)
    assert [type(problem) for problem in copy.problems] == [CohortError, UnitError]


def test_every_error_of_the_user_is_caught_by_the_public_name():
    assert pcrnet.PcrnetError is PcrnetError
    assert all(issubclass(kind, pcrnet.PcrnetError) for kind in _KINDS)


@pytest.mark.parametrize("kind", _KINDS)
def test_every_error_says_what_it_means(kind):
    assert kind.__doc__


def test_however_damaged_the_input_a_message_can_be_read():
    one = PcrnetError("p" * 10**6, field="f" * 10**6, patient="P1").located(file="a.csv")
    assert len(str(one)) < 25_000
    assert str(one).startswith("patient P1, file a.csv, field fff")
    many = ProblemListError("all wrong", [CohortError(f"row {i} is wrong") for i in range(10**4)])
    assert len(many.problems) == 10**4
    assert str(many).endswith("row 99 is wrong\n- and 9900 more")

"""Outcomes that nothing can be learned from are refused; what can is counted by fold."""

from itertools import combinations

import pytest

from pcrnet.cohort.outcome import Outcome
from pcrnet.cohort.outcome_counts import HeadCounts, check_outcomes, count_head, near_columns
from pcrnet.cohort.table import Patient
from pcrnet.errors import CohortError

FOLDS = 3
PAIRS = list(combinations(range(FOLDS), 2))
BOTH, BREAST = Outcome(True, True, True), Outcome(True, False, False)
NODES, NEITHER = Outcome(False, True, False), Outcome(False, False, False)
UNKNOWN = Outcome()


def _check(outcomes, unused=(), fold_of=None):
    patients = [
        Patient(f"P{number:02d}", number + 2, None, {}, outcome, {})
        for number, outcome in enumerate(outcomes)
    ]
    fold_of = fold_of or {item.patient_id: n % FOLDS for n, item in enumerate(patients)}
    return check_outcomes(patients, fold_of, PAIRS, table="cohort.csv", unused_columns=unused)


def test_each_outcome_is_counted_by_fold():
    lines = _check([*[BOTH] * 3, *[NODES] * 3, *[NEITHER] * 3, *[BREAST] * 3, UNKNOWN])
    assert lines[0] == ("yT0: 6 responders of 12 known, 1 unknown; by fold 2/4, 2/4, 2/4")
    assert lines[2].startswith("yT0yN0: 3 responders of 12 known, 1 unknown; by fold 1/4, 1/4, 1/4")
    assert len(lines) == 3


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("pCR", "yT0yN0"),
        ("pcr_status", "yT0yN0"),
        ("ypT0 ypN0", "yT0yN0"),
        ("Response", "yT0yN0"),
        ("ypT0", "yT0"),
        ("breast_pCR", "yT0"),
        ("ypN0", "yN0"),
        ("ypT-stage", "ypT"),
    ],
)
def test_an_outcome_under_another_name_is_named(name, meant):
    with pytest.raises(CohortError, match="no patient has a known outcome") as caught:
        _check([UNKNOWN] * 9, unused=("age", name, "grade"))
    assert f"rename {name} to {meant}" in caught.value.remedy
    assert "grade" not in caught.value.remedy


def test_other_columns_are_not_repeated():
    assert near_columns(["age", "Frau Kanarienvogel", "pCR of Mrs Canary", "tracer"]) == {}


@pytest.mark.parametrize("only", [BOTH, BREAST, NODES, NEITHER])
def test_one_class_alone_is_refused(only):
    with pytest.raises(CohortError, match="yT0yN0 cannot be learned"):
        _check([only] * 12)


def test_fewer_patients_of_a_class_than_folds_are_refused_with_the_counts():
    with pytest.raises(CohortError, match="2 responders and 8 others are known, and 3 folds") as e:
        _check([BOTH, BOTH, *[NEITHER] * 4, *[NODES] * 4])
    assert "by fold" in e.value.problem
    assert _check([BOTH, BOTH, BOTH, *[NEITHER] * 4, *[NODES] * 4])


def test_a_fit_that_would_see_one_class_is_refused():
    outcomes = [*[BOTH] * 4, *[NEITHER] * 8]
    whole_sites = {f"P{n:02d}": 0 if n < 4 else 1 + n % 2 for n in range(12)}
    with pytest.raises(CohortError, match="a fit without the folds 0, 1 would see one class only"):
        _check(outcomes, fold_of=whole_sites)


def test_pcr_alone_is_enough_and_what_it_leaves_open_is_said():
    """Public cohorts record the joint answer alone: a responder's breast and nodes follow."""
    residual = Outcome(yT0yN0=False)
    lines = _check([*[BOTH] * 4, *[residual] * 5])
    assert [line.split(" ")[0] for line in lines if "do not rely on it" in line] == ["yT0", "yN0"]


def test_nodes_that_were_never_recorded_are_said():
    lines = _check([*[Outcome(yT0=True)] * 4, *[Outcome(yT0=False, yT0yN0=False)] * 5])
    cautions = [line.split(" ")[0] for line in lines if "do not rely on it" in line]
    assert cautions == ["yN0", "yT0yN0"]


def test_breast_alone_with_one_class_is_refused():
    with pytest.raises(CohortError, match="cannot be learned"):
        _check([*[Outcome(yT0=True)] * 8, Outcome(yT0=False, yT0yN0=False)])


def test_counting_tells_unknown_from_residual():
    patients = [Patient(str(n), n, None, {}, o, {}) for n, o in enumerate([BOTH, UNKNOWN, NODES])]
    assert count_head(patients, "yT0") == HeadCounts(responders=1, residual=1, unknown=1)

"""The meaning of column names, and misspelt ones."""

import time

import pytest

from pcrnet.cohort.columns import read_columns

_TIMEPOINTS = ("baseline", "interim")
_CHANNELS = ("pet", "dce_early", "t2")
_WHOLE = ["patient_id", "site", "ypT", "baseline.pet", "interim.dce_early", "baseline.t2"]


def _problems(*extra, covariates=()):
    _, problems = read_columns(
        [*_WHOLE, *extra], timepoints=_TIMEPOINTS, channels=_CHANNELS, covariates=covariates
    )
    return problems


def test_a_table_in_the_contract_has_no_problems():
    assert not _problems("baseline.mask", "interim.days", "age", "grade", "yT0yN0")


def test_columns_are_sorted_by_meaning():
    columns, _ = read_columns(
        [*_WHOLE, "baseline.mask", "interim.days", "age", "her2", "baseline.adc", "day8.pet"],
        timepoints=_TIMEPOINTS,
        channels=_CHANNELS,
        covariates=["age"],
    )
    baseline, interim = columns.visits.values()
    assert baseline.scans == {"pet": "baseline.pet", "t2": "baseline.t2"}
    assert baseline.other_scans == {"adc": "baseline.adc"}
    assert (baseline.mask, baseline.days) == ("baseline.mask", None)
    assert (interim.mask, interim.days) == (None, "interim.days")
    assert columns.outcomes == ("ypT",)
    assert columns.covariates == ("age",)
    assert columns.unused == ("her2", "baseline.adc", "day8.pet")


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("baselin.pet", "baseline.pet"),
        ("baseline.pett", "baseline.pet"),
        ("interim_pet", "interim.pet"),
        ("Interim.PET", "interim.pet"),
        ("interim-dce-early", "interim.dce_early"),
        ("interim.dce_erly", "interim.dce_early"),
        ("pet_interim", "interim.pet"),
        ("interimpet", "interim.pet"),
        ("interim pet", "interim.pet"),
        ("baseline_days", "baseline.days"),
        ("interrim.masks", "interim.mask"),
        ("Patient ID", "patient_id"),
        ("PatientID", "patient_id"),
        ("ypt", "ypT"),
        ("yT0_yN0", "yT0yN0"),
        ("Site", "site"),
    ],
)
def test_misspelt_columns_are_errors_that_suggest_the_nearest(name, meant):
    (problem,) = _problems(name)
    assert problem.field == name
    assert meant in problem.problem


@pytest.mark.parametrize(
    "name",
    [
        "interim2.pet",
        "presurgical.pet",
        "baseline.t1",
        "baseline.adc",
        "day8.dce_late",
        "petrol",
        "baseline_weight",
        "menopausal_status",
        "t2",
        "pet",
        "tumour.site",
    ],
)
def test_columns_of_other_experiments_are_left_alone(name):
    assert not _problems(name)


def test_a_covariate_may_look_like_an_image_column_if_it_is_named():
    assert not _problems("baseline_mask", covariates=["baseline_mask"])


def test_duplicate_and_nameless_columns_are_refused():
    problems = _problems("age", "age", "")
    assert [problem.problem for problem in problems] == [
        "columns 7 and 8 have the same name",
        "column 9 has no name",
    ]


def test_a_covariate_that_is_absent_gets_a_suggestion():
    (problem,) = _problems("receptor", covariates=["receptors"])
    assert "did you mean receptor?" in problem.problem
    assert problem.field == "data.covariates"


@pytest.mark.parametrize("name", ["ypT", "patient_id", "baseline.pet"])
def test_an_outcome_or_a_scan_cannot_be_a_covariate(name):
    (problem,) = _problems(covariates=[name])
    assert "cannot be a covariate" in problem.problem


def test_what_no_column_provides_is_an_error_that_names_the_key():
    _, problems = read_columns(
        ["patient_id", "baseline.pet"],
        timepoints=("baseline", "interim"),
        channels=("pet", "adc", "t2"),
        covariates=(),
    )
    assert [problem.field for problem in problems] == ["data.timepoints", "data.branches"]
    assert "interim" in problems[0].problem
    assert "adc, t2" in problems[1].problem
    assert all("there are: baseline.pet" in problem.problem for problem in problems)


def test_without_patient_id_no_cell_of_the_first_row_is_shown():
    _, problems = read_columns(
        ["Jane Smith", "1960"], timepoints=("baseline",), channels=("pet",), covariates=()
    )
    assert problems[0].field == "patient_id"
    assert not any("Jane" in str(problem) for problem in problems)


def test_an_endless_column_name_is_named_by_its_place_and_compared_with_nothing():
    start = time.process_time()
    long, missing = _problems("interim.pet" * 50_000, covariates=["age"])
    assert time.process_time() - start < 1.0
    assert str(long).startswith("the name of column 7 has 550000 characters")
    assert missing.field == "data.covariates"

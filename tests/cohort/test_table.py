"""A whole cohort table."""

import pytest

from pcrnet.cohort.outcome import Outcome
from pcrnet.cohort.table import read_cohort, scan_cohort
from pcrnet.errors import CohortError, ProblemListError

_OPTIONS = {"timepoints": ("baseline", "interim"), "channels": ("pet", "t2")}
_HEADER = (
    "patient_id,site,baseline.pet,baseline.t2,baseline.mask,interim.pet,interim.days,ypT,ypN,age"
)


@pytest.fixture
def write(tmp_path):
    """Write a table of rows; every file that a cell ending in .nii names is made."""

    def write_table(*rows: str, header: str = _HEADER):
        for row in rows:
            for cell in row.split(","):
                if cell.endswith(".nii") and "missing" not in cell:
                    (tmp_path / cell).touch()
        path = tmp_path / "cohort.csv"
        path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
        return path

    return write_table


def _problems(path, **options):
    with pytest.raises(ProblemListError) as caught:
        read_cohort(path, **{**_OPTIONS, **options})
    return caught.value.problems


def test_a_row_becomes_a_patient(write, tmp_path):
    path = write("P1,Ulm,a.nii,b.nii,m.nii,c.nii,21.5,0,1,44", "P2,,d.nii,,,,,X,,")
    cohort = read_cohort(path, **_OPTIONS, covariates=["age"])
    first, second = cohort.patients
    assert (first.patient_id, first.row, first.site) == ("P1", 2, "Ulm")
    assert first.visits["baseline"].scans == {"pet": tmp_path / "a.nii", "t2": tmp_path / "b.nii"}
    assert first.visits["baseline"].mask == tmp_path / "m.nii"
    assert (first.visits["baseline"].days, first.visits["interim"].days) == (None, 21.5)
    assert first.outcome == Outcome(True, False, False)
    assert first.covariates == {"age": "44"}
    assert (second.site, second.outcome, second.covariates) == (None, Outcome(), {"age": None})
    assert list(second.visits) == ["baseline", "interim"]
    assert second.visits["interim"].scans == {}
    assert second.location == "cohort.csv row 3"
    assert cohort.unused_columns == ()


def test_paths_are_relative_to_the_table_and_absolute_in_the_record(write, tmp_path, monkeypatch):
    path = write("P1,,a.nii,,,,,,,")
    monkeypatch.chdir(tmp_path.parent)
    cohort = read_cohort(path.relative_to(tmp_path.parent), **_OPTIONS)
    assert cohort.patients[0].visits["baseline"].scans["pet"] == tmp_path / "a.nii"


def test_scans_that_the_experiment_does_not_use_are_not_required(write):
    path = write("P1,,a.nii,missing.nii,,missing.nii,,,,")
    cohort = read_cohort(path, timepoints=("baseline",), channels=("pet",))
    assert list(cohort.patients[0].visits["baseline"].scans) == ["pet"]
    assert list(cohort.patients[0].visits["baseline"].other_scans) == ["t2"]


def test_a_folder_is_a_scan(write, tmp_path):
    (tmp_path / "series").mkdir()
    cohort = read_cohort(write("P1,,series,,,,,,,"), **_OPTIONS)
    assert cohort.patients[0].visits["baseline"].scans["pet"] == tmp_path / "series"


def test_everything_wrong_is_listed_at_once_with_row_and_patient(write):
    path = write(
        "P1,,a.nii,,,,,0,0,",
        "p 1,,b.nii,,,,,7,0,",
        "P3,=x,missing.nii,,,,soon,is,0,",
        ",,c.nii,,,,,0,0,",
        "P5,,a.nii,,,,,0,0,",
        "P6,,e.nii",
    )
    assert [(p.file.removeprefix("cohort.csv "), p.patient, p.field) for p in _problems(path)] == [
        ("row 3", "p 1", "ypT"),
        ("row 4", "P3", "site"),
        ("row 4", "P3", "baseline.pet"),
        ("row 4", "P3", "interim.days"),
        ("row 5", None, "patient_id"),
        ("row 7", None, None),
        ("row 3", "p 1", "patient_id"),
        ("row 6", "P5", "baseline.pet"),
    ]


def test_the_sound_rows_remain_when_one_looks_on(write):
    path = write("P1,,a.nii,,,,,0,0,", "P2,,missing.nii,,,,,0,0,", "P3,,c.nii,,,,,0,0,")
    cohort, problems = scan_cohort(path, **_OPTIONS)
    assert [patient.patient_id for patient in cohort.patients] == ["P1", "P3"]
    assert len(problems) == 1


@pytest.mark.parametrize("twin", ["P1", "p1", " P 1 ", "Ｐ1"])
def test_a_patient_has_one_row(write, twin):
    (problem,) = _problems(write("P1,,a.nii,,,,,,,", f"{twin},,b.nii,,,,,,,"))
    assert problem.file == "cohort.csv row 3"
    assert "row 2" in problem.problem


def test_a_file_stands_in_one_cell_whatever_the_spelling(write, tmp_path):
    path = write("P1,,a.nii,,,,,,,", "P2,,./a.nii,,,,,,,", "P3,,link.nii,,,,,,,")
    (tmp_path / "link.nii").unlink()
    (tmp_path / "link.nii").symlink_to(tmp_path / "a.nii")
    problems = _problems(path)
    assert [problem.file for problem in problems] == ["cohort.csv row 3", "cohort.csv row 4"]
    assert all("row 2, baseline.pet" in problem.problem for problem in problems)


def test_days_increase_in_the_order_of_the_timepoints(write):
    header = "patient_id,baseline.pet,baseline.days,interim.t2,interim.days"
    (problem,) = _problems(write("P1,a.nii,21,b.nii,21", header=header))
    assert problem.field == "interim.days"
    path = write("P1,a.nii,-3,b.nii,21", "P2,c.nii,,d.nii,4", header=header)
    assert len(read_cohort(path, **_OPTIONS).patients) == 2


def test_contradictions_depend_on_the_definition(write):
    header = "patient_id,baseline.pet,interim.t2,ypT,yT0"
    path = write("P1,a.nii,,is,1", header=header)
    assert _problems(path)[0].field == "yT0"
    cohort = read_cohort(path, **_OPTIONS, definition="ypT0/is")
    assert cohort.patients[0].outcome.yT0 is True


def test_column_problems_are_listed_with_those_of_the_rows(write):
    path = write("P1,a.nii,,9", header="patient_id,baseline.pet,interim_t2,ypT")
    fields = [problem.field for problem in _problems(path)]
    assert fields == ["interim_t2", "data.timepoints", "data.branches", "ypT"]


def test_a_table_without_patients_is_refused(write):
    (problem,) = _problems(write())
    assert "no patients" in problem.problem


def test_a_table_without_patient_id_is_refused(write):
    assert _problems(write("x,a.nii", header="who,baseline.pet"))[0].field == "patient_id"


def test_what_is_no_table_is_refused(tmp_path):
    with pytest.raises(CohortError, match="cannot be read"):
        read_cohort(tmp_path / "cohort.csv", **_OPTIONS)


def test_no_message_repeats_a_cell(write):
    cells = ["CAN/ARY", "CANARY", "missing_CANARY.nii", "../CANARY", "/CANARY", *["CANARY"] * 4]
    row = ",".join(["P1", *cells])
    text = "\n".join(str(p) for p in _problems(write(row), covariates=["age"]))
    assert text.count("remedy") == 8
    assert "ARY" not in text


def test_an_unreadable_file_is_reported(write, monkeypatch):
    path = write("P1,,a.nii,,,,,,,")
    monkeypatch.setattr("pcrnet.cohort.cells.os.access", lambda *_: False)
    assert "may not be read" in _problems(path)[0].problem


def test_the_real_cohort_is_in_order(test_data):
    path = test_data / "sts_petmr_cohort" / "cohort.csv"
    cohort = read_cohort(path, timepoints=("baseline",), channels=("pet", "t1"))
    assert len(cohort.patients) == 14
    assert all(patient.visits["baseline"].mask is not None for patient in cohort.patients)
    assert sum(patient.outcome.yT0 is True for patient in cohort.patients) == 7


def test_phases_of_one_visit_may_share_a_dicom_series(write, tmp_path):
    (tmp_path / "dynamic").mkdir()
    path = write("P1,,dynamic,dynamic,,,,,,")
    scans = read_cohort(path, **_OPTIONS).patients[0].visits["baseline"].scans
    assert scans["pet"] == scans["t2"] == tmp_path / "dynamic"
    across_visits = write("P1,,dynamic,,,dynamic,,,,")
    assert "same file as row 2, baseline.pet" in str(_problems(across_visits)[0])

"""The answer of ``pcrnet check``."""

import numpy as np
import pytest

from pcrnet.config.layers import load_experiment
from pcrnet.errors import CohortError, GeometryError, ImageError, UnitError
from pcrnet.imaging.nifti.file import write_nifti
from pcrnet.imaging.volume import Volume
from pcrnet.review.checks import check_cohort

_EXPERIMENT = load_experiment(
    [
        "data.branches={pet: [pet], mri: [t2, adc]}",
        "data.covariates=[grade]",
        "data.minimum_scans=2",
    ]
)
_HEADER = "patient_id,site,baseline.pet,baseline.t2,interim.adc,baseline.mask,ypT,ypN,grade,note"


def _scan(path, *, factor=1.0, shape=(8, 9, 10), affine=None, seed=0):
    values = factor * np.random.default_rng(seed).uniform(0.2, 3.0, shape).astype(np.float32)
    write_nifti(Volume(values, np.eye(4) if affine is None else affine, "arbitrary"), path)


@pytest.fixture
def table(tmp_path):
    for seed, name in enumerate(("a", "b", "c", "d", "e")):
        _scan(tmp_path / f"{name}.nii", seed=seed)
    _scan(tmp_path / "bq.nii", factor=5000.0)
    _scan(tmp_path / "adc6.nii", factor=1000.0)
    _scan(tmp_path / "elsewhere.nii", affine=np.diag([2.0, 2.0, 2.0, 1.0]))
    (tmp_path / "broken.nii").write_bytes(b"no image")
    mask = np.zeros((8, 9, 10), dtype=np.float32)
    mask[3, 4, 5] = 1
    write_nifti(Volume(mask, np.eye(4), "label"), tmp_path / "mask.nii")
    write_nifti(Volume(mask, np.diag([2.0, 2.0, 2.0, 1.0]), "label"), tmp_path / "mask2.nii")
    write_nifti(Volume(mask * 0, np.eye(4), "label"), tmp_path / "empty.nii")
    path = tmp_path / "cohort.csv"
    path.write_text(
        f"{_HEADER}\n"
        "P1,Ulm,a.nii,b.nii,,mask.nii,0,0,2,x\n"
        "P2,,bq.nii,broken.nii,adc6.nii,,is,X,,x\n"
        "P3,Ulm,c.nii,,,mask2.nii,0,,,x\n"
        "P4,Jena,d.nii,elsewhere.nii,,empty.nii,0,1,3,x\n"
        "P5,Jena,nowhere.nii,,,,9,1,3,x\n"
    )
    return path


def test_the_report_counts_the_sound_rows(table):
    report = check_cohort(table, _EXPERIMENT, read_images=False)
    assert report.patients == 4
    assert report.too_few_scans == 1
    assert report.sites == {"": 1, "Jena": 1, "Ulm": 2}
    assert report.scans["baseline", "pet"] == 4
    assert report.scans["interim", "adc"] == 1
    assert report.scans["interim", "pet"] == 0
    assert report.masks == {"baseline": 3, "interim": 0}
    assert report.outcomes["yT0"].responders == 3
    assert report.outcomes["yN0"].unknown == 2
    assert report.outcomes["yT0yN0"].residual == 2
    assert report.cells == (1, 1, 0, 0)
    assert report.covariates == {"grade": 2}
    assert report.unused_columns == ("note",)
    assert sum(count for _, count in report.missing) == 4
    assert [problem.field for problem in report.problems] == ["ypT", "baseline.pet"]


def test_every_image_problem_is_listed_with_patient_row_and_column(table):
    calls = []
    report = check_cohort(table, _EXPERIMENT, progress=lambda *call: calls.append(call))
    found = [(p.file, p.patient, p.field, type(p)) for p in report.problems[2:]]
    assert found == [
        ("cohort.csv row 3", "P2", "baseline.pet", UnitError),
        ("cohort.csv row 3", "P2", "baseline.t2", ImageError),
        ("cohort.csv row 3", "P2", "interim.adc", UnitError),
        ("cohort.csv row 4", "P3", "baseline.mask", GeometryError),
        ("cohort.csv row 5", "P4", "baseline.mask", GeometryError),
    ]
    assert calls == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_a_scan_that_is_a_copy_of_another_is_a_problem(table):
    (table.parent / "c.nii").write_bytes((table.parent / "a.nii").read_bytes())
    (problem,) = [p for p in check_cohort(table, _EXPERIMENT).problems if "copies" in str(p)]
    assert (problem.patient, problem.field) == ("P3", "baseline.pet")


def test_a_faultless_cohort_has_no_problem(test_data):
    experiment = load_experiment(
        ["data.timepoints=[baseline]", "data.branches={pet: [pet], mri: [t1]}"]
    )
    report = check_cohort(test_data / "sts_petmr_cohort" / "cohort.csv", experiment)
    assert report.problems == report.warnings == ()
    assert report.cells == (4, 3, 3, 4)


def test_what_was_concluded_from_a_series_is_a_warning_and_no_problem(test_data, tmp_path):
    """The phantom of IBSI whose dose is written in MBq, beside the one without any quirk."""
    series = test_data / "ibsi_suv_dro"
    table = tmp_path / "cohort.csv"
    table.write_text(
        "patient_id,baseline.pet,ypT,ypN\n"
        f"P1,{series / 'DRO_3_0.zip'},0,0\nP2,{series / 'DRO_0_0.zip'},1,0\n"
    )
    experiment = load_experiment(["data.timepoints=[baseline]", "data.branches={pet: [pet]}"])
    report = check_cohort(table, experiment)
    assert report.problems == ()
    of_dose = [warning for warning in report.warnings if "MBq" in warning.text]
    assert [(warning.patient, warning.column) for warning in of_dose] == [("P1", "baseline.pet")]
    assert check_cohort(table, experiment, read_images=False).warnings == ()


def test_what_is_no_table_is_refused(tmp_path):
    with pytest.raises(CohortError):
        check_cohort(tmp_path / "cohort.csv", _EXPERIMENT)


def test_a_covariate_of_numbers_and_words_is_a_problem(tmp_path):
    for number in range(6):
        _scan(tmp_path / f"{number}.nii")
    rows = [
        f"P{i},A,{2 * i}.nii,{2 * i + 1}.nii,,,0,0,{grade},"
        for i, grade in enumerate(("1", "2", "high"))
    ]
    path = tmp_path / "cohort.csv"
    path.write_text("\n".join([_HEADER, *rows]))
    problems = check_cohort(path, _EXPERIMENT, read_images=False).problems
    (problem,) = (problem for problem in problems if problem.field == "grade")
    assert "P2" in problem.problem


def test_a_lesion_without_a_mask_is_looked_for(tmp_path, phantom, make_visit):
    sheet = np.full((50, 50, 50), 0.5, dtype=np.float32)
    sheet[:, 23:27] = 5.0
    affine = phantom.grid(4.0, 200.0).affine
    write_nifti(make_visit(channels=("pet",))["pet"], tmp_path / "sure.nii")
    write_nifti(Volume(sheet, affine, "SUVbw"), tmp_path / "sheet.nii")
    write_nifti(Volume(sheet * 1.5, affine, "SUVbw"), tmp_path / "masked.nii")
    write_nifti(Volume(sheet * 2, affine, "arbitrary"), tmp_path / "t2.nii")
    write_nifti(Volume((sheet > 1).astype(np.float32), affine, "label"), tmp_path / "mask.nii")
    path = tmp_path / "cohort.csv"
    path.write_text(
        "patient_id,baseline.pet,baseline.t2,baseline.mask,ypT,ypN\n"
        "P1,sure.nii,,,0,0\nP2,sheet.nii,,,0,0\nP3,,t2.nii,,0,0\nP4,masked.nii,,mask.nii,0,0\n"
    )
    experiment = load_experiment(
        ["data.timepoints=[baseline]", "data.branches={pet: [pet], mri: [t2]}"]
    )
    report = check_cohort(path, experiment)
    assert report.problems == ()
    assert report.without_mask == 3
    assert [one.patient for one in report.unsure] == ["P3", "P2"]
    assert report.unsure[0].quality is None
    assert 0.0 <= report.unsure[1].quality <= 0.5

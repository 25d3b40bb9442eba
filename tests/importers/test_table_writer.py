import pytest
import yaml

from pcrnet.cohort.table import read_cohort
from pcrnet.config.layers import load_experiment
from pcrnet.errors import CohortError
from pcrnet.importers.table_writer import ImportedPatient, Unmapped, write_import

_BRANCHES = {"pet": ("pet",), "mri": ("t2", "adc")}


def _write(tmp_path, patients, **options):
    return write_import(
        tmp_path / "cohort.csv",
        patients,
        timepoints=("baseline", "interim"),
        branches=_BRANCHES,
        **options,
    )


def _patient(tmp_path, name, *keys, **options):
    scans = {}
    for timepoint, channel in keys:
        path = tmp_path / name / f"{timepoint}_{channel}.nii.gz"
        path.parent.mkdir(exist_ok=True)
        path.touch()
        scans[timepoint, channel] = path
    return ImportedPatient(name, scans, **options)


def test_the_table_and_its_configuration_are_read_back(tmp_path):
    keys = ("baseline", "pet"), ("baseline", "t2"), ("baseline", "mask")
    patients = [
        _patient(
            tmp_path,
            "A",
            *keys,
            site="Ulm",
            days={"baseline": -3.0},
            outcome={"yT0yN0": "1"},
            covariates={"age": "50"},
        ),
        _patient(tmp_path, "B", keys[0]),
    ]
    report = _write(tmp_path, patients, definition="ypT0/is")
    experiment = load_experiment([str(report.settings)])
    assert experiment.outcome.definition == "ypT0/is"
    # What the source does not have is not asked for.
    assert experiment.data.timepoints == ("baseline",)
    assert experiment.data.branches == {"pet": ("pet",), "mri": ("t2",)}
    cohort = read_cohort(
        report.table,
        definition=experiment.outcome.definition,
        timepoints=experiment.data.timepoints,
        channels=experiment.data.channels,
        covariates=["age"],
    )
    first, second = cohort.patients
    assert first.visits["baseline"].scans["pet"] == tmp_path / "A" / "baseline_pet.nii.gz"
    assert first.visits["baseline"].mask is not None
    assert (first.site, first.visits["baseline"].days, first.covariates["age"]) == ("Ulm", -3, "50")
    assert first.outcome.yT0yN0 is True
    assert second.outcome.yT0yN0 is None


def test_paths_below_the_table_are_relative_and_others_absolute(tmp_path):
    inside = _patient(tmp_path, "A", ("baseline", "pet"))
    table = tmp_path / "elsewhere" / "cohort.csv"
    write_import(table, [inside], timepoints=("baseline",), branches=_BRANCHES)
    assert str(tmp_path / "A" / "baseline_pet.nii.gz") in table.read_text()
    report = _write(tmp_path, [inside])
    assert str(tmp_path) not in report.table.read_text()


def test_the_report_counts_reasons_and_names_the_first_subjects(tmp_path):
    unmapped = [Unmapped(f"P{n}", "no images") for n in range(7)] + [Unmapped("X", "no mask")]
    report = _write(
        tmp_path, [_patient(tmp_path, "A", ("interim", "t2"))], unmapped=unmapped, remarks=["check"]
    )
    assert report.lines() == [
        "1 patients written to cohort.csv, settings for them to cohort.yaml",
        "  interim.t2: 1",
        "note: check",
        "not mapped: no images (7: P0, P1, P2, P3, P4, …)",
        "not mapped: no mask (1: X)",
    ]


def test_nothing_recognised_is_an_error(tmp_path):
    with pytest.raises(CohortError, match="no scan was recognised"):
        _write(tmp_path, [])
    assert not (tmp_path / "cohort.csv").exists()


def test_the_configuration_is_plain_yaml(tmp_path):
    report = _write(tmp_path, [_patient(tmp_path, "A", ("baseline", "adc"))])
    values = yaml.safe_load(report.settings.read_text())
    assert values == {
        "data": {
            "cohort": str(tmp_path / "cohort.csv"),
            "timepoints": ["baseline"],
            "branches": {"mri": ["adc"]},
        }
    }

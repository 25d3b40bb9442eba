import json

import numpy as np
import pytest

from pcrnet.cohort.table import read_cohort
from pcrnet.config.layers import load_experiment
from pcrnet.imaging.nifti.file import write_nifti
from pcrnet.imaging.reader import read_volume
from pcrnet.imaging.volume import Volume
from pcrnet.importers.bids import import_bids

_SIDECAR = {
    "TracerName": "FDG",
    "TracerRadionuclide": "F18",
    "Units": "Bq/mL",
    "InjectedRadioactivity": 350,
    "InjectedRadioactivityUnits": "MBq",
    "InjectionStart": 0,
    "ScanStart": 3600,
    "ImageDecayCorrected": True,
    "ImageDecayCorrectionTime": 3600,
    "BodyWeight": 70,
}


def _image(path, scale=1.0):
    values = scale * np.random.default_rng(0).uniform(0.5, 5.0, (6, 6, 6)).astype(np.float32)
    write_nifti(Volume(values, np.diag([3.0, 3.0, 3.0, 1.0]), "arbitrary"), path)
    return values


@pytest.fixture
def source(tmp_path):
    """Two subjects, two sessions; PET in Bq/mL, in SUV, and without a dose."""
    top = tmp_path / "bids"
    for subject, session in (("01", "baseline"), ("01", "interim"), ("02", "baseline")):
        folder = top / f"sub-{subject}" / f"ses-{session}"
        stem = f"sub-{subject}_ses-{session}"
        for part in ("pet", "anat", "dwi"):
            (folder / part).mkdir(parents=True)
        _image(folder / "pet" / f"{stem}_pet.nii.gz", 5000.0)
        sidecar = dict(_SIDECAR)
        if session == "interim":
            _image(folder / "pet" / f"{stem}_pet.nii.gz")
            sidecar = {"TracerName": "[18F]FDG", "Units": "g/mL"}
        if subject == "02":
            del sidecar["InjectedRadioactivity"]
        (folder / "pet" / f"{stem}_pet.json").write_text(json.dumps(sidecar))
        _image(folder / "anat" / f"{stem}_T1w.nii.gz")
    _image(top / "sub-02" / "ses-baseline" / "anat" / "sub-02_ses-baseline_run-2_T1w.nii.gz")
    _image(top / "sub-02" / "ses-baseline" / "dwi" / "sub-02_ses-baseline_ADC.nii.gz")
    (top / "sub-03").mkdir()
    (top / "participants.tsv").write_text(
        "participant_id\tage\typT\nsub-01\t44\t0\nsub-02\tn/a\tn/a\n"
    )
    return top


def test_sessions_channels_and_participants_are_mapped(source, tmp_path):
    report = import_bids(source, tmp_path / "cohort.csv")
    experiment = load_experiment([str(report.settings)])
    cohort = read_cohort(
        report.table,
        timepoints=experiment.data.timepoints,
        channels=experiment.data.channels,
        covariates=["age"],
    )
    first, second = cohort.patients
    assert experiment.data.timepoints == ("baseline", "interim")
    assert set(first.visits["interim"].scans) == {"pet", "t1"}
    assert set(second.visits["baseline"].scans) == {"adc"}
    assert (first.covariates["age"], second.covariates["age"]) == ("44", None)
    assert (first.outcome.yT0, second.outcome.yT0) == (True, None)


def test_pet_in_becquerel_is_converted_and_pet_in_suv_is_left(source, tmp_path):
    report = import_bids(source, tmp_path / "cohort.csv")
    lines = report.table.read_text().splitlines()
    cells = dict(zip(lines[0].split(","), lines[1].split(","), strict=True))
    assert cells["interim.pet"].startswith("bids/sub-01/ses-interim/pet/")
    assert cells["baseline.pet"] == "suv/sub-01_baseline_pet.nii.gz"
    converted = read_volume(tmp_path / cells["baseline.pet"], "pet")
    stored = read_volume(source / "sub-01/ses-baseline/anat/sub-01_ses-baseline_T1w.nii.gz", "t1")
    # The same random numbers, 5000 times as large, in Bq/mL.
    dose_then = 350e6 * 0.5 ** (3600 / 6586.2)
    np.testing.assert_allclose(converted.array, stored.array * 5000 * 70_000 / dose_then, rtol=1e-5)


def test_what_could_not_be_mapped_is_said(source, tmp_path):
    reasons = {(i.subject, i.reason) for i in import_bids(source, tmp_path / "c.csv").unmapped}
    assert (
        "sub-02 baseline",
        "PET: the sidecar does not state it (InjectedRadioactivity)",
    ) in reasons
    assert ("sub-02 baseline", "several files could be t1: none is chosen") in reasons
    assert ("sub-03", "no recognised scan") in reasons


def test_what_was_assumed_of_attenuation_is_said(source, tmp_path):
    said = "2 PET do not state AttenuationCorrection: they are taken to be corrected"
    assert said in import_bids(source, tmp_path / "a" / "cohort.csv").remarks
    (source / "pet.json").write_text(json.dumps({"AttenuationCorrection": "CT based"}))
    assert said not in " ".join(import_bids(source, tmp_path / "b" / "cohort.csv").lines())
    (source / "pet.json").write_text(json.dumps({"AttenuationCorrection": "none"}))
    report = import_bids(source, tmp_path / "c" / "cohort.csv")
    assert ("baseline", "pet") not in report.scans


def test_a_damaged_sidecar_costs_its_pet_and_nothing_else(source, tmp_path):
    folder = source / "sub-01" / "ses-baseline" / "pet"
    (folder / "sub-01_ses-baseline_pet.json").write_text("[1, 2]")
    report = import_bids(source, tmp_path / "cohort.csv")
    assert ("sub-01 baseline", "PET: a sidecar cannot be read as JSON") in {
        (item.subject, item.reason) for item in report.unmapped
    }
    assert report.scans["interim", "pet"] == 1


def test_weight_may_stand_in_the_table_of_participants(source, tmp_path):
    sidecar = source / "sub-01" / "ses-baseline" / "pet" / "sub-01_ses-baseline_pet.json"
    sidecar.write_text(json.dumps({k: v for k, v in _SIDECAR.items() if k != "BodyWeight"}))
    (source / "participants.tsv").write_text("participant_id\tweight\nsub-01\t70\nsub-02\tn/a\n")
    import_bids(source, tmp_path / "a" / "cohort.csv")
    assert (tmp_path / "a" / "suv" / "sub-01_baseline_pet.nii.gz").is_file()
    (source / "participants.json").write_text(json.dumps({"weight": {"Units": "lb"}}))
    report = import_bids(source, tmp_path / "b" / "cohort.csv")
    assert ("sub-01 baseline", "PET: no plausible body weight in kg (BodyWeight)") in {
        (item.subject, item.reason) for item in report.unmapped
    }

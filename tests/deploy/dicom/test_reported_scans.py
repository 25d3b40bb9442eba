from __future__ import annotations

import hashlib
from pathlib import Path

from pydicom import dcmread

from pcrnet.cohort.outcome import Outcome
from pcrnet.cohort.table import Patient, Visit
from pcrnet.deploy.dicom.reported_scans import reported_patient


def patient(**visits: dict[str, Path]) -> Patient:
    of = {name: Visit(name, scans) for name, scans in visits.items()}
    return Patient("P1", 2, None, of, Outcome(), {})


def test_only_scans_that_were_used_are_reported_and_phases_share_a_series(
    save_adc, tmp_path: Path
) -> None:
    dynamic, adc = save_adc(tmp_path / "a"), save_adc(tmp_path / "b")
    found = reported_patient(
        patient(baseline={"dce_pre": dynamic, "dce_late": dynamic, "adc": adc}),
        ("baseline.dce_pre", "baseline.dce_late"),
    )
    (scan,) = found.scans
    assert scan.names == ("baseline.dce_pre", "baseline.dce_late")
    assert {image.SOPInstanceUID for image in scan.instances} == {
        dcmread(file).SOPInstanceUID for file in dynamic.iterdir()
    }


def test_a_nifti_file_is_told_by_its_digest(tmp_path: Path) -> None:
    (tmp_path / "a.nii").write_bytes(bytes(400))
    found = reported_patient(patient(baseline={"pet": tmp_path / "a.nii"}), ("baseline.pet",))
    assert found.scans[0].sha256 == hashlib.sha256(bytes(400)).hexdigest()
    assert not found.in_archive
    assert found.identity.PatientID == "P1"
    assert found.identity.PatientBirthDate == ""


def test_what_was_removed_from_the_headers_is_not_made_up(save_adc, tmp_path: Path) -> None:
    folder = save_adc(tmp_path / "a", person="")
    found = reported_patient(patient(baseline={"adc": folder}), ("baseline.adc",))
    assert found.identity.PatientID == "P1"
    assert found.identity.AccessionNumber == found.identity.StudyDate == ""
    assert found.identity.StudyInstanceUID == "1.2.3.9"

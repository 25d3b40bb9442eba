"""``pcrnet predict``: tables, studies, JSON and reports, as a user would ask for them."""

from __future__ import annotations

import json
from pathlib import Path

import highdicom
import numpy as np
import pytest
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage

from pcrnet.cli import main
from pcrnet.evaluation.tables.predictions import read_predictions


def save_adc(folder: Path, date: str) -> None:
    folder.mkdir(parents=True)
    for k in range(8):
        header = Dataset()
        header.file_meta = FileMetaDataset()
        header.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        header.file_meta.MediaStorageSOPClassUID = header.SOPClassUID = MRImageStorage
        header.SOPInstanceUID = f"1.2.{date}.{k + 1}"
        header.file_meta.MediaStorageSOPInstanceUID = header.SOPInstanceUID
        header.SeriesInstanceUID, header.StudyInstanceUID = f"1.2.{date}.90", f"1.2.{date}.91"
        header.Modality, header.PatientID, header.StudyDate = "MR", "Canary^Anna", date
        header.ImageType = ["DERIVED", "PRIMARY", "DIFFUSION", "ADC"]
        header.ImagePositionPatient = [0.0, 0.0, 12.0 * k]
        header.ImageOrientationPatient = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0]
        header.PixelSpacing, header.SliceThickness = [12.0, 12.0], 12.0
        header.SamplesPerPixel, header.PhotometricInterpretation = 1, "MONOCHROME2"
        header.PixelRepresentation, header.BitsAllocated, header.BitsStored = 0, 16, 16
        header.HighBit = 15
        header.RescaleSlope, header.RescaleIntercept, header.RescaleType = 1, 0, "um2/s"
        x, y = np.mgrid[-8:8, -8:8]
        values = np.where((x**2 + y**2 < 49) & (0 < k < 7), 1500 + 40 * x, 0).astype("<u2")
        header.Rows, header.Columns = values.shape
        header.PixelData = values.tobytes()
        header.save_as(folder / f"{k}.dcm", enforce_file_format=True)


@pytest.fixture
def cohort(small_bundle: Path) -> str:
    return str(small_bundle / "golden" / "cohort.csv")


def test_json_goes_to_standard_output_and_nothing_else_does(
    small_bundle: Path, cohort: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["predict", str(small_bundle), cohort, "--json"]) == 0
    out, error = capfd.readouterr()
    rows = json.loads(out)
    assert [row["patient_id"] for row in rows][:2] == ["golden-complete", "golden-first-visit"]
    assert rows[0]["scans"][0] == "baseline.pet"
    assert "bundle sha256" in error


def test_json_goes_to_any_file_that_is_named(
    small_bundle: Path, cohort: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "answers.txt"
    assert main(["predict", str(small_bundle), cohort, "--json", "-o", str(out)]) == 0
    assert capsys.readouterr().out == f"{out}\n"
    assert len(json.loads(out.read_text())) == 3
    assert {path.name for path in tmp_path.iterdir()} == {out.name, f"{out.name}.record.json"}


def test_a_folder_of_studies_needs_no_table(
    small_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_adc(tmp_path / "studies" / "x", "20240301")
    save_adc(tmp_path / "studies" / "y", "20240101")
    out, reports = tmp_path / "p.csv", tmp_path / "reports"
    command = ["predict", str(small_bundle), str(tmp_path / "studies"), "-o", str(out)]
    assert main([*command, "--sr", str(reports)]) == 0
    error = capsys.readouterr().err
    assert "matched: baseline.adc (1), interim.adc (1)" in error
    assert "unknown: age, grade" in error
    table = read_predictions(out)
    assert table.patient_id == ("P001",)
    assert table.scans == (("baseline.adc", "interim.adc"),)
    listing = out.with_name("p.csv.series.csv").read_text()
    assert "P001,interim,60,adc" in listing
    report = highdicom.sr.srread(reports / "P001.dcm")
    assert report.PatientID == "Canary^Anna"
    assert report.StudyDate == "20240301"
    for text in (error, listing, out.read_text(), out.with_name("p.csv.record.json").read_text()):
        assert "Canary" not in text


def test_what_does_not_go_together_is_refused(
    small_bundle: Path, cohort: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["predict", str(small_bundle), cohort]
    assert main(command) == 2
    assert "-o PREDICTIONS.csv, or --json" in capsys.readouterr().err
    assert main([*command, "--json", "--timepoints", "interim"]) == 2
    assert "--timepoints" in capsys.readouterr().err
    (tmp_path / "file").touch()
    assert main([*command, "--json", "--sr", str(tmp_path / "file")]) == 2
    assert capsys.readouterr().out == ""


def test_outcomes_by_another_definition_are_refused(
    small_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    golden = small_bundle / "golden"
    for path in golden.glob("*.nii.gz"):
        (tmp_path / path.name).symlink_to(path)
    header, *rows = (golden / "cohort.csv").read_text().splitlines()
    text = "\n".join([f"{header},yT0", *(f"{row},1" for row in rows), ""])
    (tmp_path / "cohort.csv").write_text(text)
    (tmp_path / "cohort.yaml").write_text("outcome: {definition: ypT0/is}\n")
    out = tmp_path / "p.csv"
    table = str(tmp_path / "cohort.csv")
    assert main(["predict", str(small_bundle), table, "-o", str(out)]) == 2
    assert "ypT0/is" in capsys.readouterr().err
    assert not out.exists()

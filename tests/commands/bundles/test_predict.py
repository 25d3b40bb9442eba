"""``pcrnet predict``: tables, studies, JSON and reports, as a user would ask for them."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import highdicom
import numpy as np
import pandas as pd
import pytest
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage

from pcrnet import __version__
from pcrnet.cli import main
from pcrnet.evaluation.tables.predictions import read_predictions

NO_TABLE = "{tmp}/nowhere.csv"


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


def test_predictions_name_who_was_refused(
    finished_run, tiny_trial, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "new" / "predictions.csv"
    assert main(["predict", str(finished_run.bundle), str(tiny_trial.cohort), "-o", str(out)]) == 0
    shown = capsys.readouterr()
    assert shown.out == f"{out}\n"
    assert f"refused: patient {tiny_trial.left_out}" in shown.err
    assert "warning: 1 of 20 patients have no prediction" in shown.err
    assert tiny_trial.canary not in shown.err + out.read_text()
    assert "warning: 19 of the patients took part in training" in shown.err


PLACES = {
    "a folder": ("{tmp}", "it is a folder"),
    "below a file": ("{tmp}/file/p.csv", "a file stands where a folder is needed"),
    "another format": ("{tmp}/p.xlsx", "ends in .csv or .json"),
    "no format": ("{tmp}/p", "ends in .csv or .json"),
}


@pytest.mark.parametrize(("place", "told"), PLACES.values(), ids=PLACES)
def test_where_predictions_cannot_go_is_told_before_anything_is_computed(
    place: str, told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    out = place.format(tmp=tmp_path)
    # There is no bundle: the destination is looked at first.
    assert main(["predict", str(tmp_path / "no-bundle"), NO_TABLE, "-o", out]) == 2
    assert told in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_device_that_is_not_there_is_named(
    finished_run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for device in ("cuda:99", "cude", "cuda:-1", "meta", ""):
        options = ["-o", str(tmp_path / "p.csv"), "--device", device]
        assert main(["predict", str(finished_run.bundle), NO_TABLE, *options]) == 2
        assert "there is no such device; there are: cpu" in capsys.readouterr().err


def test_predictions_as_json_hold_what_the_table_holds(
    finished_run, tiny_trial, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    start = ["predict", str(finished_run.bundle), str(tiny_trial.cohort), "-o"]
    for name in ("p.csv", "p.json"):
        assert main([*start, str(tmp_path / name)]) == 0
    capsys.readouterr()
    table = pd.read_csv(tmp_path / "p.csv", float_precision="round_trip")
    objects = pd.DataFrame(json.loads((tmp_path / "p.json").read_text()))
    assert list(objects) == list(table)
    objects["scans"] = [";".join(scans) for scans in objects["scans"]]
    pd.testing.assert_frame_equal(objects, table, check_dtype=False, check_exact=True)


def test_predictions_go_to_a_stream_and_nothing_else_does(finished_run, tiny_trial) -> None:
    program = "import sys; from pcrnet.cli import main; sys.exit(main())"
    arguments = ["predict", str(finished_run.bundle), str(tiny_trial.cohort), "-o", "/dev/stdout"]
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=True
    )
    table = pd.read_csv(io.StringIO(done.stdout))
    assert set(table["patient_id"]) == set(tiny_trial.patients)


def test_the_record_of_predictions_pins_bundle_table_and_cohort(
    finished_run, tiny_trial, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "p.csv"
    start = ["predict", str(finished_run.bundle), str(tiny_trial.cohort), "-o", str(out)]
    assert main(start) == 0
    digest = sha256((finished_run.bundle / "checksums.json").read_bytes()).hexdigest()
    assert f"bundle sha256: {digest}" in capsys.readouterr().err
    record = json.loads((tmp_path / "p.csv.record.json").read_text())
    assert record["bundle_sha256"] == digest
    assert record["predictions_sha256"] == sha256(out.read_bytes()).hexdigest()
    assert record["cohort_sha256"] == sha256(tiny_trial.cohort.read_bytes()).hexdigest()
    assert record["pcrnet"] == __version__
    out.unlink()
    assert main([*start, "--bundle-sha256", digest.upper()]) == 0
    capsys.readouterr()
    out.unlink()
    assert main([*start, "--bundle-sha256", "0" * 64]) == 2
    assert digest in capsys.readouterr().err
    assert not out.exists()

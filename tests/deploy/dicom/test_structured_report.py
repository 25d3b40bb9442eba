"""Reports round-trip through highdicom's own reader, and are filed with the images."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path

import highdicom
import numpy as np
import pytest
from pydicom import dcmread
from pydicom.sr.codedict import codes

from pcrnet.cohort.outcome import HEADS
from pcrnet.deploy.dicom.structured_report import RESEARCH_ONLY, SIMULATED, write_reports
from pcrnet.deploy.dicom.study import match_studies
from pcrnet.deploy.prediction.predictor import PredictionTable, Predictor, load_predictor
from pcrnet.errors import ConfigError, ProblemListError


@pytest.fixture(scope="module")
def predictor(small_bundle: Path) -> Predictor:
    return load_predictor(small_bundle)


@pytest.fixture(scope="module")
def golden(predictor: Predictor, small_bundle: Path):
    patients = predictor.read_patients(small_bundle / "golden" / "cohort.csv")
    return patients, predictor.predict_patients(patients)


@pytest.fixture
def studies(save_adc, predictor: Predictor, tmp_path: Path):
    """A patient of two visits, as matched and predicted."""
    for visit, date in (("b", "20240301"), ("a", "20240105")):
        save_adc(
            tmp_path / "in" / visit, study=f"1.2.{ord(visit)}", StudyDate=date,
            AccessionNumber=f"ACC{visit}", PatientBirthDate="19700101", PatientSex="F",
        )  # fmt: skip
    matched = match_studies(
        tmp_path / "in", tmp_path, predictor.bundle.manifest.data, ("age", "grade"),
        listing=tmp_path / "series.csv",
    )  # fmt: skip
    patients = predictor.read_patients(matched.table)
    return patients, predictor.predict_patients(patients)


def texts(report, name) -> list[str]:
    found = highdicom.sr.utils.find_content_items(report, name=name, recursive=True)
    return [item.TextValue for item in found]


def groups(report):
    return {
        group.finding_type.value: group for group in report.content.get_image_measurement_groups()
    }


def test_probabilities_thresholds_and_calls_read_back(
    predictor: Predictor, golden, tmp_path: Path
) -> None:
    patients, table = golden
    paths = write_reports(tmp_path, predictor.bundle, patients, table)
    assert [path.stem for path in paths] == list(table.predictions.patient_id)
    points = predictor.bundle.manifest.operating_points
    for row, path in enumerate(paths):
        report = highdicom.sr.srread(path)
        assert isinstance(report, highdicom.sr.Comprehensive3DSR)
        found = groups(report)
        assert set(found) == set(HEADS)
        for head, group in found.items():
            numbers = {each.name.value: each.value for each in group.get_measurements()}
            prob = table.predictions.prob[head][row]
            assert float(numbers["probability"]) == pytest.approx(prob, abs=1e-12)
            point = points[head]
            assert numbers.get("threshold") == (None if point is None else pytest.approx(point))
            (call,) = group.get_qualitative_evaluations()
            expected = "not-called" if point is None else "response" if prob > point else "residue"
            assert call.value.value == expected


def test_the_algorithm_is_named_down_to_the_digest_of_the_bundle(
    predictor: Predictor, golden, tmp_path: Path
) -> None:
    patients, table = golden
    report = highdicom.sr.srread(write_reports(tmp_path, predictor.bundle, patients, table)[0])
    stated = texts(report, codes.DCM.AlgorithmParameters)
    assert stated.count(f"bundle sha256: {predictor.bundle.sha256}") == len(HEADS)
    assert set(texts(report, codes.DCM.AlgorithmName)) == {"pcrnet"}
    assert "SIMULATED" in report.SeriesDescription
    assert set(texts(report, codes.DCM.Comment)) == {RESEARCH_ONLY, SIMULATED}


def test_a_bundle_of_real_patients_is_not_called_simulated(
    predictor: Predictor, golden, tmp_path: Path
) -> None:
    patients, table = golden
    manifest = predictor.bundle.manifest.model_copy(update={"simulated": False})
    real = replace(predictor.bundle, manifest=manifest)
    report = highdicom.sr.srread(write_reports(tmp_path, real, patients, table)[0])
    assert texts(report, codes.DCM.Comment) == [RESEARCH_ONLY]
    assert "SIMULATED" not in report.SeriesDescription


def test_intervals_and_doubts_are_reported_where_there_are_any(
    predictor: Predictor, golden, tmp_path: Path
) -> None:
    patients, table = golden
    count = len(table.predictions)
    other = {
        "low_yT0": ("0.25",) * count, "high_yT0": ("0.75",) * count,
        "near_threshold": ("yT0", *[""] * (count - 1)),
    }  # fmt: skip
    doubting = replace(table, predictions=replace(table.predictions, other=other))
    paths = write_reports(tmp_path, predictor.bundle, patients, doubting)
    first, second = (highdicom.sr.srread(path) for path in paths[:2])
    numbers = {each.name.value: each.value for each in groups(first)["yT0"].get_measurements()}
    assert (float(numbers["low"]), float(numbers["high"])) == (0.25, 0.75)
    assert "low" not in {each.name.value for each in groups(first)["yN0"].get_measurements()}
    assert "Near threshold: yT0" in texts(first, codes.DCM.Comment)
    assert not any("Near" in text for text in texts(second, codes.DCM.Comment))


def test_the_report_is_filed_with_the_last_visit_and_refers_to_every_image(
    predictor: Predictor, studies, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    patients, table = studies
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # they would quote the name
        (path,) = write_reports(tmp_path / "out", predictor.bundle, patients, table)
    assert path.name == "P001.dcm"
    report = highdicom.sr.srread(path)
    assert (report.PatientID, report.PatientName) == ("Person", "Person^A")
    assert (report.StudyDate, report.AccessionNumber) == ("20240301", "ACCb")
    assert report.StudyInstanceUID == f"1.2.{ord('b')}.9"
    images = {
        dcmread(file, stop_before_pixels=True).SOPInstanceUID
        for file in (tmp_path / "in").rglob("*.dcm")
    }
    referred = highdicom.sr.utils.find_content_items(
        report, value_type=highdicom.sr.ValueTypeValues.IMAGE, recursive=True
    )
    assert {item.ReferencedSOPSequence[0].ReferencedSOPInstanceUID for item in referred} == images
    (here,) = report.CurrentRequestedProcedureEvidenceSequence
    (there,) = report.PertinentOtherEvidenceSequence
    assert here.StudyInstanceUID == report.StudyInstanceUID != there.StudyInstanceUID
    library = [item.ConceptNameCodeSequence[0].CodeMeaning for item in report.ContentSequence]
    assert library.index("Image Library") < library.index("Imaging Measurements")
    assert capsys.readouterr() == ("", "")


def test_nifti_files_are_told_by_their_digest_and_no_image_is_made_up(
    predictor: Predictor, golden, tmp_path: Path
) -> None:
    patients, table = golden
    report = highdicom.sr.srread(write_reports(tmp_path, predictor.bundle, patients, table)[0])
    assert report.PatientID == "golden-complete"
    assert "CurrentRequestedProcedureEvidenceSequence" not in report
    assert "PertinentOtherEvidenceSequence" not in report
    named = [
        item.TextValue
        for item in highdicom.sr.utils.find_content_items(report, recursive=True)
        if item.ConceptNameCodeSequence[0].CodeValue == "scan"
    ]
    assert tuple(named) == table.predictions.scans[0]


def test_series_of_two_persons_get_no_report_and_the_others_theirs(
    predictor: Predictor, studies, golden, tmp_path: Path
) -> None:
    patients, table = studies
    for file in (tmp_path / "in" / "a").iterdir():
        header = dcmread(file)
        header.PatientID = "Other"
        header.save_as(file)
    others, of_others = golden
    both = replace(
        of_others.predictions,
        patient_id=("P001", *of_others.predictions.patient_id[1:]),
        scans=(table.predictions.scans[0], *of_others.predictions.scans[1:]),
    )
    with pytest.raises(ProblemListError, match="several persons") as caught:
        write_reports(
            tmp_path / "out", predictor.bundle, (*patients, *others), PredictionTable(both, ())
        )
    assert "Other" not in str(caught.value)
    assert len(list((tmp_path / "out").iterdir())) == len(both) - 1


def test_names_that_no_file_can_bear_are_told_apart(
    predictor: Predictor, golden, tmp_path: Path
) -> None:
    patients, table = golden
    names = ("..é", "..è", "con:")
    renamed = [replace(p, patient_id=name) for p, name in zip(patients, names, strict=False)]
    both = replace(table.predictions, patient_id=names[: len(table.predictions)])
    paths = write_reports(tmp_path, predictor.bundle, renamed, replace(table, predictions=both))
    assert len({path.name for path in paths}) == len(paths)
    assert all(path.parent == tmp_path and path.name.isascii() for path in paths)


def test_without_highdicom_the_extra_is_named(
    predictor: Predictor, golden, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pcrnet.extras.find_spec", lambda _: None)
    with pytest.raises(ConfigError, match=r"pcrnet\[sr\]"):
        write_reports(tmp_path, predictor.bundle, *golden)
    assert np.all([not list(tmp_path.iterdir())])

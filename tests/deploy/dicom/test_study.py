"""A folder of DICOM studies becomes a table by the importer's rules, and nothing is guessed."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from pcrnet.config.data import DataConfig
from pcrnet.deploy.dicom.study import MatchedStudies, match_studies
from pcrnet.errors import BundleError, CohortError

DATA = DataConfig(branches={"pet": ("pet",), "mri": ("adc", "t2")})


def matched(source: Path, tmp_path: Path, **options: object) -> tuple[MatchedStudies, list[dict]]:
    found = match_studies(source, tmp_path, DATA, ("age",), listing=tmp_path / "s.csv", **options)
    return found, list(csv.DictReader(found.table.read_text().splitlines()))


@pytest.fixture
def study(save_adc, tmp_path: Path) -> Path:
    top = tmp_path / "in"
    save_adc(top / "late", study="1.2.4", StudyDate="20240301")
    save_adc(top / "early", study="1.2.3", StudyDate="20240101")
    save_adc(
        top / "t2", study="1.2.3", StudyDate="20240101", ImageType=["ORIGINAL", "PRIMARY"],
        SeriesDescription="t2_tse",
    )  # fmt: skip
    save_adc(top / "other", study="1.2.9", StudyDate="20240101", person="Other")
    return top


def test_studies_become_rows_in_order_of_their_dates(study: Path, tmp_path: Path) -> None:
    found, rows = matched(study, tmp_path)
    places = [
        {name: Path(cell).name for name, cell in row.items() if cell and name != "patient_id"}
        for row in rows
    ]
    assert places == [
        {"baseline.adc": "early", "interim.adc": "late", "baseline.t2": "t2"},
        {"baseline.adc": "other"},
    ]
    assert [row["patient_id"] for row in rows] == ["P001", "P002"]
    assert set(rows[0]) == {
        "patient_id", "age", *(f"{t}.{c}" for t in DATA.timepoints for c in DATA.channels),
    }  # fmt: skip
    assert found.used == {"baseline.adc": 2, "baseline.t2": 1, "interim.adc": 1}
    assert not found.left_out


def test_a_single_study_is_what_it_is_said_to_be(save_adc, tmp_path: Path) -> None:
    save_adc(tmp_path / "in" / "a", StudyDate="20240301")
    _, rows = matched(tmp_path / "in", tmp_path, timepoints=("interim",))
    assert rows[0]["interim.adc"]
    assert not rows[0]["baseline.adc"]
    with pytest.raises(BundleError, match="knows no timepoint"):
        matched(tmp_path / "in", tmp_path, timepoints=("surgery",))


def test_what_is_left_out_is_counted_with_its_reason(study: Path, save_adc, tmp_path: Path) -> None:
    save_adc(study / "again", study="1.2.3", StudyDate="20240101")
    save_adc(study / "third", study="1.2.5", StudyDate="20240501")
    save_adc(study / "undated", study="1.2.6")
    save_adc(
        study / "t1", study="1.2.4", StudyDate="20240301", ImageType=["ORIGINAL", "PRIMARY"],
        SeriesDescription="t1_fl3d",
    )  # fmt: skip
    found, rows = matched(study, tmp_path)
    assert not rows[0]["baseline.adc"]  # two: a person would have to choose
    assert found.left_out == {
        "one of several like adc": 2,
        "a visit beyond the 2 timepoints of the bundle": 1,
        "no study date: name the visit": 1,
        "the bundle has no channel t1": 1,
    }
    assert "left out: one of several like adc (2)" in found.lines()


def test_no_tag_is_repeated(study: Path, tmp_path: Path) -> None:
    found, _ = matched(study, tmp_path)
    written = "\n".join(found.lines()) + (tmp_path / "s.csv").read_text()
    for secret in ("Person", "Other", "2024", "tse"):
        assert secret not in written


def test_a_folder_without_dicom_is_refused(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    with pytest.raises(CohortError, match="no DICOM series"):
        matched(tmp_path / "in", tmp_path)

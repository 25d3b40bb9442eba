"""What a client says becomes one row of a table, or is refused by the field that is wrong."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from pcrnet.config.data import DataConfig
from pcrnet.serve.question import Question, parse_question, write_table
from pcrnet.serve.unpacking import UploadError

DATA = DataConfig(branches={"pet": ("pet",), "mri": ("adc",)})
FILES = {"baseline/pet.nii.gz": b"", "late/adc/1.dcm": b"", "late/adc/2.dcm": b"", "m.nii": b""}


def table_of(tmp_path: Path, question: Question) -> dict[str, str]:
    images = tmp_path / "images"
    for name, data in FILES.items():
        (images / name).parent.mkdir(parents=True, exist_ok=True)
        (images / name).write_bytes(data)
    path, matched = write_table(
        question, tmp_path, images, frozenset(FILES), DATA, ("age", "grade")
    )
    assert matched is None
    (row,) = csv.DictReader(path.read_text().splitlines())
    return row


def test_everything_that_is_said_has_its_cell(tmp_path: Path) -> None:
    row = table_of(
        tmp_path,
        Question(
            patient_id="Q1",
            scans={"baseline.pet": "baseline/pet.nii.gz", "interim.adc": "late/adc/"},
            masks={"baseline": "m.nii"},
            days={"baseline": -7, "interim": 40.5},
            covariates={"age": 61, "grade": "high"},
        ),
    )
    assert row == {
        "patient_id": "Q1",
        "baseline.pet": "images/baseline/pet.nii.gz",
        "baseline.adc": "",
        "interim.pet": "",
        "interim.adc": "images/late/adc",
        "baseline.mask": "images/m.nii",
        "baseline.days": "-7.0",
        "interim.days": "40.5",
        "age": "61.0",
        "grade": "high",
    }


WRONG = {
    "an unknown scan": ({"scans": {"baseline.ct": "m.nii"}}, "scans.baseline.ct"),
    "a file that is not there": ({"scans": {"baseline.pet": "pet.nii"}}, "scans.baseline.pet"),
    "half a name": ({"scans": {"baseline.pet": "baseline/pet"}}, "scans.baseline.pet"),
    "a way out": ({"scans": {"baseline.pet": "../question.csv"}}, "scans.baseline.pet"),
    "an absolute path": ({"scans": {"baseline.pet": "/etc/passwd"}}, "scans.baseline.pet"),
    "an unknown covariate": ({"covariates": {"name": "x"}}, "covariates.name"),
    "an unknown timepoint": ({"days": {"later": 3}}, "days.later"),
    "a mask of no timepoint": ({"masks": {"pet": "m.nii"}}, "masks.pet"),
}


@pytest.mark.parametrize(("said", "field"), WRONG.values(), ids=WRONG)
def test_what_the_bundle_or_the_archive_does_not_know_is_refused(
    tmp_path: Path, said: dict[str, dict[str, str]], field: str
) -> None:
    with pytest.raises(UploadError) as caught:
        table_of(tmp_path, Question.model_validate(said))
    assert caught.value.field == f"question.{field}"


@pytest.mark.parametrize(
    "text",
    [
        "{", "[]", "null", "1", '"x"', '{"scans": []}', '{"scans": {"a": 1}}', '{"loader": "x"}',
        '{"patient_id": ""}', '{"days": {"baseline": "x"}}', '{"scans": {"a": ""}}', "\x00",
        "[" * 50_000, '{"scans": {' + ",".join(f'"{n}": "x"' for n in range(2000)) + "}}",
        json.dumps({"patient_id": "x" * 501}),
    ],
)  # fmt: skip
def test_what_is_no_question_is_refused_shortly(text: str) -> None:
    with pytest.raises(UploadError) as caught:
        parse_question(text)
    assert len(str(caught.value)) < 600


def test_no_question_asks_for_studies() -> None:
    assert parse_question("") == Question()


def test_an_archive_that_is_named_as_a_scan_is_refused(tmp_path: Path, make_zip) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "a.dcm").write_bytes(b"\x00" * 200 + make_zip({"x": b"y"}))
    said = Question(scans={"baseline.pet": "a.dcm"})
    with pytest.raises(UploadError, match="another archive"):
        write_table(said, tmp_path, tmp_path / "images", frozenset({"a.dcm"}), DATA, ())

"""A token in every text tag, path, file name, column header and note leaves by no command.

Patients whose scans are DICOM go through the command line: checked, drawn, converted, imported,
predicted and evaluated. Everything that is written or said is unpacked and searched. What a run of
training leaves is searched in ``tests/run/test_pipeline.py``.
"""

from __future__ import annotations

import base64
import csv
import gzip
import io
import logging
import re
import traceback
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import Dataset
from pydicom.datadict import DicomDictionary

from pcrnet.cli import main

pytestmark = pytest.mark.slow
MakeSlice = Callable[..., Dataset]

TOKEN = "KANARI7731"  # noqa: S105 - a token to be found again, no secret
FREE_TEXT = {"LO", "SH", "ST", "LT", "UT", "UC", "PN"}
NEEDED = {"Radiopharmaceutical", "CodeValue", "TimezoneOffsetFromUTC"}
TIMEPOINTS, CHANNELS = ("baseline", "interim"), {"pet": "PT", "t2": "MR"}
SETTINGS = ["data.branches={pet: [pet], mri: [t2]}", "data.covariates=[age]"]


def text_tags() -> list[str]:
    """Every attribute of the standard that holds free text, but for what must be read."""
    found = [
        entry[4]
        for tag, entry in DicomDictionary.items()
        if entry[0] in FREE_TEXT and tag >> 16 > 0x0008 - 1 and entry[4] not in NEEDED
    ]
    assert len(found) > 500
    return [keyword for keyword in found if keyword]


def save_scan(make_slice: MakeSlice, folder: Path, modality: str, number: int) -> None:
    """A body with a lesion, 8 slices of 9 × 10 pixels of 12 mm; one patient's text is TOKEN."""
    folder.mkdir(parents=True)
    place = np.stack(np.indices((8, 9, 10)), axis=-1) - (np.array((8, 9, 10)) - 1) / 2
    inside = np.linalg.norm(place / [6.0, 4.5, 5.0], axis=-1) < 1.0
    focus = np.exp(-0.5 * (np.linalg.norm(place - 1.0, axis=-1) / 1.2) ** 2)
    noise = np.random.default_rng([number, len(modality)]).uniform(0.9, 1.1, inside.shape)
    values = (3400 + (6000 + 1000 * (number % 5)) * focus) * noise * inside
    for k, pixels in enumerate(values.astype(np.uint16)):
        header = make_slice(
            k, modality, pixels=pixels, PixelSpacing=[12.0, 12.0], SliceThickness=12.0,
            ImagePositionPatient=[-54.0, -48.0, 12.0 * k - 42.0], StudyDate="20240102",
        )  # fmt: skip
        for item in header.get("RadiopharmaceuticalInformationSequence", ()):
            item.Radiopharmaceutical = f"FDG {TOKEN}"
        for keyword in text_tags() if number == k == 0 else ("PatientName", "StudyDescription"):
            setattr(header, keyword, TOKEN)
        header.PatientID = f"{TOKEN}{number}"
        header.private_block(0x0029, TOKEN, create=True).add_new(0x10, "UN", TOKEN.encode())
        header.save_as(folder / f"{TOKEN}_{k}.dcm", enforce_file_format=True)


@dataclass(frozen=True)
class Marked:
    """A cohort full of the token, its first patients, and a tree of series by neutral names."""

    table: Path
    few: Path
    tree: Path


@pytest.fixture(scope="module")
def marked(make_slice: MakeSlice, tmp_path_factory: pytest.TempPathFactory) -> Marked:
    folder = tmp_path_factory.mktemp("hospital") / TOKEN
    rows = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for number in range(8):
            row = {
                "patient_id": f"P{number:02d}", "site": f"centre {number % 2}",
                "age": str(40 + number), "grade": "high", f"note {TOKEN}": f"{TOKEN} {number}",
                "ypT": "0" if number % 2 else "2", "ypN": "0" if number % 3 else "1",
                "baseline.adc": "", "interim.adc": "",
            }  # fmt: skip
            for timepoint in TIMEPOINTS:
                for channel, modality in CHANNELS.items():
                    cell = f"{TOKEN}_{number}/{timepoint}/{channel}"
                    save_scan(make_slice, folder / cell, modality, number)
                    row[f"{timepoint}.{channel}"] = cell
            rows.append(row)
        tree = tmp_path_factory.mktemp("export")
        for channel, modality in CHANNELS.items():
            save_scan(make_slice, tree / channel, modality, 0)
    tables = {"cohort.csv": rows, "few.csv": rows[:2]}
    for name, chosen in tables.items():
        with (folder / name).open("w", newline="") as stream:
            writer = csv.DictWriter(stream, list(rows[0]))
            writer.writeheader()
            writer.writerows(chosen)
    return Marked(folder / "cohort.csv", folder / "few.csv", tree)


class Said:
    """Runs commands and keeps all that a user or a log could get to see of them."""

    def __init__(
        self, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
    ) -> None:
        self.caplog, self.capsys = caplog, capsys

    def by(self, *arguments: object) -> tuple[str, int]:
        """All text, and the exit code."""
        self.caplog.clear()
        seen, code = [], -1
        with warnings.catch_warnings(record=True) as caught, self.caplog.at_level(logging.DEBUG):
            warnings.simplefilter("always")
            try:
                code = main([str(argument) for argument in arguments])
            except Exception as error:  # whatever escapes is part of what is seen
                seen += traceback.format_exception(error)
        out, err = self.capsys.readouterr()
        seen += [out, err, self.caplog.text, *(str(warning.message) for warning in caught)]
        return "\n".join(seen), code


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]) -> Said:
    return Said(caplog, capsys)


def layers(content: bytes) -> Iterator[bytes]:
    """The bytes of a file and of all that is packed in it."""
    yield content
    if content[:2] == b"\x1f\x8b":
        yield from layers(gzip.decompress(content))
    if content[:4] == b"PK\x03\x04":
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for name in archive.namelist():
                yield name.encode()
                yield from layers(archive.read(name))
    for packed in re.findall(rb"base64,([A-Za-z0-9+/=]+)", content):
        yield from layers(base64.b64decode(packed))
    for chunk in re.findall(rb"(?:zTXt|iTXt|iCCP)(.{0,4096})", content, re.DOTALL):
        start = chunk.find(b"\x78")
        if start >= 0:
            yield zlib.decompressobj().decompress(chunk[start:])


def leaks(folder: Path) -> list[str]:
    """Files whose content or name holds the token."""
    return [
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.is_file()
        and (
            TOKEN in str(path.relative_to(folder))
            or any(TOKEN.encode() in layer for layer in layers(path.read_bytes()))
        )
    ]


def test_the_search_finds_what_is_packed(tmp_path: Path) -> None:
    inner = gzip.compress(TOKEN.encode())
    (tmp_path / "page.html").write_bytes(b"data:x;base64," + base64.b64encode(inner))
    (tmp_path / "clean").write_bytes(b"nothing")
    assert leaks(tmp_path) == ["page.html"]


def test_the_check_and_its_pictures_let_no_token_out(
    marked: Marked, said: Said, tmp_path: Path
) -> None:
    text, code = said.by("check", marked.few, *SETTINGS, "--pictures", tmp_path / "sheet")
    assert code == 0, text
    assert TOKEN not in text
    assert (tmp_path / "sheet" / "index.html").is_file()
    assert leaks(tmp_path) == []


def test_what_is_wrong_with_a_series_is_said_without_the_token(
    marked: Marked, said: Said, tmp_path: Path
) -> None:
    lines = marked.few.read_text().replace("/baseline/pet", "/baseline/t2").splitlines()
    faulty = marked.few.with_name("faulty.csv")
    faulty.write_text("\n".join([*lines, lines[1], f"P99,,,,9,9,{TOKEN}_none,,,"]) + "\n")
    text, code = said.by("check", faulty, *SETTINGS)
    assert code == 2
    assert "modality MR; expected PT" in text
    assert TOKEN not in text


@pytest.mark.parametrize("channel", CHANNELS)
def test_a_conversion_lets_no_token_out(
    marked: Marked, said: Said, tmp_path: Path, channel: str
) -> None:
    series = marked.few.parent / f"{TOKEN}_0" / "baseline" / channel
    text, code = said.by("convert", series, tmp_path / "out.nii.gz", "--as", channel)
    assert code == 0, text
    assert TOKEN not in text
    assert leaks(tmp_path) == []


def test_an_import_lets_no_tag_out(marked: Marked, said: Said, tmp_path: Path) -> None:
    for source in (marked.tree, tmp_path / "series.csv"):
        text, code = said.by("import", "dicom", source, tmp_path)
        assert code == 0, text
        assert TOKEN not in text
    assert {path.name for path in tmp_path.iterdir()} == {"series.csv", "cohort.csv", "cohort.yaml"}
    assert leaks(tmp_path) == []


def test_predictions_and_their_report_let_no_token_out(
    marked: Marked, finished_run: Any, said: Said, tmp_path: Path
) -> None:
    predictions = tmp_path / "predictions.csv"
    text, code = said.by("predict", finished_run.bundle, marked.table, "-o", predictions)
    assert code == 0, text
    assert len(predictions.read_text().splitlines()) == 1 + 8
    more, code = said.by("evaluate", "--predictions", predictions, "--out", tmp_path / "report")
    assert code == 0, more
    assert TOKEN not in text + more
    assert leaks(tmp_path) == []

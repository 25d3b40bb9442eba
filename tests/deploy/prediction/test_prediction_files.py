"""What took hours to compute is not lost to a full disk."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import tempfile
from pathlib import Path

import numpy as np
import pytest

from pcrnet.cohort.outcome import HEADS
from pcrnet.deploy.prediction import prediction_files
from pcrnet.deploy.prediction.prediction_files import (
    check_destination,
    json_objects,
    room_for,
    write_or_keep,
    write_record,
    write_table,
)
from pcrnet.errors import OutputError
from pcrnet.evaluation.tables.predictions import Predictions, read_predictions

TABLE = Predictions(
    patient_id=("A", "B"),
    prob={"yT0": np.array([0.25, 0.5]), "yN0": np.array([0.5, 0.75])},
    label={"yT0": np.array([1.0, np.nan])},
    scans=(("baseline.pet",), ()),
)


@pytest.fixture
def private(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "private"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def full(only: Path | None):
    def write(path: Path, predictions: Predictions, *, as_json: bool | None = None) -> None:
        if only is None or path.parent == only:
            raise OutputError("cannot be written: the disk is full", file=path)
        write_table(path, predictions, as_json=as_json)

    return write


@pytest.mark.parametrize("name", ["p.csv", "p.json"])
def test_a_full_disk_leaves_the_table_where_its_error_says(
    tmp_path: Path, private: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(prediction_files, "write_table", full(tmp_path))
    with pytest.raises(OutputError, match="disk is full; the 2 computed predictions are in") as e:
        write_or_keep(tmp_path / name, TABLE)
    (kept,) = private.rglob(name)
    assert str(kept) in str(e.value)
    assert kept.parent.stat().st_mode & 0o077 == 0
    if name.endswith("csv"):
        assert read_predictions(kept).patient_id == TABLE.patient_id
    else:
        assert json.loads(kept.read_text()) == json_objects(TABLE)


def test_where_nothing_can_be_kept_that_is_said(
    tmp_path: Path, private: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prediction_files, "write_table", full(None))
    with pytest.raises(OutputError, match="2 computed predictions are lost"):
        write_or_keep(tmp_path / "p.csv", TABLE)
    assert not list(private.iterdir())


def test_room_is_held_while_it_is_needed_and_grows_with_the_patients(tmp_path: Path) -> None:
    path = tmp_path / "p.csv"
    sizes = []
    for patients in (1, 1000):
        with room_for(path, patients):
            (held,) = tmp_path.iterdir()
            sizes.append(held.stat().st_size)
        assert not list(tmp_path.iterdir())
    row = len(json.dumps(json_objects(TABLE)[0], indent=2))
    assert sizes[1] - sizes[0] > 999 * 4 * row


def test_where_there_is_no_room_nothing_is_computed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: int) -> None:
        raise OSError(errno.ENOSPC, "")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OutputError, match="disk is full"), room_for(tmp_path / "p.csv", 3):
        pytest.fail("went on")
    assert not list(tmp_path.iterdir())


def test_a_stream_needs_no_room(tmp_path: Path) -> None:
    with room_for(Path("/dev/stdout"), 10):
        pass
    assert not list(Path("/dev").glob(".*ballast*"))


def test_the_form_goes_by_the_name_unless_it_is_asked_for(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"\.csv or \.json"):
        check_destination(tmp_path / "p.txt")
    check_destination(tmp_path / "p.txt", as_json=True)
    for name, as_json in (("a.json", None), ("a.txt", True), ("a.csv", True)):
        write_table(tmp_path / name, TABLE, as_json=as_json)
        assert json.loads((tmp_path / name).read_text())[1] == {
            "patient_id": "B", "yT0": None, "yN0": None, "yT0yN0": None,
            "prob_yT0": 0.5, "prob_yN0": 0.75, "scans": [],
        }  # fmt: skip
    write_table(tmp_path / "b.csv", TABLE)
    assert set(read_predictions(tmp_path / "b.csv").prob) == set(HEADS[:2])


def test_the_record_holds_the_digests_of_what_it_lies_beside(tmp_path):
    table, cohort = tmp_path / "out.csv", tmp_path / "cohort.csv"
    cohort.write_text("patient_id\n")
    write_table(table, TABLE)
    path = write_record(table, bundle_sha256="ab" * 32, cohort=cohort, device="cpu")
    assert path == tmp_path / "out.csv.record.json"
    record = json.loads(path.read_text())
    assert record["predictions_sha256"] == hashlib.sha256(table.read_bytes()).hexdigest()
    assert record["cohort_sha256"] == hashlib.sha256(b"patient_id\n").hexdigest()
    assert record["bundle_sha256"] == "ab" * 32


def test_a_stream_has_no_record(tmp_path):
    assert write_record(Path("/dev/null"), bundle_sha256="", cohort=tmp_path, device="cpu") is None

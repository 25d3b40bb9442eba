from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pcrnet.errors import IntegrityError
from pcrnet.evaluation.trial.opening_log import read_openings, record_opening

PATIENTS = [("P1", (1, 0, 0)), ("P2", (None, 1, None))]


def open_with(ledger: Path, predictions: str) -> int:
    return len(
        record_opening(
            ledger,
            patients=PATIENTS,
            predictions_sha256=predictions * 64,
            version="0.1.0",
            now=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        )
    )


def test_the_same_predictions_open_once(tmp_path: Path) -> None:
    ledger = tmp_path / "openings.json"
    assert [open_with(ledger, digest) for digest in "aaba"] == [1, 1, 2, 2]
    first = read_openings(ledger)[0]
    assert (first.opened, first.patients) == ("2026-01-02T03:04:05+00:00", 2)


def test_order_of_patients_does_not_change_their_digest(tmp_path: Path) -> None:
    for name, patients in (("a", PATIENTS), ("b", PATIENTS[::-1])):
        record_opening(
            tmp_path / name, patients=patients, predictions_sha256="0" * 64, version="0.1.0"
        )
    (one,), (other,) = (read_openings(tmp_path / name) for name in "ab")
    assert one.patients_sha256 == other.patients_sha256


def test_no_ledger_means_no_opening(tmp_path: Path) -> None:
    assert read_openings(tmp_path / "none.json") == ()


@pytest.mark.parametrize("entry", [0, 1])
def test_an_altered_or_removed_entry_is_noticed(tmp_path: Path, entry: int) -> None:
    ledger = tmp_path / "openings.json"
    for digest in "abc":
        open_with(ledger, digest)
    content = json.loads(ledger.read_text())
    changed = json.loads(ledger.read_text())
    changed["openings"][entry]["opened"] = "2020-01-01T00:00:00+00:00"
    ledger.write_text(json.dumps(changed))
    with pytest.raises(IntegrityError, match="altered"):
        read_openings(ledger)
    del content["openings"][entry]
    ledger.write_text(json.dumps(content))
    with pytest.raises(IntegrityError, match="altered"):
        open_with(ledger, "d")


@pytest.mark.parametrize("text", ["{", "[]", '{"openings": [{"opened": "x"}]}', '{"openings": 3}'])
def test_a_damaged_ledger_is_refused(tmp_path: Path, text: str) -> None:
    ledger = tmp_path / "openings.json"
    ledger.write_text(text)
    with pytest.raises(IntegrityError, match="damaged"):
        read_openings(ledger)

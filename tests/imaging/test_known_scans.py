from __future__ import annotations

import hashlib
from pathlib import Path

from pcrnet.cohort.table import Patient, read_cohort
from pcrnet.imaging.digests import DigestMemo
from pcrnet.imaging.known_scans import marks_of_all, scan_marks


def patients(folder: Path, cells: list[tuple[str, str]]) -> tuple[Patient, ...]:
    rows = "".join(f"P{n},{first},{second}\n" for n, (first, second) in enumerate(cells))
    table = folder / "cohort.csv"
    table.write_text("patient_id,baseline.pet,interim.pet\n" + rows)
    return read_cohort(table, timepoints=("baseline", "interim"), channels=("pet",)).patients


def test_a_mark_is_the_start_of_the_sha256_of_a_scan(tmp_path: Path) -> None:
    (tmp_path / "a.nii").write_bytes(b"first")
    (tmp_path / "b.nii").write_bytes(b"second")
    (one,) = patients(tmp_path, [("a.nii", "b.nii")])
    expected = {hashlib.sha256(content).hexdigest()[:16] for content in (b"first", b"second")}
    assert scan_marks(one, DigestMemo(None)) == expected


def test_a_scan_under_another_name_is_known_again_and_a_changed_one_is_not(tmp_path: Path) -> None:
    for name, content in (("a.nii", b"scan"), ("renamed.nii", b"scan"), ("c.nii", b"scan.")):
        (tmp_path / name).write_bytes(content)
    first, second, third = patients(tmp_path, [("a.nii", ""), ("renamed.nii", ""), ("c.nii", "")])
    memo = DigestMemo(None)
    assert scan_marks(first, memo) == scan_marks(second, memo)
    assert not scan_marks(first, memo) & scan_marks(third, memo)
    assert len(marks_of_all([first, second, third], memo)) == 2
    assert list(tmp_path.glob("*.json")) == []

from __future__ import annotations

import hashlib
from pathlib import Path

from pcrnet.cohort.table import Patient, read_cohort
from pcrnet.imaging.digests import DigestMemo
from pcrnet.imaging.known_scans import marks_of_all, repeated_scans, scan_marks


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


def test_a_patient_who_is_there_twice_with_copied_files_is_named_once(tmp_path: Path) -> None:
    contents = {"a": b"1", "b": b"2", "copy_a": b"1", "copy_b": b"2", "c": b"3"}
    for name, content in contents.items():
        (tmp_path / f"{name}.nii").write_bytes(content)
    cells = [("a.nii", "b.nii"), ("c.nii", ""), ("copy_a.nii", "copy_b.nii")]
    (problem,) = repeated_scans(patients(tmp_path, cells), DigestMemo(None))
    said = str(problem)
    assert "patient P2" in said
    assert "baseline.pet, interim.pet: copies of scans of the patient P0" in said
    assert problem.file == "cohort.csv row 4"
    assert problem.remedy


def test_a_visit_that_is_a_copy_of_another_is_named_with_both_cells(tmp_path: Path) -> None:
    for name, content in (("a", b"1"), ("b", b"1"), ("c", b"2")):
        (tmp_path / f"{name}.nii").write_bytes(content)
    (problem,) = repeated_scans(
        patients(tmp_path, [("a.nii", "b.nii"), ("c.nii", "")]), DigestMemo(None)
    )
    assert "interim.pet of baseline.pet: copies of scans of the same patient" in str(problem)


def test_one_visit_may_hold_phases_of_one_series_in_two_folders(tmp_path: Path) -> None:
    for name in ("pre", "early"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "1.dcm").write_bytes(b"phases")
    table = tmp_path / "cohort.csv"
    table.write_text("patient_id,baseline.dce_pre,baseline.dce_early\nP0,pre,early\n")
    read = read_cohort(table, timepoints=("baseline",), channels=("dce_pre", "dce_early"))
    assert not list(repeated_scans(read.patients, DigestMemo(None)))


def test_what_cannot_be_read_is_left_to_who_reads_it(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.nii").write_bytes(b"1")
    both = patients(tmp_path, [("a.nii", ""), ("b.nii", "")])
    (tmp_path / "b.nii").unlink()
    assert not list(repeated_scans(both, DigestMemo(None)))

"""Scans that are known again by what they hold, whatever their patient or file is called."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from pcrnet.cohort.table import Patient, may_hold_phases
from pcrnet.errors import CohortError, PcrnetError
from pcrnet.imaging.digests import DigestMemo
from pcrnet.imaging.series_mark import DIGITS
from pcrnet.machine import available_cores


def scan_marks(patient: Patient, memo: DigestMemo) -> frozenset[str]:
    """Marks of a patient's scans, all visits and channels that the cohort was read with.

    A mark tells whether two files are the same and nothing about what is in them.
    """
    return frozenset(memo.digest(path)[:DIGITS] for path in _scans(patient))


def marks_of_all(patients: Iterable[Patient], memo: DigestMemo) -> tuple[str, ...]:
    """Marks of many patients' scans, sorted, each once."""
    return tuple(sorted(frozenset().union(*(scan_marks(patient, memo) for patient in patients))))


def repeated_scans(
    patients: Sequence[Patient],
    memo: DigestMemo,
    progress: Callable[[int, int], None] | None = None,
) -> Iterator[CohortError]:
    """A problem for each patient who holds a copy of a scan that stands elsewhere in the table.

    A patient who is there twice, under two names and with copied files, would be learned from in
    one fold and judged in another; a visit that is a copy of another shows no change. One file
    that two cells name is refused where the table is read.

    Args:
        patients: In the order in which they are to be named. What cannot be read of them is told
            where it is read.
        memo: Of their files.
        progress: Called with files hashed and files in all.
    """
    paths = {path for patient in patients for path in _scans(patient)}
    digests = _digests(paths, memo, progress or (lambda done, total: None))
    first: dict[str, tuple[Patient, str, str, Path]] = {}
    for patient in patients:
        copies: dict[str, list[tuple[str, str]]] = {}
        for visit in patient.visits.values():
            for channel, path in visit.scans.items():
                digest = digests[path]
                if digest is None:
                    continue
                here = (patient, visit.timepoint, channel, path)
                other, timepoint, told, there = first.setdefault(digest, here)
                same_visit = other is patient and timepoint == visit.timepoint
                if there == path or (same_visit and may_hold_phases(path)):
                    continue
                pair = (f"{visit.timepoint}.{channel}", f"{timepoint}.{told}")
                copies.setdefault(other.patient_id, []).append(pair)
        for whose, pairs in copies.items():
            yield _repeated(patient, whose, pairs)


def _scans(patient: Patient) -> Iterator[Path]:
    for visit in patient.visits.values():
        yield from visit.scans.values()


def _digests(
    paths: Iterable[Path], memo: DigestMemo, progress: Callable[[int, int], None]
) -> dict[Path, str | None]:
    """Digest of each file; None where it cannot be read."""

    def digest(path: Path) -> str | None:
        try:
            return memo.digest(path)
        except (OSError, PcrnetError):
            return None

    in_order = sorted(paths)
    with ThreadPoolExecutor(available_cores()) as pool:  # hashing leaves Python's lock
        found: dict[Path, str | None] = {}
        for path, of in zip(in_order, pool.map(digest, in_order), strict=True):
            found[path] = of
            progress(len(found), len(in_order))
    return found


def _repeated(patient: Patient, whose: str, pairs: Sequence[tuple[str, str]]) -> CohortError:
    own = whose == patient.patient_id
    said = ", ".join(here if here == there else f"{here} of {there}" for here, there in pairs)
    owner = "the same patient" if own else f"the patient {whose}"
    return CohortError(
        f"{said}: copies of scans of {owner}, byte for byte",
        patient=patient.patient_id,
        file=patient.location,
        field=pairs[0][0],
        remedy="give each cell the scan that was made then, or leave it empty"
        if own
        else "one row a patient: if both are one person, join the rows; else give each the files "
        "that are theirs",
    )

"""Scans that are known again by what they hold, whatever their patient or file is called."""

from __future__ import annotations

from collections.abc import Iterable

from pcrnet.cohort.table import Patient
from pcrnet.imaging.digests import DigestMemo
from pcrnet.imaging.series_mark import DIGITS


def scan_marks(patient: Patient, memo: DigestMemo) -> frozenset[str]:
    """Marks of a patient's scans, all visits and channels that the cohort was read with.

    A mark tells whether two files are the same and nothing about what is in them.
    """
    return frozenset(
        memo.digest(path)[:DIGITS]
        for visit in patient.visits.values()
        for path in visit.scans.values()
    )


def marks_of_all(patients: Iterable[Patient], memo: DigestMemo) -> tuple[str, ...]:
    """Marks of many patients' scans, sorted, each once."""
    return tuple(sorted(frozenset().union(*(scan_marks(patient, memo) for patient in patients))))

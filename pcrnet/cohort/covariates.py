"""What kind of values a clinical column holds: numbers or text, and never both."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence

from pcrnet.cohort.table import Patient
from pcrnet.errors import CohortError

_SPOILED_NUMBER = re.compile(r"[<>≤≥~≈]?\s*[+\-−]?(?:\d+,\d+|\d+(?:[.,]\d+)?\s*%)")
_DATE = re.compile(r"\d{4}-\d{1,2}-\d{1,2}.*|\d{1,2}[./-]\d{1,2}[./-](?:\d{4}|\d{2})")


def as_number(text: str) -> float | None:
    """The finite number that a cell holds, in the unit of its column; None where it holds none."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def number_of(patient: Patient, name: str) -> float | None:
    """The number, in the unit of its column, where training had numbers; None where unknown.

    Raises:
        CohortError: The patient has text there.
    """
    text = patient.covariates.get(name)
    if text is None:
        return None
    number = as_number(text)
    if number is None:
        raise CohortError(
            "the training patients had numbers in this column, this patient has text",
            patient=patient.patient_id,
            field=name,
            remedy="write a number, or leave the cell empty when the value is unknown",
        )
    return number


def mixed_covariates(
    patients: Sequence[Patient], names: Sequence[str], table: str
) -> Iterator[CohortError]:
    """A problem for each column whose values are not of one kind, or not of the kind they seem.

    Where a column holds numbers of some and text of others, whoever is left out of a fit would
    decide whether it takes the column for numbers or for categories: one word among ages makes of
    every age a category of its own, which teaches nothing. So does a column of numbers that are
    all written as text, with decimal commas or per cent signs, and one of dates.

    Args:
        patients: Who enters.
        names: The columns.
        table: Name of the cohort table.
    """
    for name in names:
        known = [(patient, text) for patient in patients if (text := patient.covariates.get(name))]
        words = [patient.patient_id for patient, text in known if as_number(text) is None]
        if problem := _disguised([text for _, text in known], table, name):
            yield problem
        elif 0 < len(words) < len(known):
            yield CohortError(
                f"holds numbers of {len(known) - len(words)} patients and text of {len(words)}, "
                f"of whom {words[0]} is the first",
                file=table,
                field=name,
                remedy="leave the cell empty where the value is unknown; where the values are "
                "categories, write each with a letter, such as T1 for 1",
            )


def _disguised(values: Sequence[str], table: str, name: str) -> CohortError | None:
    """The problem where numbers are all written as text, or the values are dates."""
    words = [text for text in values if as_number(text) is None]
    if not words:
        return None
    if all(_DATE.fullmatch(text) for text in words):
        return CohortError(
            f"holds dates of {len(words)} patients, which would be categories",
            file=table,
            field=name,
            remedy="give the number that is meant, such as days since the start of therapy, or "
            "leave the column out of data.covariates",
        )
    # One of them among plain numbers may be a slip; that is told with the patient's name.
    if len(words) > 1 and all(_SPOILED_NUMBER.fullmatch(text) for text in words):
        return CohortError(
            f"holds numbers of {len(words)} patients that are written as text, with a decimal "
            "comma or a per cent sign; they would be categories",
            file=table,
            field=name,
            remedy="write them with a decimal point and without a unit",
        )
    return None

"""What kind of values a clinical column holds: numbers or text, and never both."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from pcrnet.cohort.table import Patient
from pcrnet.errors import CohortError


def as_number(text: str) -> float | None:
    """The finite number that a cell holds, in the unit of its column; None where it holds none."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def number_of(patient: Patient, name: str) -> float | None:
    """The number in a column that held numbers in training; None where it is unknown.

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
    """A problem for each column that holds numbers of some patients and text of others.

    Whoever is left out of a fit would decide whether it takes the column for numbers or for
    categories: one word among ages makes of every age a category of its own, which teaches nothing.

    Args:
        patients: Who enters.
        names: The columns.
        table: Name of the cohort table.
    """
    for name in names:
        known = [(patient, text) for patient in patients if (text := patient.covariates.get(name))]
        words = [patient.patient_id for patient, text in known if as_number(text) is None]
        if 0 < len(words) < len(known):
            yield CohortError(
                f"holds numbers of {len(known) - len(words)} patients and text of {len(words)}, "
                f"of whom {words[0]} is the first",
                file=table,
                field=name,
                remedy="leave the cell empty where the value is unknown; where the values are "
                "categories, write each with a letter, such as T1 for 1",
            )

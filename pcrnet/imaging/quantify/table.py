"""``quantities.csv``: one row a patient, one column a quantity with its unit in the name."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from pcrnet.errors import CohortError
from pcrnet.storage import write_text

_PATIENT = "patient_id"


def write_quantities(
    path: Path, names: Sequence[str], patients: Mapping[str, Mapping[str, float]]
) -> None:
    """Write the table; what was not measured is an empty cell.

    Args:
        path: The table.
        names: Quantities in the order of the columns.
        patients: Patient to quantity to value.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([_PATIENT, *names])
    for patient, values in patients.items():
        cells = (values.get(name, math.nan) for name in names)
        writer.writerow([patient, *("" if math.isnan(v) else repr(float(v)) for v in cells)])
    write_text(path, text.getvalue())


def read_quantities(path: Path) -> dict[str, dict[str, float]]:
    """Patient to quantity to value, NaN for an empty cell.

    Raises:
        CohortError: No such table, a patient twice, or a cell that is no number.
    """
    try:
        rows = list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8-sig"))))
    except (OSError, UnicodeDecodeError):
        raise CohortError(
            "cannot be read as a table", file=path.name, remedy="give the quantities.csv of a run"
        ) from None
    patients: dict[str, dict[str, float]] = {}
    for line, row in enumerate(rows, start=2):
        patient = row.pop(_PATIENT, None)
        if not patient or patient in patients:
            raise CohortError(
                "expected each patient once in the column patient_id",
                file=f"{path.name} row {line}",
                field=_PATIENT,
                remedy="write the table anew",
            )
        patients[patient] = {
            name: _value(cell, path, line, name) for name, cell in row.items() if name
        }
    return patients


def _value(cell: str | None, path: Path, line: int, name: str) -> float:
    if not cell:
        return math.nan
    try:
        value = float(cell)
    except ValueError:
        value = math.inf
    if not math.isfinite(value):
        raise CohortError(
            "expected a finite number or an empty cell",
            file=f"{path.name} row {line}",
            field=name,
            remedy="write the table anew, or empty the cell",
        )
    return value

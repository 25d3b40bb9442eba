"""Outcomes that come weeks after a prediction: from a table into the log."""

from __future__ import annotations

from pathlib import Path

from pcrnet.cohort.csv_file import read_rows
from pcrnet.cohort.outcome import HEADS, OutcomeDefinition, parse_outcome
from pcrnet.errors import CohortError, PcrnetError, ProblemListError
from pcrnet.monitoring.log import append, outcome_record, read_log

_COLUMNS = ("ypT", "ypN", *HEADS)


def add_outcomes(log: Path, table: Path, definition: OutcomeDefinition) -> int:
    """Add to a log what a table knows of its patients and the log does not; returns how many.

    Args:
        log: The log.
        table: CSV with ``patient_id`` and the outcome as in a cohort table; other columns are left
            aside.
        definition: What counts as complete response of the breast.

    Raises:
        ProblemListError: Cells that cannot be an outcome.
        CohortError: A table without patients or outcomes, or with none of the log's patients.
        IntegrityError: The log is damaged.
    """
    header, rows = read_rows(table)
    columns = [name for name in _COLUMNS if name in header]
    if "patient_id" not in header or not columns:
        raise CohortError(
            "expected the column patient_id and an outcome",
            file=table.name,
            remedy=f"add one of the columns {', '.join(_COLUMNS)}",
        )
    known = {one.patient: one.label for one in read_log(log).predictions}
    problems: list[PcrnetError] = []
    records = []
    matched = 0
    for number, cells in rows:
        row = dict(zip(header, cells, strict=False))
        patient = row.get("patient_id", "")
        if patient not in known:
            continue
        matched += 1
        try:
            outcome = parse_outcome(
                {name: row.get(name, "") for name in columns}, definition=definition
            )
        except PcrnetError as error:
            problems.append(error.located(patient=patient, file=f"{table.name} row {number}"))
            continue
        label = {
            head: float(value) for head in HEADS if (value := getattr(outcome, head)) is not None
        }
        if label and label != dict(known[patient]):
            records.append(outcome_record(patient, label))
    if problems:
        raise ProblemListError(f"{table.name} cannot be used as it stands", problems)
    if not matched:
        raise CohortError(
            "none of its patients is in the log",
            file=table.name,
            field="patient_id",
            remedy="use the pseudonyms that were predicted",
        )
    if records:
        append(log, records)
    return len(records)

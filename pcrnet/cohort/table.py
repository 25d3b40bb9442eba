"""The cohort table: one row a patient. Nothing else in pcrnet reads ``cohort.csv``."""

from __future__ import annotations

import itertools
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pcrnet.cohort.cells import find_file, name_problems, parse_days
from pcrnet.cohort.columns import Columns, VisitColumns, read_columns
from pcrnet.cohort.csv_file import read_cohort_text
from pcrnet.cohort.outcome import Head, Outcome, OutcomeDefinition, parse_outcome
from pcrnet.cohort.proposal import propose_settings
from pcrnet.errors import CohortError, ProblemListError
from pcrnet.identity import name_key

_MASK = "mask"
_SETTINGS_OF_SCANS = ("data.timepoints", "data.branches")
"""Fields of the problems that settings can mend as well as the table."""


@dataclass(frozen=True)
class Visit:
    """What was acquired of one patient at one timepoint."""

    timepoint: str
    scans: Mapping[str, Path]
    """Configured channel to the absolute path of its file; channels not acquired are absent."""
    mask: Path | None = None
    days: float | None = None
    """Days from the start of therapy; negative before it."""
    other_scans: Mapping[str, Path] = field(default_factory=dict)
    """Channels that the experiment does not use; the mask may lie on the grid of one of them.
    These files are not checked."""


@dataclass(frozen=True)
class Patient:
    """One row of the table."""

    patient_id: str
    """A pseudonym: it may be shown."""
    row: int
    """Row of the table as a spreadsheet counts: the header is row 1."""
    site: str | None
    visits: Mapping[str, Visit]
    """One for each configured timepoint, in their order, with or without scans."""
    outcome: Outcome
    covariates: Mapping[str, str | None]
    """The named covariates as text; None is unknown."""
    table: str = "cohort.csv"

    @property
    def location(self) -> str:
        """Where the patient stands, for messages."""
        return f"{self.table} row {self.row}"


@dataclass(frozen=True)
class Cohort:
    """A table that has been read whole."""

    path: Path
    patients: tuple[Patient, ...]
    timepoints: tuple[str, ...]
    """Configured timepoints, each with a scan column."""
    channels: tuple[str, ...]
    """Configured channels, each with a column at one timepoint at least."""
    covariates: tuple[str, ...]
    unused_columns: tuple[str, ...]
    """Columns that the experiment leaves aside; clinical covariates may be among them."""
    proposed_settings: str = ""
    """Overrides that fit the table, where its timepoints or channels are others."""
    remarks: tuple[str, ...] = ()
    """What was no plain CSV in UTF-8, and how it was taken, one sentence each."""


def read_cohort(
    path: Path,
    *,
    definition: OutcomeDefinition = "ypT0",
    timepoints: Sequence[str],
    channels: Sequence[str],
    covariates: Sequence[str] = (),
    settings_fixed: bool = False,
) -> Cohort:
    """Read a cohort table and refuse it unless everything about it is in order.

    Args:
        path: The table: CSV in UTF-8 with commas. File cells are relative to its folder.
        definition: What counts as complete response of the breast.
        timepoints: Timepoints to use, in order of time.
        channels: Channels to use.
        covariates: Columns to read as clinical covariates.
        settings_fixed: Whether timepoints and channels are those of a finished model; otherwise
            the error of a table that has others proposes settings that fit it.

    Raises:
        ProblemListError: Whatever is wrong with columns and rows, all of it, as CohortErrors.
        CohortError: The file is no table at all.
    """
    cohort, problems = scan_cohort(
        path,
        definition=definition,
        timepoints=timepoints,
        channels=channels,
        covariates=covariates,
        settings_fixed=settings_fixed,
    )
    if problems:
        raise ProblemListError(f"{path.name} cannot be used as it stands", problems)
    return cohort


def scan_cohort(
    path: Path,
    *,
    definition: OutcomeDefinition = "ypT0",
    timepoints: Sequence[str],
    channels: Sequence[str],
    covariates: Sequence[str] = (),
    settings_fixed: bool = False,
) -> tuple[Cohort, tuple[CohortError, ...]]:
    """Read a cohort table as far as it goes: the sound rows, and all the problems.

    Arguments as :func:`read_cohort`.

    Raises:
        CohortError: The file is no table at all.
    """
    text = read_cohort_text(path)
    header, rows = text.header, text.rows
    columns, problems = read_columns(
        header, timepoints=timepoints, channels=channels, covariates=covariates
    )
    problems = [problem.located(file=f"{path.name} row 1") for problem in problems]
    misfits = [problem for problem in problems if problem.field in _SETTINGS_OF_SCANS]
    fitting = ""
    if misfits and not settings_fixed:
        fitting = propose_settings(
            path.parent, header, rows, timepoints=timepoints, channels=channels
        )
        if fitting:
            misfits[-1].remedy += f"; or give the settings that fit this table: {fitting}"
    patients: list[Patient] = []
    if "patient_id" in header:
        if not rows:
            problems.append(
                CohortError("holds no patients", file=path.name, remedy="write one row a patient")
            )
        for number, cells in rows:
            patient, found = _read_row(path, number, header, cells, columns, definition)
            patients += [patient] if patient is not None else []
            problems += found
        problems += [*_duplicate_patients(patients), *_duplicate_files(patients, columns)]
    faulty = {problem.file for problem in problems}
    cohort = Cohort(
        path=path,
        patients=tuple(patient for patient in patients if patient.location not in faulty),
        timepoints=tuple(timepoints),
        channels=tuple(channels),
        covariates=columns.covariates,
        unused_columns=columns.unused,
        proposed_settings=fitting,
        remarks=text.remarks,
    )
    return cohort, tuple(problems)


def _read_row(
    path: Path,
    number: int,
    header: Sequence[str],
    cells: Sequence[str],
    columns: Columns,
    definition: OutcomeDefinition,
) -> tuple[Patient | None, list[CohortError]]:
    """The patient, without whatever could not be read; and what that was."""
    where = f"{path.name} row {number}"
    if len(cells) != len(header):
        problem = CohortError(
            f"has {len(cells)} cells where the header has {len(header)}",
            file=where,
            remedy="a separator is missing or too many; put text that holds separators in quotes",
        )
        return None, [problem]
    row = dict(zip(header, cells, strict=True))
    patient_id = unicodedata.normalize("NFC", row["patient_id"])
    problems = [*_id_problems(patient_id), *name_problems(row.get("site", ""), "site")]
    try:
        values = {name: row[name] for name in columns.outcomes}
        outcome = parse_outcome(values, definition=definition)
    except ProblemListError as error:
        problems += [found for found in error.problems if isinstance(found, CohortError)]
        outcome = Outcome()
    visits: dict[str, Visit] = {}
    for timepoint, of_visit in columns.visits.items():
        visits[timepoint], found = _read_visit(path.parent, timepoint, row, of_visit)
        problems += found
    problems += _days_problems(visits, columns)
    patient = Patient(
        patient_id=patient_id,
        row=number,
        site=unicodedata.normalize("NFC", row.get("site", "")) or None,
        visits=visits,
        outcome=outcome,
        covariates={name: row[name] or None for name in columns.covariates},
        table=path.name,
    )
    shown = _shown(patient_id)
    return patient, [problem.located(patient=shown, file=where) for problem in problems]


def _shown(patient_id: str) -> str | None:
    """The pseudonym where it is one; what else stands in its cell is not repeated."""
    return None if any(_id_problems(patient_id)) else patient_id


def _id_problems(patient_id: str) -> Iterator[CohortError]:
    if not patient_id:
        yield CohortError(
            "the cell is empty", field="patient_id", remedy="give every patient a pseudonym"
        )
    yield from name_problems(patient_id, "patient_id")


def _read_visit(
    folder: Path, timepoint: str, row: Mapping[str, str], columns: VisitColumns
) -> tuple[Visit, list[CohortError]]:
    problems: list[CohortError] = []
    files: dict[str, Path] = {}
    for suffix, column in [*columns.scans.items(), (_MASK, columns.mask)]:
        try:
            path = find_file(folder, row[column], column) if column else None
        except CohortError as error:
            problems.append(error)
        else:
            files |= {suffix: path} if path is not None else {}
    days: float | None = None
    try:
        days = parse_days(row[columns.days], columns.days) if columns.days else None
    except CohortError as error:
        problems.append(error)
    mask = files.pop(_MASK, None)
    other = {
        of: folder.absolute() / row[name] for of, name in columns.other_scans.items() if row[name]
    }
    return Visit(timepoint, scans=files, mask=mask, days=days, other_scans=other), problems


def _days_problems(visits: Mapping[str, Visit], columns: Columns) -> Iterator[CohortError]:
    dated = [(t, visit.days) for t, visit in visits.items() if visit.days is not None]
    for (earlier, before), (later, after) in itertools.pairwise(dated):
        if after <= before:
            yield CohortError(
                f"the days of {later} are not after those of {earlier}",
                field=columns.visits[later].days,
                remedy="correct the days, or list data.timepoints in order of time",
            )


def _duplicate_patients(patients: Sequence[Patient]) -> Iterator[CohortError]:
    first: dict[str, int] = {}
    for patient in patients:
        key = name_key(patient.patient_id)
        if key and first.setdefault(key, patient.row) != patient.row:
            yield CohortError(
                f"the same patient as in row {first[key]} (case and spaces make no difference)",
                patient=_shown(patient.patient_id),
                file=patient.location,
                field="patient_id",
                remedy="one row a patient: join the two, or give them different pseudonyms",
            )


def _duplicate_files(patients: Sequence[Patient], columns: Columns) -> Iterator[CohortError]:
    first: dict[Path, tuple[str, str]] = {}
    for patient in patients:
        for timepoint, visit in patient.visits.items():
            names = columns.visits[timepoint]
            cells = {names.scans[channel]: path for channel, path in visit.scans.items()}
            if names.mask and visit.mask is not None:
                cells[names.mask] = visit.mask
            here = f"row {patient.row}, {timepoint}"
            for column, path in cells.items():
                cell = f"row {patient.row}, {column}"
                other, there = first.setdefault(path.resolve(), (cell, here))
                if other != cell and not (here == there and may_hold_phases(path)):
                    yield CohortError(
                        f"the same file as {other}",
                        patient=_shown(patient.patient_id),
                        file=patient.location,
                        field=column,
                        remedy="every cell has a file of its own; leave the cell empty if the "
                        "scan was not acquired",
                    )


def may_hold_phases(path: Path) -> bool:
    """Whether several channels of one visit may come from it: a DICOM series of many volumes."""
    return path.is_dir() or path.suffix.lower() == ".zip"


def site_column(patients: Sequence[Patient]) -> tuple[str, ...] | None:
    """Site of each patient, empty where unknown; None when no site is known at all."""
    sites = tuple(patient.site or "" for patient in patients)
    return sites if any(sites) else None


def allowed_cells(patients: Sequence[Patient]) -> NDArray[np.bool_]:
    """The outcome cells (n, 4) that agree with what is known of each patient, in their order."""
    return np.array(
        [patient.outcome.allowed_cells for patient in patients], dtype=np.bool_
    ).reshape(-1, 4)


def label_column(patients: Sequence[Patient], head: Head) -> NDArray[np.float64]:
    """Labels (n,) of one head: 1, 0 or NaN for unknown."""
    values = (getattr(patient.outcome, head) for patient in patients)
    return np.array([np.nan if value is None else float(value) for value in values])

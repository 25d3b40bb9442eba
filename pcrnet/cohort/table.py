"""The cohort table: one row a patient. Nothing else in pcrnet reads ``cohort.csv``."""

from __future__ import annotations

import csv
import io
import itertools
import math
import os
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pcrnet.cohort.columns import Columns, read_columns
from pcrnet.cohort.outcome import Outcome, OutcomeDefinition, parse_outcome
from pcrnet.errors import CohortError, ProblemListError

_LONGEST_ID = 64


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


def read_cohort(
    path: Path,
    *,
    definition: OutcomeDefinition = "ypT0",
    timepoints: Sequence[str],
    channels: Sequence[str],
    covariates: Sequence[str] = (),
) -> Cohort:
    """Read a cohort table and refuse it unless everything about it is in order.

    Args:
        path: The table: CSV in UTF-8 with commas. File cells are relative to its folder.
        definition: What counts as complete response of the breast.
        timepoints: Timepoints to use, in order of time.
        channels: Channels to use.
        covariates: Columns to read as clinical covariates.

    Raises:
        ProblemListError: Whatever is wrong with columns and rows, all of it, as CohortErrors.
        CohortError: The file is no table at all.
    """
    cohort, problems = scan_cohort(
        path, definition=definition, timepoints=timepoints, channels=channels, covariates=covariates
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
) -> tuple[Cohort, tuple[CohortError, ...]]:
    """Read a cohort table as far as it goes: the sound rows, and all the problems.

    Arguments as :func:`read_cohort`.

    Raises:
        CohortError: The file is no table at all.
    """
    header, rows = _read_rows(path)
    columns, problems = read_columns(
        header, timepoints=timepoints, channels=channels, covariates=covariates
    )
    problems = [problem.located(file=f"{path.name} row 1") for problem in problems]
    patients: list[Patient] = []
    if "patient_id" in header:
        if not rows:
            problems.append(
                CohortError("the table has no patients", file=path.name, remedy="one row a patient")
            )
        for number, cells in rows:
            patient, found = _read_patient(
                path,
                number,
                header,
                cells,
                columns=columns,
                timepoints=timepoints,
                definition=definition,
            )
            where = f"{path.name} row {number}"
            problems += [problem.located(file=where) for problem in found]
            if patient is not None:
                patients.append(patient)
        problems += [*_duplicate_patients(path, header, rows), *_duplicate_files(patients, columns)]
    faulty = {problem.file for problem in problems}
    cohort = Cohort(
        path=path,
        patients=tuple(patient for patient in patients if patient.location not in faulty),
        timepoints=tuple(timepoints),
        channels=tuple(channels),
        covariates=columns.covariates,
        unused_columns=columns.unused,
    )
    return cohort, tuple(problems)


def _read_rows(path: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """The header and the rows that hold anything, each with its number."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise CohortError(
            f"cannot be read ({type(error).__name__})",
            file=path.name,
            remedy="give the path of the cohort table in data.cohort",
        ) from error
    except UnicodeDecodeError as error:
        raise CohortError(
            f"is not UTF-8 text (byte {error.start})",
            file=path.name,
            remedy="save it as CSV UTF-8",
        ) from None
    if "\0" in text:
        raise CohortError("is not text", file=path.name, remedy="save it as CSV UTF-8")
    try:
        records = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    except csv.Error as error:
        raise CohortError(
            f"is not well-formed CSV ({error})",
            file=path.name,
            remedy="check the quotation marks, or save the table anew as CSV UTF-8",
        ) from error
    rows = [
        (number, [cell.strip() for cell in cells])
        for number, cells in enumerate(records, start=1)
        if any(cell.strip() for cell in cells)
    ]
    if not rows:
        raise CohortError("is empty", file=path.name, remedy="the first row holds column names")
    header = rows[0][1]
    for separator, label in ((";", "semicolons"), ("\t", "tabs")):
        if len(header) == 1 and separator in header[0]:
            raise CohortError(
                f"its columns are separated by {label}",
                file=path.name,
                remedy="save it as CSV with commas (and decimal points)",
            )
    return header, rows[1:]


def _read_patient(
    path: Path,
    number: int,
    header: Sequence[str],
    cells: Sequence[str],
    *,
    columns: Columns,
    timepoints: Sequence[str],
    definition: OutcomeDefinition,
) -> tuple[Patient | None, list[CohortError]]:
    if len(cells) != len(header):
        return None, [
            CohortError(
                f"has {len(cells)} cells where the header has {len(header)}",
                remedy="a comma is missing or too many; put text that holds commas in quotes",
            )
        ]
    # A column that appears twice has been reported already.
    row = dict(zip(header, cells, strict=True))
    problems: list[CohortError] = []
    problems += [p for name in ("patient_id", "site") for p in _name_problems(row.get(name), name)]
    try:
        outcome = parse_outcome(
            {name: row[name] for name in columns.outcomes}, definition=definition
        )
    except ProblemListError as error:
        problems += [found for found in error.problems if isinstance(found, CohortError)]
        outcome = Outcome()
    visits = {
        timepoint: _read_visit(path.parent, timepoint, row, columns, problems)
        for timepoint in timepoints
    }
    problems += _days_problems(visits, columns)
    patient_id = unicodedata.normalize("NFC", row["patient_id"])
    patient = Patient(
        patient_id=patient_id,
        row=number,
        site=unicodedata.normalize("NFC", row.get("site", "")) or None,
        visits=visits,
        outcome=outcome,
        covariates={name: row[name] or None for name in columns.covariates},
        table=path.name,
    )
    shown = patient_id if not list(_name_problems(patient_id, "patient_id")) else None
    return patient, [problem.located(patient=shown) for problem in problems]


def _name_problems(text: str | None, field_name: str) -> Iterator[CohortError]:
    if text == "" and field_name == "patient_id":
        yield CohortError(
            "the cell is empty", field=field_name, remedy="give every patient a pseudonym"
        )
    if not text:
        return
    if text[0] in "=+-@":
        yield CohortError(
            f"begins with {text[0]}, which spreadsheets run as a formula",
            field=field_name,
            remedy="begin it with a letter or a digit",
        )
    if (
        not text.isprintable()
        or set(text) & set("/\\")
        or text[0] == "."
        or len(text) > _LONGEST_ID
    ):
        yield CohortError(
            f"is not a name of at most {_LONGEST_ID} printable characters without / and \\ "
            "that does not begin with a dot",
            field=field_name,
            remedy="use a pseudonym of letters, digits, - and _",
        )


def _read_visit(
    folder: Path,
    timepoint: str,
    row: Mapping[str, str],
    columns: Columns,
    problems: list[CohortError],
) -> Visit:
    """The visit, leaving out whatever cannot be read; that is added to ``problems``."""

    def path_in(column: str) -> Path | None:
        try:
            return _find_file(folder, row[column]) if row[column] else None
        except CohortError as error:
            problems.append(error.located(field=column))
            return None

    found = {of: path_in(name) for (at, of), name in columns.scans.items() if at == timepoint}
    other = {of: row[name] for (at, of), name in columns.other_scans.items() if at == timepoint}
    days: float | None = None
    if text := row.get(columns.days.get(timepoint, ""), ""):
        try:
            days = float(text)
        except ValueError:
            days = math.nan
        if not math.isfinite(days):
            days = None
            problems.append(
                CohortError(
                    "expected a number of days from the start of therapy, or an empty cell",
                    field=columns.days[timepoint],
                    remedy="write days as 21 or 21.5, negative before the start",
                )
            )
    return Visit(
        timepoint=timepoint,
        scans={channel: path for channel, path in found.items() if path is not None},
        mask=path_in(columns.masks[timepoint]) if timepoint in columns.masks else None,
        days=days,
        other_scans={of: folder.absolute() / text for of, text in other.items() if text},
    )


def _find_file(folder: Path, text: str) -> Path:
    """The absolute path of a cell's file or folder."""
    if not text.isprintable():
        raise CohortError("the path holds control characters", remedy="type the path anew")
    inside = Path(os.path.normpath(text)).parts[:1] != (os.pardir,)
    if not inside:
        # Such a path silently means other files once the folder has been copied elsewhere.
        raise CohortError(
            "the path leads out of the folder of the table",
            remedy="put the table above its images, or give an absolute path",
        )
    path = Path(os.path.normpath(folder.absolute() / text))
    try:
        readable = path.exists() and os.access(path, os.R_OK)
    except OSError:
        readable = False
    if not readable:
        raise CohortError(
            "the file does not exist, or may not be read",
            remedy="write the path with / between folders, relative to the folder of the table"
            if "\\" in text
            else "correct the path, which is relative to the folder of the table, or leave the "
            "cell empty if the scan was not acquired",
        )
    return path


def _days_problems(visits: Mapping[str, Visit], columns: Columns) -> Iterator[CohortError]:
    dated = [(t, visit.days) for t, visit in visits.items() if visit.days is not None]
    for (earlier, before), (later, after) in itertools.pairwise(dated):
        if after <= before:
            yield CohortError(
                f"the days of {later} are not after those of {earlier}",
                field=columns.days[later],
                remedy="correct the days, or list data.timepoints in order of time",
            )


def _duplicate_patients(
    path: Path, header: Sequence[str], rows: Sequence[tuple[int, list[str]]]
) -> Iterator[CohortError]:
    column = header.index("patient_id")
    first: dict[str, int] = {}
    for number, cells in rows:
        if len(cells) != len(header) or not cells[column]:
            continue
        key = "".join(unicodedata.normalize("NFKC", cells[column]).casefold().split())
        if first.setdefault(key, number) != number:
            yield CohortError(
                f"the same patient as in row {first[key]} (case and spaces make no difference)",
                file=f"{path.name} row {number}",
                field="patient_id",
                remedy="one row a patient: join the two, or give them different pseudonyms",
            )


def _duplicate_files(patients: Sequence[Patient], columns: Columns) -> Iterator[CohortError]:
    first: dict[Path, str] = {}
    for patient in patients:
        for visit in patient.visits.values():
            cells = {columns.scans[visit.timepoint, of]: path for of, path in visit.scans.items()}
            if visit.mask is not None:
                cells[columns.masks[visit.timepoint]] = visit.mask
            for column, path in cells.items():
                cell = f"row {patient.row}, {column}"
                if first.setdefault(path.resolve(), cell) != cell:
                    yield CohortError(
                        f"the same file as {first[path.resolve()]}",
                        patient=patient.patient_id,
                        file=patient.location,
                        field=column,
                        remedy="every cell has a file of its own; leave the cell empty if the "
                        "scan was not acquired",
                    )

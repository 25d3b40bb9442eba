"""A plain tree of DICOM folders: its series listed with a proposal each, for the user to confirm.

Two steps, with a table between them that a person reads and corrects:
:func:`list_dicom_tree` writes the listing, :func:`import_dicom_tree` turns it into a cohort table.
Nothing that a tag says of a person enters either: patients are numbered, visits are ordered by
study date, and dates appear as days since the patient's first study.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from pathlib import Path

from pcrnet.csv_text import csv_of_records
from pcrnet.errors import CohortError, ProblemListError
from pcrnet.imaging.dicom.tags import word
from pcrnet.importers.series_folders import SeriesFolder, find_series
from pcrnet.importers.series_proposal import DYNAMIC, modality_of, propose
from pcrnet.importers.spreadsheet import read_sheet
from pcrnet.importers.table_writer import (
    ImportedPatient,
    ImportReport,
    Unmapped,
    path_cell,
    write_import,
)
from pcrnet.processes import Progress
from pcrnet.storage import write_text

DEFAULT_TIMEPOINTS = ("baseline", "interim", "presurgical")
UNDATED = "no study date: name the visit"
PHASES = ("dce_pre", "dce_early", "dce_late")


@dataclass(frozen=True)
class ListedSeries:
    """One line of the listing.

    Attributes:
        patient: Pseudonym, ours.
        timepoint: Proposed name of the visit.
        days_after_first: Days since the patient's first study; "" where a date is missing.
        channel: Proposed channel; "" for none.
        modality: As in DICOM.
        volumes: Phases or b-values in the series.
        units: Of PET as the tag Units has them, of an ADC map its factor to 10⁻³ mm²/s.
        image_type: The known terms of ImageType.
        attenuation_corrected: "yes", "no", or "" where nothing says so.
        note: Why the series cannot be used, or what is doubtful.
        path: Folder or archive, relative to the listing.
    """

    patient: str
    timepoint: str
    days_after_first: str
    channel: str
    modality: str
    volumes: str
    units: str
    image_type: str
    attenuation_corrected: str
    note: str
    path: str


def list_dicom_tree(
    source: Path,
    listing: Path,
    *,
    timepoints: Sequence[str] = DEFAULT_TIMEPOINTS,
    progress: Progress | None = None,
) -> list[ListedSeries]:
    """Write one line for each series folder or archive below a folder.

    Args:
        source: Top of the tree.
        listing: CSV to write, for the user to correct.
        timepoints: Names for a patient's studies in order of their dates.
        progress: Called with series looked at and all of them; first while they are found.

    Raises:
        CohortError: No DICOM series there.
    """
    found = list(find_series(source, progress))
    if not found:
        raise CohortError(
            "the folder holds no DICOM series",
            remedy="give a folder that holds one folder or zip for each series",
        )
    persons = [_person(series, source) for series in found]
    names = {person: f"P{n:03d}" for n, person in enumerate(dict.fromkeys(persons), start=1)}
    visits = _visits(found, persons, timepoints)
    lines = []
    for done, (series, person) in enumerate(zip(found, persons, strict=True), start=1):
        timepoint, days = visits[person, _study(series)]
        proposal = propose(series)
        undated = "" if timepoint else UNDATED
        lines.append(
            ListedSeries(
                patient=names[person],
                timepoint=timepoint,
                days_after_first=days,
                modality=modality_of(series),
                **{**asdict(proposal), "note": proposal.note or undated},
                path=path_cell(series.path, listing.absolute().parent),
            )
        )
        if progress is not None:
            progress(done, len(found))
    lines = _without_doubles(lines)
    columns = [one.name for one in fields(ListedSeries)]
    write_text(listing, csv_of_records(columns, map(asdict, lines)))
    return lines


def import_dicom_tree(
    listing: Path, table: Path, *, timepoints: Sequence[str] = DEFAULT_TIMEPOINTS
) -> ImportReport:
    """Write a cohort table from a confirmed listing. Lines without a channel are left aside.

    Args:
        listing: As :func:`list_dicom_tree` wrote it and the user corrected it.
        table: The ``cohort.csv`` to write. Outcomes are added to it by hand.
        timepoints: Their order; further ones follow in order of name.

    Raises:
        ProblemListError: Two series for one channel of a visit, all such cases.
        CohortError: A listing that cannot be read, or without any channel.
    """
    folder = listing.absolute().parent
    scans: dict[str, dict[tuple[str, str], Path]] = defaultdict(dict)
    unmapped: list[Unmapped] = []
    problems: list[CohortError] = []
    named: dict[str, None] = dict.fromkeys(timepoints)
    channels: dict[str, None] = {}
    for number, row in enumerate(read_sheet(listing), start=2):
        patient, timepoint, channel = (
            row.get(name, "") for name in ("patient", "timepoint", "channel")
        )
        if not channel or not timepoint:
            unmapped.append(Unmapped(patient, row.get("note", "") or "no channel in the listing"))
            continue
        named[timepoint] = None
        for part in PHASES if channel == DYNAMIC else (channel,):
            channels[part] = None
            if (timepoint, part) in scans[patient]:
                problems.append(
                    CohortError(
                        f"a second series for {timepoint}.{part}",
                        patient=patient,
                        file=f"{listing.name} row {number}",
                        remedy="empty the channel of the series that is not meant",
                    )
                )
            scans[patient][timepoint, part] = folder / row.get("path", "")
    if problems:
        raise ProblemListError(f"{listing.name} cannot be used as it stands", problems)
    further = sorted(name for name in named if name not in timepoints)
    return write_import(
        table,
        [ImportedPatient(patient, found) for patient, found in scans.items() if found],
        timepoints=(*timepoints, *further),
        branches={
            "pet": tuple(name for name in channels if name == "pet"),
            "mri": tuple(name for name in channels if name not in ("pet", "mask")),
        },
        unmapped=unmapped,
        remarks=("add the outcomes (ypT, ypN) and days from the start of therapy by hand",),
    )


def _person(series: SeriesFolder, source: Path) -> str:
    """Whose series it is: by PatientID; where that was removed, by the folder below the top."""
    folders = series.path.relative_to(source).parts
    return word(series.header, "PatientID") or f"in {folders[0] if folders else ''}"


def _study(series: SeriesFolder) -> str:
    return word(series.header, "StudyInstanceUID")


def _visits(
    found: Sequence[SeriesFolder], persons: Sequence[str], timepoints: Sequence[str]
) -> Mapping[tuple[str, str], tuple[str, str]]:
    """Study to the name of its visit and its days after the first; both "" without a date."""
    days: dict[str, dict[str, int | None]] = defaultdict(dict)
    for series, person in zip(found, persons, strict=True):
        days[person][_study(series)] = _day(series)
    visits: dict[tuple[str, str], tuple[str, str]] = {}
    for person, studies in days.items():
        dated = sorted({day for day in studies.values() if day is not None})
        for study, day in studies.items():
            if day is None:
                visits[person, study] = ("", "")
                continue
            order = dated.index(day)
            name = timepoints[order] if order < len(timepoints) else f"visit{order + 1}"
            visits[person, study] = (name, str(day - dated[0]))
    return visits


def _day(series: SeriesFolder) -> int | None:
    """The study's day on a continuous count; None where the date is missing or no date."""
    try:
        return datetime.strptime(word(series.header, "StudyDate"), "%Y%m%d").toordinal()
    except ValueError:
        return None


def _without_doubles(lines: Sequence[ListedSeries]) -> list[ListedSeries]:
    """Take back proposals that several series of a visit share: a person has to choose."""
    count: dict[tuple[str, str, str], int] = defaultdict(int)
    for line in lines:
        count[line.patient, line.timepoint, line.channel] += 1
    return [
        ListedSeries(
            **{**asdict(line), "channel": "", "note": f"one of several like {line.channel}"}
        )
        if line.channel and count[line.patient, line.timepoint, line.channel] > 1
        else line
        for line in lines
    ]

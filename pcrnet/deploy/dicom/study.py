"""A folder of DICOM studies as the cohort table that a bundle asks for.

Series are matched to timepoints and channels by the rules of :mod:`pcrnet.importers.dicom_tree`,
without the person who confirms its listing. So nothing is guessed: what several series claim, or
what no rule knows, is left out, and the listing says so.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pcrnet.csv_text import csv_of_records
from pcrnet.errors import BundleError
from pcrnet.importers.dicom_tree import PHASES, UNDATED, ListedSeries, list_dicom_tree
from pcrnet.importers.series_proposal import DYNAMIC
from pcrnet.processes import Progress
from pcrnet.storage import write_text

if TYPE_CHECKING:
    from pcrnet.config.data import DataConfig

TABLE_FILE = "study.csv"


@dataclass(frozen=True)
class MatchedStudies:
    """What a folder of studies came to.

    Attributes:
        table: The cohort table, with every column that the bundle asks for.
        used: ``timepoint.channel`` to the number of patients with that scan.
        left_out: Reason to the number of series.
    """

    table: Path
    used: Mapping[str, int]
    left_out: Mapping[str, int]

    def lines(self) -> list[str]:
        """What was matched and what was not, in words; neither paths nor tags are repeated."""
        found = ", ".join(f"{scan} ({count})" for scan, count in self.used.items())
        left = [f"left out: {why} ({count})" for why, count in self.left_out.items()]
        return [f"matched: {found or 'nothing'}", *left]


def match_studies(
    source: Path,
    folder: Path,
    data: DataConfig,
    covariates: Sequence[str],
    *,
    listing: Path,
    timepoints: Sequence[str] = (),
    progress: Progress | None = None,
) -> MatchedStudies:
    """Match the series below a folder to the timepoints and channels of a bundle.

    Args:
        source: Top of the studies of one patient or of many.
        folder: Where the table is written.
        data: Timepoints and channels of the bundle.
        covariates: Of the bundle; DICOM does not state them, so they are unknown.
        listing: CSV to write: every series, whose it is, what it was taken for, and why not.
        timepoints: What the studies of a patient are in order of their dates; by default the
            bundle's own, from the first.
        progress: As :func:`~pcrnet.importers.dicom_tree.list_dicom_tree`.

    Raises:
        BundleError: A timepoint that the bundle does not know.
        CohortError: No DICOM series there.
    """
    names = tuple(timepoints) or data.timepoints
    for name in names:
        if name not in data.timepoints:
            raise BundleError(
                f"the bundle knows no timepoint {name[:100]}",
                field="timepoints",
                remedy=f"its timepoints are {', '.join(data.timepoints)}",
            )
    series = list_dicom_tree(source, listing, timepoints=names, progress=progress)
    rows: dict[str, dict[str, str]] = defaultdict(dict)
    left_out: Counter[str] = Counter()
    for line in series:
        rows[line.patient]["patient_id"] = line.patient
        columns = [
            f"{line.timepoint}.{channel}"
            for channel in _channels(line, data)
            if line.timepoint in data.timepoints
        ]
        if not columns:
            left_out[_why_not(line, data)] += 1
        path = str((listing.absolute().parent / line.path).resolve())
        rows[line.patient] |= dict.fromkeys(columns, path)
    scans = [f"{timepoint}.{name}" for timepoint in data.timepoints for name in data.channels]
    table = folder / TABLE_FILE
    header = ["patient_id", *scans, *covariates]
    empty = dict.fromkeys(header, "")
    write_text(table, csv_of_records(header, [empty | row for row in rows.values()]))
    used = {scan: sum(scan in row for row in rows.values()) for scan in scans}
    return MatchedStudies(
        table, {scan: count for scan, count in used.items() if count}, dict(left_out.most_common())
    )


def _channels(line: ListedSeries, data: DataConfig) -> Iterator[str]:
    """The channels of the bundle that a series holds: one, or the phases of a dynamic series."""
    parts = PHASES if line.channel == DYNAMIC else (line.channel,)
    yield from (part for part in parts if part in data.channels)


def _why_not(line: ListedSeries, data: DataConfig) -> str:
    if not line.channel:
        return line.note or "no channel could be told"
    if not line.timepoint:
        return UNDATED
    if line.timepoint not in data.timepoints:
        return f"a visit beyond the {len(data.timepoints)} timepoints of the bundle"
    return f"the bundle has no channel {line.channel}"

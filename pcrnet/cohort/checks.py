"""What a cohort holds and what is wrong with it: the answer of ``pcrnet check``."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pcrnet.cohort.outcome import CELLS, HEADS, Head
from pcrnet.cohort.table import Cohort, Patient, Visit, scan_cohort
from pcrnet.config import Experiment, ImagingConfig
from pcrnet.errors import PcrnetError
from pcrnet.imaging.preprocess import read_cell, require_known_grid
from pcrnet.imaging.reader import MASK
from pcrnet.imaging.volume import Volume

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table


@dataclass(frozen=True)
class HeadCounts:
    """How many patients have each answer for one outcome."""

    responders: int
    residual: int
    unknown: int


@dataclass(frozen=True)
class CohortReport:
    """A cohort in numbers. Patients are the rows without a problem in the table."""

    table: str
    patients: int
    too_few_scans: int
    """Patients below ``data.minimum_scans``, who do not enter."""
    sites: Mapping[str, int]
    """Site to patients; the empty name stands for an unknown site."""
    timepoints: tuple[str, ...]
    channels: tuple[str, ...]
    scans: Mapping[tuple[str, str], int]
    """Timepoint and channel to patients with that scan."""
    masks: Mapping[str, int]
    days: Mapping[str, int]
    missing: tuple[tuple[tuple[str, ...], int], ...]
    """Which scans are missing together, and in how many patients; the most frequent first."""
    outcomes: Mapping[Head, HeadCounts]
    cells: tuple[int, int, int, int]
    """Patients in each of the cells (yT0, yN0) of :data:`~pcrnet.cohort.outcome.CELLS`."""
    covariates: Mapping[str, int]
    """Covariate to patients in whom it is known."""
    unused_columns: tuple[str, ...]
    problems: tuple[PcrnetError, ...]


def check_cohort(
    path: Path,
    experiment: Experiment,
    *,
    read_images: bool = True,
    progress: Callable[[int, int], None] | None = None,
) -> CohortReport:
    """Look at a whole cohort as the experiment would, going on past every problem.

    Args:
        path: The cohort table.
        experiment: Its timepoints, channels, covariates and outcome definition.
        read_images: Read every image to its end: geometry, units, checksums, masks.
        progress: Called with patients looked at and patients in all.

    Raises:
        CohortError: The file is no table at all.
    """
    data = experiment.data
    cohort, table_problems = scan_cohort(
        path,
        definition=experiment.outcome.definition,
        timepoints=data.timepoints,
        channels=data.channels,
        covariates=data.covariates or (),
    )
    image_problems = list(_image_problems(cohort, experiment, progress)) if read_images else []
    return _report(cohort, data.minimum_scans, (*table_problems, *image_problems))


def _report(cohort: Cohort, minimum: int, problems: tuple[PcrnetError, ...]) -> CohortReport:
    patients = cohort.patients
    scans = {(t, c): 0 for t in cohort.timepoints for c in cohort.channels}
    missing: Counter[tuple[str, ...]] = Counter()
    too_few = 0
    for patient in patients:
        present = [(t, c) for t, visit in patient.visits.items() for c in visit.scans]
        for scan in present:
            scans[scan] += 1
        missing[tuple(f"{t}.{c}" for t, c in scans if (t, c) not in present)] += 1
        too_few += len(present) < minimum
    cells = Counter(
        (patient.outcome.yT0, patient.outcome.yN0)
        for patient in patients
        if None not in (patient.outcome.yT0, patient.outcome.yN0)
    )
    both, breast, nodes, neither = (cells[cell] for cell in CELLS)
    visits = [(t, visit) for patient in patients for t, visit in patient.visits.items()]
    return CohortReport(
        table=cohort.path.name,
        patients=len(patients),
        too_few_scans=too_few,
        sites=dict(sorted(Counter(patient.site or "" for patient in patients).items())),
        timepoints=cohort.timepoints,
        channels=cohort.channels,
        scans=scans,
        masks={
            t: sum(at == t and v.mask is not None for at, v in visits) for t in cohort.timepoints
        },
        days={
            t: sum(at == t and v.days is not None for at, v in visits) for t in cohort.timepoints
        },
        missing=tuple((names, n) for names, n in missing.most_common() if names),
        outcomes={head: _head_counts(patients, head) for head in HEADS},
        cells=(both, breast, nodes, neither),
        covariates={
            name: sum(patient.covariates[name] is not None for patient in patients)
            for name in cohort.covariates
        },
        unused_columns=cohort.unused_columns,
        problems=problems,
    )


def _head_counts(patients: tuple[Patient, ...], head: Head) -> HeadCounts:
    counts = Counter(getattr(patient.outcome, head) for patient in patients)
    return HeadCounts(responders=counts[True], residual=counts[False], unknown=counts[None])


def _image_problems(
    cohort: Cohort, experiment: Experiment, progress: Callable[[int, int], None] | None
) -> Iterator[PcrnetError]:
    total = len(cohort.patients)
    # Threads serve: decompression and numpy leave Python's lock.
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        found = pool.map(
            lambda patient: _patient_problems(patient, experiment.imaging), cohort.patients
        )
        for done, problems in enumerate(found, start=1):
            yield from problems
            if progress is not None:
                progress(done, total)


def _patient_problems(patient: Patient, imaging: ImagingConfig) -> list[PcrnetError]:
    return [
        problem.located(patient=patient.patient_id, file=patient.location)
        for visit in patient.visits.values()
        for problem in _visit_problems(visit, imaging)
    ]


def _visit_problems(visit: Visit, imaging: ImagingConfig) -> Iterator[PcrnetError]:
    read: list[Volume] = []
    for channel, path in visit.scans.items():
        try:
            read.append(read_cell(visit, channel, path, imaging))
        except PcrnetError as error:
            yield error
    if visit.mask is not None:
        try:
            mask = read_cell(visit, MASK, visit.mask, imaging)
            if len(read) == len(visit.scans):  # else its grid may be that of an unreadable scan
                require_known_grid(mask, visit, read)
        except PcrnetError as error:
            yield error


def render_report(report: CohortReport) -> RenderableType:
    """The report as tables for a terminal."""
    from rich.console import Group
    from rich.text import Text

    heading = f"{report.table}: {report.patients} patients without a problem in the table"
    if report.too_few_scans:
        heading += f", of whom {report.too_few_scans} have too few scans to enter"
    parts: list[RenderableType] = [Text(heading, style="bold"), Text(), _scan_table(report)]
    if report.missing:
        parts.append(_pattern_table(report))
    parts += [_outcome_table(report), _cell_table(report)]
    if set(report.sites) - {""}:
        parts.append(_count_table("Sites", "site", report.sites))
    if report.covariates:
        parts.append(_count_table("Covariates", "known in", report.covariates))
    if report.unused_columns:
        parts.append(Text(f"Columns not used: {', '.join(report.unused_columns)}"))
    parts.append(_problem_text(report))
    return Group(*parts)


def _new_table(title: str, *columns: str) -> Table:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    for position, column in enumerate(columns):
        table.add_column(column, justify="left" if position == 0 else "right")
    return table


def _scan_table(report: CohortReport) -> Table:
    table = _new_table("Scans present", "", *report.channels, "mask", "days")
    for timepoint in report.timepoints:
        counts = [report.scans[timepoint, channel] for channel in report.channels]
        counts += [report.masks[timepoint], report.days[timepoint]]
        table.add_row(timepoint, *map(str, counts))
    return table


def _pattern_table(report: CohortReport) -> Table:
    table = _new_table("Missing together", "scans", "patients")
    for names, count in report.missing:
        table.add_row(_pattern(names, report), str(count))
    return table


def _pattern(names: tuple[str, ...], report: CohortReport) -> str:
    """Missing scans in words; a visit without any scan is named once."""
    words: list[str] = []
    for timepoint in report.timepoints:
        of_visit = [name for name in names if name.startswith(f"{timepoint}.")]
        whole = len(of_visit) == len(report.channels)
        words += [f"all of {timepoint}"] if whole else of_visit
    return ", ".join(words)


def _outcome_table(report: CohortReport) -> Table:
    table = _new_table("Outcomes", "", "complete response", "residual disease", "unknown")
    for head, counts in report.outcomes.items():
        table.add_row(head, str(counts.responders), str(counts.residual), str(counts.unknown))
    return table


def _cell_table(report: CohortReport) -> Table:
    table = _new_table("Breast and nodes, where both are known", "", "yN0 = 1", "yN0 = 0")
    both, breast, nodes, neither = map(str, report.cells)
    table.add_row("yT0 = 1", both, breast)
    table.add_row("yT0 = 0", nodes, neither)
    return table


def _count_table(title: str, label: str, counts: Mapping[str, int]) -> Table:
    table = _new_table(title, label, "patients")
    for name, count in counts.items():
        table.add_row(name or "unknown", str(count))
    return table


def _problem_text(report: CohortReport) -> RenderableType:
    from rich.text import Text

    if not report.problems:
        return Text("\nNo problems found.", style="green")
    text = Text(f"\n{len(report.problems)} problems\n", style="bold red")
    for problem in report.problems:
        text.append(f"- {problem}\n", style="default")
    return text

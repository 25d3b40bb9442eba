"""What a cohort holds and what is wrong with it: the answer of ``pcrnet check``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from pcrnet.cohort.covariates import mixed_covariates
from pcrnet.cohort.outcome import CELLS, HEADS, Head
from pcrnet.cohort.outcome_counts import HeadCounts
from pcrnet.cohort.table import Cohort, Patient, Visit, scan_cohort
from pcrnet.config.experiment import Experiment
from pcrnet.config.imaging import ImagingConfig
from pcrnet.errors import GeometryError, PcrnetError
from pcrnet.imaging.digests import DigestMemo
from pcrnet.imaging.known_scans import repeated_scans
from pcrnet.imaging.lesion.location import SURE, locate_lesion
from pcrnet.imaging.patient_scans import read_cell, require_known_grid
from pcrnet.imaging.reader import MASK
from pcrnet.imaging.volume import Volume
from pcrnet.machine import available_cores
from pcrnet.review.channel_rules import rules_in_words


@dataclass(frozen=True)
class ScanWarning:
    """What was concluded while a scan was read, and what its user should know.

    Attributes:
        patient: Pseudonym.
        column: ``<timepoint>.<channel>``.
        text: In words of pcrnet's own; it quotes no tag.
    """

    patient: str
    column: str
    text: str


@dataclass(frozen=True)
class UnsureLesion:
    """A lesion that was found without a mask, and not surely.

    Attributes:
        patient: Pseudonym.
        quality: 0 to 1, below :data:`SURE`; None where nothing was found.
    """

    patient: str
    quality: float | None


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
    warnings: tuple[ScanWarning, ...]
    problems: tuple[PcrnetError, ...]
    without_mask: int = 0
    """Patients without any mask, whose lesion is looked for."""
    unsure: tuple[UnsureLesion, ...] = ()
    """Those of them in whom no lesion is found, or one of low quality; the least sure first."""
    proposed_settings: str = ""
    """Overrides that fit the table, where its timepoints or channels are others."""
    channel_rules: tuple[str, ...] = ()
    """What each channel is taken for, and what follows that a user may not expect."""
    remarks: tuple[str, ...] = ()
    """How the file was taken where it is no plain CSV."""


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
    findings = list(_read_images(cohort, experiment, progress)) if read_images else []
    problems = (
        *table_problems,
        *mixed_covariates(cohort.patients, cohort.covariates, cohort.path.name),
        *(problem for found in findings for problem in found.problems),
        *(repeated_scans(cohort.patients, DigestMemo(None)) if read_images else ()),
    )
    warnings = tuple(warning for found in findings for warning in found.warnings)
    unsure = sorted(
        (found.unsure for found in findings if found.unsure is not None),
        key=lambda one: -1.0 if one.quality is None else one.quality,
    )
    report = _report(cohort, data.minimum_scans, warnings, problems, tuple(unsure))
    rules = tuple(rules_in_words(data, experiment.imaging))
    return replace(report, channel_rules=rules, remarks=cohort.remarks)


def _report(
    cohort: Cohort,
    minimum: int,
    warnings: tuple[ScanWarning, ...],
    problems: tuple[PcrnetError, ...],
    unsure: tuple[UnsureLesion, ...],
) -> CohortReport:
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
        warnings=warnings,
        problems=problems,
        without_mask=sum(_without_mask(patient) for patient in patients),
        unsure=unsure,
        proposed_settings=cohort.proposed_settings,
    )


def _head_counts(patients: tuple[Patient, ...], head: Head) -> HeadCounts:
    counts = Counter(getattr(patient.outcome, head) for patient in patients)
    return HeadCounts(responders=counts[True], residual=counts[False], unknown=counts[None])


@dataclass(frozen=True)
class _Findings:
    """What reading the images of one patient brought up."""

    problems: tuple[PcrnetError, ...]
    warnings: tuple[ScanWarning, ...]
    unsure: UnsureLesion | None


def _read_images(
    cohort: Cohort, experiment: Experiment, progress: Callable[[int, int], None] | None
) -> Iterator[_Findings]:
    total = len(cohort.patients)
    # Threads serve: decompression and numpy leave Python's lock.
    with ThreadPoolExecutor(available_cores()) as pool:
        found = pool.map(
            lambda patient: _read_patient(patient, experiment.imaging), cohort.patients
        )
        for done, findings in enumerate(found, start=1):
            yield findings
            if progress is not None:
                progress(done, total)


def _read_patient(patient: Patient, imaging: ImagingConfig) -> _Findings:
    problems: list[PcrnetError] = []
    warnings: list[ScanWarning] = []
    first: dict[str, Volume] = {}
    for visit in patient.visits.values():
        read: dict[str, Volume] = {}
        for channel, path in visit.scans.items():
            try:
                scan = read_cell(visit, channel, path, imaging)
            except PcrnetError as error:
                problems.append(error)
                continue
            read[channel] = scan.volume
            column = f"{visit.timepoint}.{channel}"
            texts = scan.provenance.warnings
            warnings += [ScanWarning(patient.patient_id, column, text) for text in texts]
        problems += _mask_problems(visit, list(read.values()), imaging)
        first = first or read
    unsure = None
    if first and not problems and _without_mask(patient):
        unsure = _look_for_lesion(patient.patient_id, first, imaging)
    located = (of.located(patient=patient.patient_id, file=patient.location) for of in problems)
    return _Findings(tuple(located), tuple(warnings), unsure)


def _without_mask(patient: Patient) -> bool:
    visits = patient.visits.values()
    return any(visit.scans for visit in visits) and all(visit.mask is None for visit in visits)


def _look_for_lesion(
    patient: str, volumes: Mapping[str, Volume], imaging: ImagingConfig
) -> UnsureLesion | None:
    kinds = {channel: imaging.channel_kind(channel) for channel in volumes}
    try:
        lesion = locate_lesion({"": volumes}, {}, kinds)
    except GeometryError:  # scans that do not overlap are told of where they are used
        return UnsureLesion(patient, None)
    if lesion.source == "none":
        return UnsureLesion(patient, None)
    return UnsureLesion(patient, lesion.quality) if lesion.quality < SURE else None


def _mask_problems(
    visit: Visit, read: Sequence[Volume], imaging: ImagingConfig
) -> list[PcrnetError]:
    if visit.mask is None:
        return []
    try:
        mask = read_cell(visit, MASK, visit.mask, imaging).volume
        if len(read) == len(visit.scans):  # else its grid may be that of an unreadable scan
            require_known_grid(mask, visit, read)
    except PcrnetError as error:
        return [error]
    return []

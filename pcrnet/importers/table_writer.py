"""The cohort table that an import ends in, its configuration, and what was left aside."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pcrnet.cohort.outcome import OUTCOME_COLUMNS, OutcomeDefinition
from pcrnet.config.plain_yaml import plain_text
from pcrnet.csv_text import csv_text
from pcrnet.errors import CohortError
from pcrnet.storage import write_text


@dataclass(frozen=True)
class Unmapped:
    """Something of the source that is not in the table.

    Attributes:
        subject: Whose, or what: a pseudonym, a column, a kind of file.
        reason: Why, in a few words; equal reasons are counted together.
    """

    subject: str
    reason: str


@dataclass(frozen=True)
class ImportedPatient:
    """One row of the table to be.

    Attributes:
        patient_id: Pseudonym.
        scans: Timepoint and channel to file or folder; ``mask`` is a channel here.
        site: Centre or scanner, if known.
        days: Timepoint to days from the start of therapy, where known.
        outcome: Outcome column to text.
        covariates: Clinical covariate to text.
    """

    patient_id: str
    scans: Mapping[tuple[str, str], Path]
    site: str = ""
    days: Mapping[str, float] = field(default_factory=dict)
    outcome: Mapping[str, str] = field(default_factory=dict)
    covariates: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ImportReport:
    """What an import has written and what it has not.

    Attributes:
        table: The cohort table.
        settings: YAML beside it with the keys that belong to the table: ``pcrnet train THIS``.
        patients: Rows written.
        scans: Timepoint and channel to patients with that scan.
        unmapped: Everything left aside.
        remarks: What was assumed, and what the user should check.
    """

    table: Path
    settings: Path
    patients: int
    scans: Mapping[tuple[str, str], int]
    unmapped: tuple[Unmapped, ...]
    remarks: tuple[str, ...]

    def lines(self) -> list[str]:
        """The report as text: counts, remarks, then each reason with the first subjects."""
        written = f"{self.patients} patients written to {self.table.name}"
        lines = [f"{written}, settings for them to {self.settings.name}"]
        lines += [f"  {t}.{channel}: {count}" for (t, channel), count in self.scans.items()]
        lines += [f"note: {remark}" for remark in self.remarks]
        counts = Counter(item.reason for item in self.unmapped)
        for reason, count in counts.most_common():
            subjects = [item.subject for item in self.unmapped if item.reason == reason]
            shown = ", ".join(subjects[:5]) + (", …" if count > 5 else "")
            lines.append(f"not mapped: {reason} ({count}: {shown})")
        return lines


def write_import(
    table: Path,
    patients: Sequence[ImportedPatient],
    *,
    timepoints: Sequence[str],
    branches: Mapping[str, Sequence[str]],
    definition: OutcomeDefinition | None = None,
    unmapped: Sequence[Unmapped] = (),
    remarks: Sequence[str] = (),
) -> ImportReport:
    """Write ``cohort.csv`` and the configuration that fits it.

    Args:
        table: The table to write; a YAML file of the same name is written beside it.
        patients: The rows.
        timepoints: In order of time; those without any scan are left out.
        branches: Branch to channels; those without any scan are left out.
        definition: What complete response means in the source; None where nothing is known of it.
        unmapped: What was left aside.
        remarks: What was assumed.

    Raises:
        CohortError: No patient with any scan.
    """
    counts = Counter(key for patient in patients for key in patient.scans)
    used = [t for t in timepoints if any(of == t for of, channel in counts if channel != "mask")]
    kept = {
        branch: [c for c in channels if any(counts[t, c] for t in used)]
        for branch, channels in branches.items()
    }
    kept = {branch: channels for branch, channels in kept.items() if channels}
    if not used or not kept:
        raise CohortError(
            "no scan was recognised in this folder",
            file=table.name,
            remedy="check that the folder is the top of the data set, in its published layout",
        )
    channels = [*(channel for names in kept.values() for channel in names), "mask"]
    scans = [(t, c) for t in used for c in channels if counts[t, c]]
    _write_table(table, patients, scans, used)
    covariates = list(dict.fromkeys(name for patient in patients for name in patient.covariates))
    data: dict[str, object] = {
        "cohort": str(table.absolute()),
        "timepoints": used,
        "branches": kept,
    }
    values: dict[str, object] = {"data": data}
    if definition is not None:
        values["outcome"] = {"definition": definition}
    settings = table.with_suffix(".yaml")
    head = (
        f"# The cohort in {table.name}. Possible covariates: {', '.join(covariates) or 'none'}.\n"
    )
    write_text(settings, head + plain_text(values))
    return ImportReport(
        table=table,
        settings=settings,
        patients=len(patients),
        scans={key: counts[key] for key in scans},
        unmapped=tuple(unmapped),
        remarks=tuple(remarks),
    )


def _write_table(
    table: Path,
    patients: Sequence[ImportedPatient],
    scans: Sequence[tuple[str, str]],
    timepoints: Sequence[str],
) -> None:
    outcomes = [name for name in OUTCOME_COLUMNS if any(name in p.outcome for p in patients)]
    covariates = list(dict.fromkeys(name for p in patients for name in p.covariates))
    dated = [t for t in timepoints if any(t in p.days for p in patients)]
    sited = any(p.site for p in patients)
    rows: list[list[str]] = [
        [
            "patient_id",
            *(["site"] if sited else []),
            *(f"{t}.{channel}" for t, channel in scans),
            *(f"{t}.days" for t in dated),
            *outcomes,
            *covariates,
        ]
    ]
    folder = table.absolute().parent
    for patient in patients:
        rows.append(
            [
                patient.patient_id,
                *([patient.site] if sited else []),
                *(path_cell(patient.scans.get(key), folder) for key in scans),
                *(f"{patient.days[t]:g}" if t in patient.days else "" for t in dated),
                *(patient.outcome.get(name, "") for name in outcomes),
                *(patient.covariates.get(name, "") for name in covariates),
            ]
        )
    write_text(table, csv_text(rows))


def path_cell(path: Path | None, folder: Path) -> str:
    """Relative below the table's folder, so that both can move together; absolute elsewhere."""
    if path is None:
        return ""
    path = path.absolute()
    return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else str(path)

"""BIDS: ``sub-<label>/[ses-<label>/]<pet|anat|dwi>/…`` with JSON sidecars.

PET in Bq/mL is brought to SUVbw by its sidecar and written beside the table.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pcrnet.cohort.outcome import OUTCOME_COLUMNS
from pcrnet.errors import CohortError, ImageError, IntegrityError
from pcrnet.imaging.nifti.file import read_nifti, write_nifti
from pcrnet.imaging.volume import Volume
from pcrnet.importers.bids_pet import participant_weight_kg, read_sidecar, suv_factor
from pcrnet.importers.layout import Layout
from pcrnet.importers.spreadsheet import known, read_sheet
from pcrnet.importers.table_writer import (
    ImportedPatient,
    ImportReport,
    Unmapped,
    write_import,
)
from pcrnet.processes import Progress
from pcrnet.storage import read_record

DEFAULT_FILES: Mapping[str, str] = {
    "pet": "pet/*_pet.nii*",
    "t1": "anat/*_T1w.nii*",
    "t2": "anat/*_T2w.nii*",
    "adc": "dwi/*_ADC.nii*",
    "mask": "anat/*_mask.nii*",
}
"""Channel to the files of a session. BIDS has no suffix for DCE phases: name them yourself."""

PET = "pet"
"""The channel whose values need their sidecar."""
_SINGLE_SESSION = "baseline"


def import_bids(
    source: Path,
    table: Path,
    *,
    files: Mapping[str, str] = DEFAULT_FILES,
    progress: Progress | None = None,
) -> ImportReport:
    """Write a cohort table of a BIDS data set.

    Sessions become timepoints in the order of their labels, with the labels as names. Columns of
    ``participants.tsv`` become covariates, or outcomes where they bear the names of the contract.

    Args:
        source: Folder of ``dataset_description.json``.
        table: The ``cohort.csv`` to write; converted PET goes into ``suv`` beside it.
        files: Channel to a glob below the session's folder.
        progress: Called with subjects looked at and all of them.

    Raises:
        CohortError: No scan was recognised.
    """
    facts, described = _participants(source)
    patients: list[ImportedPatient] = []
    unmapped: list[Unmapped] = []
    timepoints: set[str] = set()
    unstated = 0
    subjects = sorted(path for path in source.glob("sub-*") if path.is_dir())
    for done, subject in enumerate(subjects, start=1):
        row = {name: known(cell) for name, cell in facts.get(subject.name, {}).items()}
        scans: dict[tuple[str, str], Path] = {}
        for session in sorted(subject.glob("ses-*")) or [subject]:
            timepoint = _timepoint(session, subject)
            timepoints.add(timepoint)
            found = _find(session, files, f"{subject.name} {timepoint}", unmapped)
            if (pet := found.pop(PET, None)) is not None:
                out = table.parent / "suv" / f"{subject.name}_{timepoint}_pet.nii.gz"
                weight_kg = participant_weight_kg(row, described)
                try:
                    sidecar = read_sidecar(pet, source)
                    found[PET] = _as_suv(pet, out, suv_factor(sidecar, weight_kg))
                    unstated += "AttenuationCorrection" not in sidecar
                except ImageError as error:
                    field = f" ({error.field})" if error.field else ""
                    reason = f"PET: {error.problem}{field}"
                    unmapped.append(Unmapped(f"{subject.name} {timepoint}", reason))
            scans |= {(timepoint, channel): path for channel, path in found.items()}
        if scans:
            patients.append(_patient(subject.name, scans, row))
        else:
            unmapped.append(Unmapped(subject.name, "no recognised scan"))
        if progress is not None:
            progress(done, len(subjects))
    return write_import(
        table,
        patients,
        timepoints=sorted(timepoints),
        branches={"pet": (PET,), "mri": tuple(name for name in files if name not in (PET, "mask"))},
        unmapped=unmapped,
        remarks=_remarks(unstated),
    )


def _remarks(unstated: int) -> tuple[str, ...]:
    order = "check the order of the timepoints: it is that of the session labels"
    taken = f"{unstated} PET do not state AttenuationCorrection: they are taken to be corrected"
    return (order, taken) if unstated else (order,)


def _participants(source: Path) -> tuple[dict[str, dict[str, str]], dict[str, Any]]:
    """Rows of ``participants.tsv`` by subject, and what ``participants.json`` says of columns."""
    table = source / "participants.tsv"
    rows = read_sheet(table) if table.is_file() else []
    try:
        described = read_record(table.with_suffix(".json"))
    except IntegrityError:
        described = {}
    by_subject = {row.get("participant_id", ""): row for row in rows}
    return by_subject, described


def _find(
    session: Path, files: Mapping[str, str], whose: str, unmapped: list[Unmapped]
) -> dict[str, Path]:
    """Channel to its file, where exactly one matches."""
    found: dict[str, Path] = {}
    for channel, pattern in files.items():
        paths = sorted(path for path in session.glob(pattern) if not path.name.endswith(".json"))
        if len(paths) == 1:
            found[channel] = paths[0]
        elif paths:
            unmapped.append(Unmapped(whose, f"several files could be {channel}: none is chosen"))
    return found


def _as_suv(image: Path, out: Path, factor: float) -> Path:
    """The PET in SUV: the file itself where it is, else a converted one."""
    if factor == 1.0:
        return image
    array, affine = read_nifti(image)
    write_nifti(Volume(array * np.float32(factor), affine, "SUVbw"), out)
    return out


def _patient(
    name: str, scans: Mapping[tuple[str, str], Path], row: Mapping[str, str]
) -> ImportedPatient:
    return ImportedPatient(
        patient_id=name,
        scans=scans,
        outcome={column: row[column] for column in OUTCOME_COLUMNS if column in row},
        covariates={
            column: cell
            for column, cell in row.items()
            if column not in (*OUTCOME_COLUMNS, "participant_id")
        },
    )


def _timepoint(session: Path, subject: Path) -> str:
    return _SINGLE_SESSION if session == subject else session.name.removeprefix("ses-")


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--file",
        action="append",
        default=[],
        dest="files",
        metavar="CHANNEL=GLOB",
        help="files of a channel below a session's folder, as 't2=anat/*_T2w.nii*'; repeatable",
    )


def _run(
    options: argparse.Namespace, source: Path, table: Path, progress: Progress
) -> Sequence[str]:
    files = {**DEFAULT_FILES, **dict(map(_channel_files, options.files))}
    return import_bids(source, table, files=files, progress=progress).lines()


def _channel_files(text: str) -> tuple[str, str]:
    channel, _, pattern = text.partition("=")
    if not channel or not pattern:
        raise CohortError("expected CHANNEL=GLOB", field="--file")
    return channel, pattern


LAYOUT = Layout(_run, _add_options)

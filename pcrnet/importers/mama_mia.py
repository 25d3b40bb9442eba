"""MAMA-MIA: breast DCE-MRI before neoadjuvant therapy with expert segmentations (Synapse 60868042).

Layout: ``images/<ID>/<id>_000N.nii.gz`` (phase N), ``segmentations/<expert|automatic>/<id>.nii.gz``
and ``clinical_and_imaging_info.xlsx``. Names differ in case between folders, files and the table.
Source: Garrucho et al., Sci Data 2025, doi:10.1038/s41597-025-04707-4.
"""

from __future__ import annotations

import argparse
import itertools
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from pcrnet.config.imaging import DicomConfig
from pcrnet.errors import CohortError
from pcrnet.importers.layout import Layout
from pcrnet.importers.spreadsheet import find_file, known, read_sheet
from pcrnet.importers.table_writer import (
    ImportedPatient,
    ImportReport,
    Unmapped,
    write_import,
)
from pcrnet.processes import Progress

_TABLES = ("clinical_and_imaging_info.xlsx", "clinical_and_imaging_info.csv")
_PHASE = re.compile(r"(?P<patient>.+)_(?P<phase>\d{4})\.nii(?:\.gz)?", re.IGNORECASE)
_GRADES = {"low": "1", "intermediate": "2", "high": "3"}
_COVARIATES = ("age", "hr", "er", "pr", "her2")
_TIMEPOINT = "baseline"


def import_mama_mia(
    source: Path,
    table: Path,
    *,
    segmentations: Literal["expert", "automatic"] = "expert",
    windows: DicomConfig | None = None,
) -> ImportReport:
    """Write a cohort table of the MAMA-MIA data set.

    The published times count from the phase before contrast. Injection is taken to be simultaneous
    with the start of the first enhanced phase, and a phase's time to be its middle, as for DICOM
    series without a recorded injection.

    Args:
        source: Top folder of the data set.
        table: The ``cohort.csv`` to write.
        segmentations: Whose masks.
        windows: Seconds after injection of early and late; the defaults if None.

    Raises:
        CohortError: The folder is not in the published layout.
    """
    images = _folder(source, "images")
    info = find_file(source, _TABLES)
    if info is None:
        raise CohortError(
            f"the folder holds no {_TABLES[0]}",
            remedy="download the table of the data set into its top folder",
        )
    masks = _masks(source, segmentations)
    phases = _phases(images)
    windows = windows or DicomConfig()
    patients: list[ImportedPatient] = []
    unmapped: list[Unmapped] = []
    for row in read_sheet(info, "dataset_info"):
        patient = row.get("patient_id", "")
        found = phases.pop(patient.casefold(), {})
        if not found:
            unmapped.append(Unmapped(patient, "no images"))
            continue
        scans = {(_TIMEPOINT, "dce_pre"): found[0]} if 0 in found else {}
        times_s = _times(row.get("acquisition_times", ""))
        for channel, window in (
            ("dce_early", windows.dce_early_s),
            ("dce_late", windows.dce_late_s),
        ):
            phase = choose_phase(times_s, window)
            if phase in found:
                scans[_TIMEPOINT, channel] = found[phase]
            else:
                low, high = window
                reason = f"no {channel}: no phase {low:g}–{high:g} s after injection"
                unmapped.append(Unmapped(patient, reason if times_s else "no acquisition times"))
        if (mask := masks.get(patient.casefold())) is not None:
            scans[_TIMEPOINT, "mask"] = mask
        else:
            unmapped.append(Unmapped(patient, f"no {segmentations} segmentation"))
        if not known(row.get("pcr", "")):
            unmapped.append(Unmapped(patient, "pCR unknown: the outcome stays empty"))
        patients.append(_patient(patient, row, scans))
    unmapped += [Unmapped(patient, "images of nobody in the table") for patient in phases]
    return write_import(
        table,
        patients,
        timepoints=(_TIMEPOINT,),
        branches={"mri": ("dce_pre", "dce_early", "dce_late")},
        definition="ypT0/is",
        unmapped=unmapped,
        remarks=(
            "pCR of this data set is ypT0/is ypN0: it fills yT0yN0, and the YAML sets "
            "outcome.definition to match",
            "times count from the phase before contrast; injection is taken to be at the start of "
            "the first phase after it",
        ),
    )


def choose_phase(times_s: Sequence[float], window_s: tuple[float, float]) -> int | None:
    """The enhanced phase whose middle lies in a window after injection, nearest to its centre.

    Args:
        times_s: Start of each phase, the first before contrast.
        window_s: Seconds after injection, which is at the start of the second phase.

    Returns:
        Number of the phase, or None where none lies in the window.
    """
    enhanced = [time - times_s[1] for time in times_s[1:]]
    lengths = [later - earlier for earlier, later in itertools.pairwise(enhanced)]
    if not lengths:
        return None
    middles = [time + (lengths + lengths[-1:])[n] / 2 for n, time in enumerate(enhanced)]
    low, high = window_s
    inside = [n for n, middle in enumerate(middles) if low <= middle <= high]
    nearest = min(inside, key=lambda n: abs(middles[n] - (low + high) / 2), default=None)
    return None if nearest is None else nearest + 1


def _folder(source: Path, name: str) -> Path:
    found = find_file(source, (name,)) if source.is_dir() else None
    if found is None or not found.is_dir():
        raise CohortError(
            f"the folder holds no folder {name}",
            remedy="give the top folder of the data set, in its published layout",
        )
    return found


def _phases(images: Path) -> dict[str, dict[int, Path]]:
    """Patient (in small letters) to phase number to file."""
    phases: dict[str, dict[int, Path]] = {}
    for path in sorted(images.rglob("*.nii*")):
        if match := _PHASE.fullmatch(path.name):
            phases.setdefault(match["patient"].casefold(), {})[int(match["phase"])] = path
    return phases


def _masks(source: Path, segmentations: str) -> dict[str, Path]:
    folder = find_file(_folder(source, "segmentations"), (segmentations,))
    files = sorted(folder.glob("*.nii*")) if folder is not None else []
    return {path.name.split(".nii")[0].casefold(): path for path in files}


def _times(text: str) -> list[float]:
    """``[0, 165, 288]`` as numbers; none where it is anything else, or not increasing."""
    try:
        times = [float(part) for part in text.strip("[] ").split(",")]
    except ValueError:
        return []
    increasing = all(later > earlier for earlier, later in itertools.pairwise(times))
    return times if increasing else []


def _patient(
    patient: str, row: Mapping[str, str], scans: Mapping[tuple[str, str], Path]
) -> ImportedPatient:
    covariates = {name: known(row.get(name, "")) for name in _COVARIATES}
    covariates["grade"] = _GRADES.get(row.get("nottingham_grade", "").casefold(), "")
    return ImportedPatient(
        patient_id=patient,
        scans=scans,
        site=known(row.get("site", "")) or known(row.get("dataset", "")),
        outcome={"yT0yN0": known(row.get("pcr", ""))},
        covariates=covariates,
    )


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--segmentations", choices=("expert", "automatic"), default="expert")


def _run(
    options: argparse.Namespace, source: Path, table: Path, progress: Progress
) -> Sequence[str]:
    return import_mama_mia(source, table, segmentations=options.segmentations).lines()


LAYOUT = Layout(_run, _add_options)

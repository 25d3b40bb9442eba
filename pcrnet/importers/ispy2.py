"""I-SPY 2 and ACRIN 6698 as downloaded from TCIA: four visits of breast MRI.

Layout: ``<patient>/<study>/<series>/*.dcm``, at any depth, with the patient (``ISPY2-123456``,
``ACRIN-6698-123456``) in a folder's name. Visits are T0–T3, or V10–V40 in ACRIN's numbering, in
the tag ClinicalTrialTimePointID or in the name of the study's folder. The clinical table is
``ISPY2-Imaging-Cohort-1-Clinical-Data.xlsx`` of the same collection.
"""

from __future__ import annotations

import argparse
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from pcrnet.errors import CohortError, ImageError
from pcrnet.imaging.dicom.tags import word
from pcrnet.importers.analysis_mask import convert_analysis_mask
from pcrnet.importers.layout import Layout
from pcrnet.importers.series_folders import SeriesFolder, find_series
from pcrnet.importers.spreadsheet import known, read_sheet
from pcrnet.importers.table_writer import (
    ImportedPatient,
    ImportReport,
    Unmapped,
    write_import,
)
from pcrnet.processes import Progress

TIMEPOINTS = ("baseline", "interim", "interregimen", "presurgical")
"""T0 before therapy, T1 after three weeks of it, T2 between the regimens, T3 before surgery."""

MaskConvention = Literal["zero", "nonzero"]

_NUMBER = "Patient_ID"
_PATIENT = re.compile(r"(?:ISPY2|ACRIN-6698)-?(?P<number>\d{6})", re.IGNORECASE)
_VISIT = re.compile(r"T(?P<t>[0-3])(?!\d)|V(?P<v>[1-4])0(?!\d)", re.IGNORECASE)
_DYNAMIC = ("dce_pre", "dce_early", "dce_late")
_ANATOMY = re.compile(r"(?<![A-Z0-9])T2|TIRM|STIR")
_NO_ANATOMY = re.compile(r"LOC|SCOUT|VOLSER|DWI|ADC|T2\*|MAP")
_COVARIATES = {"Age_at_Screening": "age", "HR": "hr", "HER2": "her2", "MP": "mammaprint"}


def import_ispy2(
    source: Path,
    table: Path,
    *,
    clinical: Path | None = None,
    analysis_mask: MaskConvention | None = None,
    progress: Progress | None = None,
) -> ImportReport:
    """Write a cohort table of an I-SPY 2 or ACRIN 6698 download.

    Args:
        source: Top folder of the download.
        table: The ``cohort.csv`` to write; converted masks go into ``masks`` beside it.
        clinical: The clinical table, XLSX or CSV; without it the outcome stays empty.
        analysis_mask: Which values of the collection's analysis masks are lesion: ``zero`` as
            published (each bit says why a voxel is left out, 0 is kept), ``nonzero`` for masks
            that somebody has inverted. None leaves masks out.
        progress: Called with folders looked into and all of them.

    Raises:
        CohortError: No scan was recognised, or the clinical table cannot be read.
    """
    facts = _facts(clinical) if clinical is not None else {}
    candidates: dict[str, dict[tuple[str, str], list[Path]]] = defaultdict(
        lambda: defaultdict(list)
    )
    unmapped: list[Unmapped] = []
    for series in find_series(source, progress):
        patient, visit = _patient_of(series, source), _visit_of(series, source)
        kind = classify(series.description)
        if patient is None or visit is None:
            unmapped.append(Unmapped("a series", "neither patient nor visit can be told"))
        elif series.mixed:
            unmapped.append(Unmapped(patient, "a series that shares its folder with others"))
        elif kind is None:
            unmapped.append(Unmapped(patient, "series that are none of the channels"))
        else:
            candidates[patient][visit, kind].append(series.path)
    patients = [
        _patient(
            patient, found, facts.get(patient[-6:]), table.parent / "masks", analysis_mask, unmapped
        )
        for patient, found in sorted(candidates.items())
    ]
    if clinical is not None:
        there = {patient[-6:] for patient in candidates}
        unmapped += [Unmapped(number, "no images") for number in facts if number not in there]
    return write_import(
        table,
        patients,
        timepoints=TIMEPOINTS,
        branches={"mri": (*_DYNAMIC, "t2", "adc")},
        definition="ypT0/is",
        unmapped=unmapped,
        remarks=(
            "pCR of this trial is ypT0/is ypN0: it fills yT0yN0, and the YAML sets "
            "outcome.definition to match",
            "the phases of a dynamic series are picked by seconds after injection when it is read",
            "the days of the visits are not published and stay empty",
        ),
    )


def classify(description: str) -> str | None:
    """The channel of a series by its description in capitals; ``dce`` is all its phases.

    The names are those that the trial's core laboratory gave its processed series, and the usual
    words for the others.
    """
    text = description.replace(":", " ")
    if "ORIGINAL DCE" in text:
        return "dce"
    if "ANALYSIS MASK" in text:
        return "mask"
    if re.match(r"(?:TRT0 +)?ADC\b", text) and "MASK" not in text:
        return "adc"
    if _ANATOMY.search(text) and not _NO_ANATOMY.search(text):
        return "t2"
    return None


def _facts(clinical: Path) -> dict[str, dict[str, str]]:
    """The clinical table by the number of the patient."""
    rows = read_sheet(clinical)
    if any(_NUMBER not in row for row in rows):
        raise CohortError(
            f"has no column {_NUMBER}",
            file=clinical.name,
            remedy="give the clinical table of the collection, as it was published",
        )
    return {row[_NUMBER]: row for row in rows}


def _patient_of(series: SeriesFolder, source: Path) -> str | None:
    for part in reversed(series.path.relative_to(source.parent).parts):
        if match := _PATIENT.search(part):
            return match[0].upper()
    return None


def _visit_of(series: SeriesFolder, source: Path) -> str | None:
    """By the tag first; then by the innermost folder above the series that names a visit."""
    folders = series.path.relative_to(source).parts[:-1]
    for text in (word(series.header, "ClinicalTrialTimePointID"), *reversed(folders)):
        if matches := list(_VISIT.finditer(text)):
            last = matches[-1]
            return TIMEPOINTS[int(last["t"]) if last["t"] else int(last["v"]) - 1]
    return None


def _patient(
    patient: str,
    found: Mapping[tuple[str, str], Sequence[Path]],
    facts: Mapping[str, str] | None,
    masks: Path,
    convention: MaskConvention | None,
    unmapped: list[Unmapped],
) -> ImportedPatient:
    scans: dict[tuple[str, str], Path] = {}
    for (visit, kind), paths in found.items():
        if len(paths) > 1:
            reason = f"several series could be {kind}: none is chosen"
            unmapped.append(Unmapped(f"{patient} {visit}", reason))
        elif kind == "dce":
            scans |= {(visit, channel): paths[0] for channel in _DYNAMIC}
        elif kind != "mask":
            scans[visit, kind] = paths[0]
    for visit in TIMEPOINTS:
        dynamic, mask = scans.get((visit, _DYNAMIC[0])), found.get((visit, "mask"), ())
        if convention is None or dynamic is None or len(mask) != 1:
            continue
        out = masks / f"{patient}_{visit}.nii.gz"
        try:
            convert_analysis_mask(mask[0], dynamic, out, lesion=convention)
            scans[visit, "mask"] = out
        except ImageError as error:
            unmapped.append(Unmapped(f"{patient} {visit}", f"analysis mask: {error.problem}"))
    if facts is None:
        unmapped.append(Unmapped(patient, "not in a clinical table: the outcome stays empty"))
        facts = {}
    return ImportedPatient(
        patient_id=patient,
        scans=scans,
        outcome={"yT0yN0": known(facts.get("pCR", ""))},
        covariates={name: known(facts.get(of, "")) for of, name in _COVARIATES.items()},
    )


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--clinical", type=Path, metavar="TABLE.xlsx", help="the clinical table")
    parser.add_argument(
        "--analysis-mask",
        choices=("zero", "nonzero"),
        help="convert the analysis masks: lesion is where they are zero (as published), or not",
    )


def _run(
    options: argparse.Namespace, source: Path, table: Path, progress: Progress
) -> Sequence[str]:
    return import_ispy2(
        source,
        table,
        clinical=options.clinical,
        analysis_mask=options.analysis_mask,
        progress=progress,
    ).lines()


LAYOUT = Layout(_run, _add_options)

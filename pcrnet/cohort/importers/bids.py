"""BIDS: ``sub-<label>/[ses-<label>/]<pet|anat|dwi>/…`` with JSON sidecars.

PET in Bq/mL is brought to SUVbw by its sidecar (BIDS 1.10, Positron Emission Tomography) and
written beside the table. Nothing is filled in: without dose, weight, half-life or times there is
no SUV.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pcrnet.cohort.importers.spreadsheet import known, read_sheet
from pcrnet.cohort.importers.table_writer import (
    ImportedPatient,
    ImportReport,
    Unmapped,
    write_import,
)
from pcrnet.cohort.outcome import OUTCOME_COLUMNS
from pcrnet.errors import ImageError, UnitError
from pcrnet.imaging.nifti import read_nifti, write_nifti
from pcrnet.imaging.volume import Volume

DEFAULT_FILES: Mapping[str, str] = {
    "pet": "pet/*_pet.nii*",
    "t1": "anat/*_T1w.nii*",
    "t2": "anat/*_T2w.nii*",
    "adc": "dwi/*_ADC.nii*",
    "mask": "anat/*_mask.nii*",
}
"""Channel to the files of a session. BIDS has no suffix for DCE phases: name them yourself."""

_BECQUEREL = {"Bq": 1.0, "kBq": 1e3, "MBq": 1e6, "GBq": 1e9}
_HALF_LIFE_S = {"F18": 6586.2}
"""Of the radionuclide that the sidecar names: 109.77 min."""
_WEIGHT_COLUMNS = ("weight", "body_weight", "weight_kg")
_SINGLE_SESSION = "baseline"


def import_bids(
    source: Path, table: Path, *, files: Mapping[str, str] = DEFAULT_FILES
) -> ImportReport:
    """Write a cohort table of a BIDS data set.

    Sessions become timepoints in the order of their labels, with the labels as names. Columns of
    ``participants.tsv`` become covariates, or outcomes where they bear the names of the contract.

    Args:
        source: Folder of ``dataset_description.json``.
        table: The ``cohort.csv`` to write; converted PET goes into ``suv`` beside it.
        files: Channel to a glob below the session's folder.

    Raises:
        CohortError: No scan was recognised.
    """
    participants = source / "participants.tsv"
    facts = (
        {row.get("participant_id", ""): row for row in read_sheet(participants)}
        if participants.is_file()
        else {}
    )
    patients: list[ImportedPatient] = []
    unmapped: list[Unmapped] = []
    timepoints: dict[str, None] = {}
    for subject in sorted(path for path in source.glob("sub-*") if path.is_dir()):
        row = {name: known(cell) for name, cell in facts.get(subject.name, {}).items()}
        scans: dict[tuple[str, str], Path] = {}
        sessions = sorted(path for path in subject.glob("ses-*") if path.is_dir()) or [subject]
        for session in sessions:
            timepoint = _timepoint(session, subject)
            timepoints[timepoint] = None
            for channel, pattern in files.items():
                path = _only(session, pattern, f"{subject.name} {timepoint}", channel, unmapped)
                if path is not None and channel == "pet":
                    out = table.parent / "suv" / f"{subject.name}_{timepoint}_pet.nii.gz"
                    path = _as_suv(path, out, row, f"{subject.name} {timepoint}", unmapped)
                if path is not None:
                    scans[timepoint, channel] = path
        if not scans:
            unmapped.append(Unmapped(subject.name, "no recognised scan"))
            continue
        patients.append(
            ImportedPatient(
                patient_id=subject.name,
                scans=scans,
                outcome={name: row[name] for name in OUTCOME_COLUMNS if name in row},
                covariates={
                    name: cell
                    for name, cell in row.items()
                    if name not in (*OUTCOME_COLUMNS, "participant_id")
                },
            )
        )
    mri = tuple(channel for channel in files if channel not in ("pet", "mask"))
    return write_import(
        table,
        patients,
        timepoints=sorted(timepoints),
        branches={"pet": ("pet",), "mri": mri},
        unmapped=unmapped,
        remarks=("check the order of the timepoints: it is that of the session labels",),
    )


def suv_factor(sidecar: Mapping[str, Any], weight_kg: float | None) -> float:
    """What PET values are multiplied by to become SUVbw.

    SUV = C · weight / dose, with the dose decayed from injection to the moment to which the image
    is corrected. Times of BIDS are seconds from TimeZero.

    Args:
        sidecar: The JSON beside the image.
        weight_kg: From the table of participants, where the sidecar has none.

    Raises:
        UnitError: A missing or contradictory field, named; another tracer than FDG.
    """
    tracer = re.sub(r"[^A-Z0-9]", "", str(sidecar.get("TracerName", "")).upper())
    if "FDG" not in tracer:
        raise UnitError("the tracer is not stated to be FDG", field="TracerName")
    units = str(_required(sidecar, "Units"))
    if units in ("g/mL", "g/ml", "SUV"):
        return 1.0
    prefix, _, volume = units.partition("/")
    if prefix not in _BECQUEREL or volume not in ("mL", "ml"):
        raise UnitError("the unit is neither Bq/mL nor g/mL", field="Units")
    dose_unit = str(_required(sidecar, "InjectedRadioactivityUnits"))
    if dose_unit not in _BECQUEREL:
        raise UnitError("the dose is not in becquerel", field="InjectedRadioactivityUnits")
    dose_bq = _number(sidecar, "InjectedRadioactivity") * _BECQUEREL[dose_unit]
    weight = sidecar.get("BodyWeight", weight_kg)
    if not isinstance(weight, int | float) or not 10 < weight < 400:
        raise UnitError("no plausible body weight in kg", field="BodyWeight")
    if sidecar.get("ImageDecayCorrected") is not True:
        raise UnitError("the image is not decay corrected", field="ImageDecayCorrected")
    nuclide = re.sub(r"[^A-Z0-9]", "", str(_required(sidecar, "TracerRadionuclide")).upper())
    half_life_s = _HALF_LIFE_S.get("F18" if nuclide in ("F18", "18F") else nuclide)
    if half_life_s is None:
        raise UnitError("the radionuclide of FDG is F-18", field="TracerRadionuclide")
    elapsed_s = _number(sidecar, "ImageDecayCorrectionTime") - _number(sidecar, "InjectionStart")
    if not 0 <= elapsed_s < 6 * half_life_s:
        raise UnitError(
            f"the image is corrected to {elapsed_s:g} s after injection",
            field="ImageDecayCorrectionTime",
        )
    dose_then_bq = dose_bq * 2.0 ** (-elapsed_s / half_life_s)
    return float(_BECQUEREL[prefix] * weight * 1000.0 / dose_then_bq)


def _timepoint(session: Path, subject: Path) -> str:
    return _SINGLE_SESSION if session == subject else session.name.removeprefix("ses-")


def _only(
    session: Path, pattern: str, whose: str, channel: str, unmapped: list[Unmapped]
) -> Path | None:
    found = sorted(path for path in session.glob(pattern) if not path.name.endswith(".json"))
    if len(found) > 1:
        unmapped.append(Unmapped(whose, f"several files could be {channel}: none is chosen"))
    return found[0] if len(found) == 1 else None


def _as_suv(
    path: Path, out: Path, row: Mapping[str, str], whose: str, unmapped: list[Unmapped]
) -> Path | None:
    """The PET in SUV: as it is, or converted; None where that cannot be."""
    sidecar = path.with_name(path.name.split(".nii")[0] + ".json")
    try:
        stated = json.loads(sidecar.read_text(encoding="utf-8")) if sidecar.is_file() else {}
        factor = suv_factor(stated, _weight_kg(row))
        if factor == 1.0:
            return path
        array, affine = read_nifti(path)
        write_nifti(Volume((array * np.float32(factor)), affine, "SUVbw"), out)
    except ImageError as error:
        field = f" ({error.field})" if error.field else ""
        unmapped.append(Unmapped(whose, f"PET: {error.problem}{field}"))
        return None
    except (OSError, ValueError):
        unmapped.append(Unmapped(whose, "PET: its sidecar cannot be read"))
        return None
    return out


def _weight_kg(row: Mapping[str, str]) -> float | None:
    for name in _WEIGHT_COLUMNS:
        if row.get(name):
            return float(row[name])
    return None


def _required(sidecar: Mapping[str, Any], field: str) -> Any:  # noqa: ANN401 - JSON
    if sidecar.get(field) in (None, "", "n/a"):
        raise UnitError("the sidecar does not state it", field=field)
    return sidecar[field]


def _number(sidecar: Mapping[str, Any], field: str) -> float:
    found: Sequence[Any] | Any = _required(sidecar, field)
    if isinstance(found, bool) or not isinstance(found, int | float) or not np.isfinite(found):
        raise UnitError("the sidecar does not state a number", field=field)
    return float(found)

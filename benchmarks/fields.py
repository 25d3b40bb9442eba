"""A pair of fields of every patient: the lesion finely, the region with the axilla coarsely.

Visits lie in register on the grids that the quantity engine measures on. ``lesion`` is a cube of 24
voxels around the bed, whose edge follows the size of the lesion; in it every channel is told
against near tissue of its own visit, in units of the lesion's contrast at the first visit: 0 is
near tissue, 1 the lesion before therapy, and a darker lesion counts like a brighter one.
``region`` is a cube of 6 mm voxels around the lesion, uptake over that of the far body.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, map_coordinates

from pcrnet.cohort.table import Patient
from pcrnet.config.experiment import Experiment
from pcrnet.imaging.patient_scans import read_patient
from pcrnet.imaging.quantify.measure import Survey, survey_scans
from pcrnet.imaging.quantify.measures.enhancement import enhancement
from pcrnet.imaging.quantify.place import Place
from pcrnet.imaging.quantify.specs import DCE

FloatArray = NDArray[np.float64]

EDGE = 24
"""Voxels along each edge of the lesion's cube."""
CHANNELS = ("pet", "enhancement", "late", "adc", "t2")
MARGIN_MM = 8.0
REGION_EDGE, REGION_MM = 40, 6.0
VISITS = ("baseline", "interim")
OUTSIDE, INSIDE = -0.7, 1.0
"""Bounds of the distance to the outline, in radii of a ball of the lesion's volume."""


@dataclass(frozen=True, eq=False)
class Fields:
    """Of n patients; float16.

    Attributes:
        lesion: (n, 2 visits, 5 channels, 24, 24, 24); 0 where absent.
        known: bool (n, 2, 5).
        outline: (n, 24, 24, 24) signed distance to the outline, positive inside, in radii.
        region: (n, 2, 40, 40, 40) uptake over the far body's, logarithm of 1 +; 0 where absent.
    """

    lesion: NDArray[np.float16]
    known: NDArray[np.bool_]
    outline: NDArray[np.float16]
    region: NDArray[np.float16]

    def rows(self, chosen: slice | NDArray[np.int64] | NDArray[np.bool_]) -> Fields:
        """Some of the patients."""
        return Fields(*(getattr(self, one.name)[chosen] for one in fields(self)))


def joined(cohorts: list[Fields]) -> Fields:
    """Cohorts one after the other."""
    names = [one.name for one in fields(Fields)]
    return Fields(*(np.concatenate([getattr(c, name) for c in cohorts]) for name in names))


def fields_of(patients: tuple[Patient, ...], experiment: Experiment, folder: Path) -> Fields:
    """The fields of patients; each is made once and kept in ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    made = []
    for number, patient in enumerate(patients):
        place = folder / f"{patient.patient_id}.npz"
        if not place.is_file():
            scans = read_patient(patient, experiment.data, experiment.imaging)
            survey = survey_scans(scans, experiment.data, experiment.imaging)
            part = place.with_suffix(".part")
            with part.open("wb") as file:
                arrays: dict[str, Any] = dict(zip(_NAMES, _fields(survey), strict=True))
                np.savez(file, **arrays)
            part.replace(place)
            if number % 50 == 0:
                print(f"fields of {number + 1} of {len(patients)} patients", flush=True)
        kept = np.load(place)
        made.append([kept[name] for name in _NAMES])
    return Fields(*(np.stack(each) for each in zip(*made, strict=True)))


_NAMES = tuple(one.name for one in fields(Fields))


def _fields(survey: Survey) -> tuple[NDArray[np.generic], ...]:
    """One patient's, in the order of the attributes of :class:`Fields`."""
    lesion = np.zeros((2, len(CHANNELS), EDGE, EDGE, EDGE), np.float16)
    known = np.zeros((2, len(CHANNELS)), np.bool_)
    outline = np.zeros((EDGE,) * 3, np.float16)
    region = np.zeros((2, *(REGION_EDGE,) * 3), np.float16)
    place = survey.place
    if place is None or survey.region is None:
        return lesion, known, outline, region
    at = _cube(place)
    radius = place.spacing_mm * (3.0 * place.lesion.sum() / (4.0 * np.pi)) ** (1 / 3)
    inside = distance_transform_edt(place.lesion) - np.asarray(
        distance_transform_edt(~place.lesion)
    )
    signed = np.clip(inside * place.spacing_mm / radius, OUTSIDE, INSIDE)
    outline[:] = map_coordinates(signed, at, order=1, mode="nearest")
    units: dict[str, float] = {}
    for visit, name in enumerate(VISITS):
        seen = survey.visits.get(name)
        if seen is None:
            continue
        scans = dict(seen.lesion)
        if DCE in seen.excess:
            pre, early = seen.lesion["dce_pre"], seen.lesion["dce_early"]
            scans["enhancement"] = enhancement(pre, early, place)
        if seen.late is not None:
            scans["late"] = seen.late
        for channel, key in enumerate(CHANNELS):
            scan = scans.get(key)
            if scan is None:
                continue
            shell = scan.values[place.near & scan.tissue]
            if shell.size < 30:
                continue
            level = float(np.median(shell))
            if key not in units:
                own = scan.values[place.lesion & scan.covered]
                contrast = float(np.median(own)) - level if own.size else 0.0
                spread = float(np.median(np.abs(shell - level))) * 1.48
                units[key] = np.copysign(max(abs(contrast), spread, 1e-6), contrast)
            told = np.where(scan.covered, (scan.values - level) / units[key], 0.0)
            lesion[visit, channel] = map_coordinates(
                np.clip(told, -3.0, 5.0), at, order=1, mode="nearest"
            )
            known[visit, channel] = True
        around = seen.around.get("pet")
        if around is not None:
            far = seen.far["pet"]
            grid = survey.region.grid
            points = _centred(place.centre_mm, REGION_EDGE, REGION_MM)
            index = (points - grid.affine[:3, 3][:, None, None, None]) / np.diag(grid.affine)[
                :3, None, None, None
            ]
            uptake = map_coordinates(around.values, index, order=1, mode="constant")
            region[visit] = np.log1p(np.maximum(uptake, 0.0) / max(far, 0.1)) if far > 0 else 0.0
    return lesion, known, outline, region


def _cube(place: Place) -> FloatArray:
    """Indices (3, 24, 24, 24) on the fine grid of a cube around the bed."""
    index = np.argwhere(place.bed)
    low, high = index.min(axis=0), index.max(axis=0)
    edge = float((high - low + 1).max()) + 2.0 * MARGIN_MM / place.spacing_mm
    steps = (np.arange(EDGE) + 0.5) / EDGE * edge - edge / 2.0
    middle = (low + high) / 2.0
    return np.stack(np.meshgrid(*(steps + m for m in middle), indexing="ij"))


def _centred(centre_mm: FloatArray, edge: int, spacing_mm: float) -> FloatArray:
    """Millimetres (3, e, e, e) of the voxels of a cube."""
    steps = (np.arange(edge) - (edge - 1) / 2.0) * spacing_mm
    return np.stack(np.meshgrid(*(steps + c for c in centre_mm), indexing="ij"))

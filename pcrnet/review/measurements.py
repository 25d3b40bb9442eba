"""The numbers of each visit of a patient, measured on the scans as acquired."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pcrnet.errors import ImageError
from pcrnet.imaging.grid import Grid, resample
from pcrnet.imaging.patient_scans import PatientScans
from pcrnet.imaging.quantify.lesion import (
    PetMeasurements,
    longest_diameter_mm,
    mean_adc,
    measure_pet,
    volume_ml,
)
from pcrnet.imaging.quantify.quantity import Mask
from pcrnet.imaging.units import ADC_UNIT, SUV_UNITS
from pcrnet.imaging.volume import Unit, Volume


@dataclass(frozen=True)
class VisitMeasurements:
    """What was measured at one visit; None is what could not be.

    Attributes:
        timepoint: The visit.
        mask_of: The visit whose mask was used: its own, else the last one before it.
        pet: Uptake inside the mask.
        adc_1e3_mm2_s: Mean ADC inside the mask.
        volume_ml: Volume of the visit's own mask.
        longest_mm: Longest diameter of the visit's own mask.
        suv_unit: What the uptake is in; None without PET.
    """

    timepoint: str
    mask_of: str | None = None
    pet: PetMeasurements | None = None
    adc_1e3_mm2_s: float | None = None
    volume_ml: float | None = None
    longest_mm: float | None = None
    suv_unit: Unit | None = None


def measure_visits(scans: PatientScans) -> list[VisitMeasurements]:
    """Measure every visit with scans, in order of time.

    A mask is brought to the grid of each scan, not the scan to the mask, so that SUV and ADC are
    the scanner's. A visit without a mask of its own is measured in the last one before it, carried
    along by the registration; its volume and diameter then stay unknown.
    """
    measured = []
    for timepoint, volumes in scans.volumes.items():
        mask_of = last_mask(scans, timepoint)
        mask = None if mask_of is None else scans.masks[mask_of]
        if mask_of is None or mask is None:
            measured.append(VisitMeasurements(timepoint))
            continue
        to_mask = scans.transform(mask_of) @ np.linalg.inv(scans.transform(timepoint))
        pet = _first_of(volumes.values(), SUV_UNITS)
        adc = _first_of(volumes.values(), {ADC_UNIT})
        foreground = mask.array > 0
        own = mask_of == timepoint
        measured.append(
            VisitMeasurements(
                timepoint,
                mask_of=mask_of,
                pet=None if pet is None else _pet(pet, _carried(mask, pet, to_mask)),
                adc_1e3_mm2_s=None if adc is None else _adc(adc, _carried(mask, adc, to_mask)),
                volume_ml=volume_ml(mask, foreground) if own else None,
                longest_mm=longest_diameter_mm(mask, foreground) if own else None,
                suv_unit=None if pet is None else pet.unit,
            )
        )
    return measured


def last_mask(scans: PatientScans, timepoint: str) -> str | None:
    """The timepoint whose mask serves a visit: its own, else the last one before it."""
    order = list(scans.masks)
    until = order[: order.index(timepoint) + 1]
    masked = [name for name in until if scans.masks[name] is not None]
    return masked[-1] if masked else None


def _first_of(volumes: Iterable[Volume], units: Iterable[Unit]) -> Volume | None:
    return next((volume for volume in volumes if volume.unit in units), None)


def _carried(mask: Volume, scan: Volume, to_mask: NDArray[np.float64]) -> Mask:
    """The mask on the grid of a scan, whose millimetres ``to_mask`` takes to those of the mask."""
    i, j, k = scan.array.shape
    label, _ = resample(mask, Grid(scan.affine, (i, j, k)).moved(to_mask))
    return np.asarray(label > 0)


def _pet(scan: Volume, mask: Mask) -> PetMeasurements | None:
    try:
        return measure_pet(scan, mask)
    except ImageError:  # the scan does not reach the lesion: nothing to measure
        return None


def _adc(scan: Volume, mask: Mask) -> float | None:
    try:
        return mean_adc(scan, mask)
    except ImageError:
        return None

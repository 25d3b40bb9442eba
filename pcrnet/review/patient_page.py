"""One patient of the quality sheet: all scans in three planes, registrations, and the numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from pcrnet.cohort.table import Patient
from pcrnet.config.data import DataConfig
from pcrnet.config.imaging import ImagingConfig
from pcrnet.errors import PcrnetError
from pcrnet.imaging.grid import Grid, resample
from pcrnet.imaging.patient_scans import PatientScans, read_patient
from pcrnet.imaging.quantify.measure import survey_scans
from pcrnet.imaging.registration.visits import common_channel
from pcrnet.imaging.tensors.preprocess import on_one_grid
from pcrnet.imaging.units import suv_unit
from pcrnet.review.alignment_picture import alignment_picture
from pcrnet.review.display import (
    SIMULATED,
    ShownScans,
    describe_days,
    focus,
    for_display,
    label_columns,
    window_note,
)
from pcrnet.review.measurements import VisitMeasurements, last_mask, measure_visits
from pcrnet.review.outlines import outline_picture
from pcrnet.review.panels import Plane, axis_of, draw_missing, draw_note, extent_mm
from pcrnet.review.sheet import Sheet

_PLANES: tuple[Plane, ...] = ("axial", "coronal", "sagittal")
_ABSENT_ASPECT = 0.3


@dataclass(frozen=True, eq=False)
class PatientPage:
    """One patient as looked at.

    Attributes:
        sheet: All scans, JPEG; None where the patient cannot be shown.
        alignments: Later visit to its registration before and after, JPEG.
        outlines: What the quantities are measured on, JPEG; None where there is nothing to show.
        measurements: One for each visit with scans.
        problem: Why the patient cannot be shown.
    """

    sheet: bytes | None = None
    alignments: Mapping[str, bytes] = field(default_factory=dict)
    outlines: bytes | None = None
    measurements: tuple[VisitMeasurements, ...] = ()
    problem: str | None = None


@dataclass(frozen=True, eq=False)
class _Shown:
    """What remains of a patient once the scans themselves are let go."""

    scans: ShownScans
    days: NDArray[np.float32]
    visits: frozenset[str]
    spacing_mm: tuple[float, float, float]
    alignments: Mapping[str, bytes]
    outlines: bytes | None
    measurements: tuple[VisitMeasurements, ...]


def patient_page(
    patient: Patient, data: DataConfig, imaging: ImagingConfig, *, simulated: bool = False
) -> PatientPage:
    """Look at one patient. What keeps the network from the scans is stated in their place."""
    try:
        shown = _look_at(patient, data, imaging, SIMULATED if simulated else "")
    except PcrnetError as error:
        return PatientPage(problem=str(error))
    sheet = _draw(patient.patient_id, shown, data.timepoints, simulated=simulated)
    return PatientPage(sheet, shown.alignments, shown.outlines, shown.measurements)


def _look_at(patient: Patient, data: DataConfig, imaging: ImagingConfig, warning: str) -> _Shown:
    """All that needs the scans as acquired, which take up to gigabytes."""
    scans = read_patient(patient, data, imaging)
    fine = for_display(imaging)
    tensor = on_one_grid(scans, patient, data, fine, measured=False)
    kinds = {channel: imaging.channel_kind(channel) for channel in data.channels}
    masks = _masks_on_grid(scans, data.timepoints, fine)
    survey = survey_scans(scans, data, imaging)
    title = f"{patient.patient_id} · where the quantities are measured"
    return _Shown(
        scans=ShownScans.of(
            tensor, data.channels, kinds, fine.spacing_mm, masks, suv_unit(imaging.dicom)
        ),
        days=tensor.days,
        visits=frozenset(scans.volumes),
        spacing_mm=fine.spacing_mm,
        alignments={
            of: _draw_alignment(patient, scans, of)
            for of, alignment in scans.alignments.items()
            if alignment.accepted
        },
        outlines=outline_picture(survey, data, imaging, title=title, warning=warning),
        measurements=tuple(measure_visits(scans)),
    )


def _draw(name: str, shown: _Shown, timepoints: Sequence[str], *, simulated: bool) -> bytes:
    """All channels of all visits in three planes, with the numbers of each visit."""
    point, why = focus(shown.scans)
    numbers = {measured.timepoint: measured for measured in shown.measurements}
    columns = shown.scans.columns
    rows = [
        (visit, plane)
        for visit, timepoint in enumerate(timepoints)
        for plane in (_PLANES if timepoint in shown.visits else _PLANES[:1])
    ]
    foot = (
        f"planes through {why} of the first visit · the field is what the network sees, "
        f"on {' × '.join(f'{edge:g}' for edge in shown.spacing_mm)} mm voxels · "
        f"{window_note(shown.scans)}blue line: lesion mask · the patient's right is on the left"
    )
    sheet = Sheet(_aspects(shown.scans, rows), len(columns) + 1, foot=foot)
    sheet.head(name, SIMULATED if simulated else "")
    for row, (visit, plane) in enumerate(rows):
        timepoint = timepoints[visit]
        first = plane == _PLANES[0]
        days = describe_days(float(shown.days[visit])) if first else ""
        sheet.label_row(row, timepoint if first else "", ", ".join(filter(None, (days, plane))))
        for number, column in enumerate(columns):
            column.draw(sheet.panel(row, number), shown.scans, visit, plane, point[axis_of(plane)])
        if first:
            _note(sheet, row, len(columns), numbers.get(timepoint))
    label_columns(sheet, columns)
    sheet.label_column(len(columns), "measured")
    return sheet.jpeg()


def _masks_on_grid(
    scans: PatientScans, timepoints: Sequence[str], imaging: ImagingConfig
) -> NDArray[np.bool_] | None:
    """The mask that serves each visit, (T, X, Y, Z); None without any."""
    grid = Grid.centred(scans.centre_mm, imaging.spacing_mm, imaging.size)
    masks = np.zeros((len(timepoints), *imaging.size), dtype=bool)
    for row, timepoint in enumerate(timepoints):
        mask_of = last_mask(scans, timepoint)
        mask = None if mask_of is None else scans.masks[mask_of]
        if mask_of is not None and mask is not None:
            label, _ = resample(mask, grid.moved(scans.transform(mask_of)))
            masks[row] = label > 0
    return masks if masks.any() else None


def _aspects(scans: ShownScans, rows: Sequence[tuple[int, Plane]]) -> list[float]:
    aspects = []
    for visit, plane in rows:
        width, height = extent_mm(scans.shape, scans.spacing_mm, plane)
        aspects.append(height / width if scans.present[visit].any() else _ABSENT_ASPECT)
    return aspects


def _note(sheet: Sheet, row: int, column: int, measured: VisitMeasurements | None) -> None:
    axes = sheet.panel(row, column)
    if measured is None:
        draw_missing(axes)
    elif measured.mask_of is None:
        draw_missing(axes, "no mask")
    else:
        draw_note(axes, describe(measured))


def describe(measured: VisitMeasurements) -> list[tuple[str, str]]:
    """Names and values as printed; what could not be measured is left out."""
    suv = "SUV" if measured.suv_unit in (None, "SUVbw") else str(measured.suv_unit)
    lines: list[tuple[str, float | None, str]] = [
        ("ADC (10⁻³ mm²/s)", measured.adc_1e3_mm2_s, ".2f"),
        ("volume (mL)", measured.volume_ml, ".1f"),
        ("longest (mm)", measured.longest_mm, ".0f"),
    ]
    if (pet := measured.pet) is not None:
        lines = [
            (f"{suv}max", pet.suv_max, ".1f"),
            (f"{suv}peak", pet.suv_peak, ".1f"),
            (f"{suv}mean", pet.suv_mean, ".1f"),
            (f"MTV, {suv} ≥ 4 (mL)", pet.mtv_fixed_ml, ".1f"),
            ("MTV, 41 % (mL)", pet.mtv_relative_ml, ".1f"),
            (f"TLG, 41 % ({suv}·mL)", pet.tlg_relative_ml, ".0f"),
            *lines,
        ]
    own = measured.mask_of == measured.timepoint
    mask = [] if own else [("in the mask of", str(measured.mask_of))]
    return mask + [
        (name, _printed(value, form)) for name, value, form in lines if value is not None
    ]


def _printed(value: float, form: str) -> str:
    """One decimal more than usual where a small lesion would be left with one digit or none."""
    decimals = int(form[1:-1])
    small = 0 < abs(value) < 10 ** (1 - decimals)
    return format(value, f".{decimals + small}f")


def _draw_alignment(patient: Patient, scans: PatientScans, timepoint: str) -> bytes:
    first = next(iter(scans.volumes))
    channel = common_channel(scans.volumes[first], scans.volumes[timepoint])
    return alignment_picture(
        scans.volumes[first][str(channel)],
        scans.volumes[timepoint][str(channel)],
        scans.alignments[timepoint],
        title=f"{patient.patient_id} · {timepoint} on {first}, {channel}",
    )

"""The quality sheet: one page a patient, for a physician to look through the whole cohort."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pcrnet import __version__
from pcrnet.cohort.table import Cohort, Patient
from pcrnet.config import DataConfig, ImagingConfig
from pcrnet.errors import PcrnetError
from pcrnet.imaging.alignment import common_channel
from pcrnet.imaging.alignment_picture import alignment_picture
from pcrnet.imaging.display import (
    SIMULATED,
    SUV_LOOK,
    Scans,
    describe_days,
    focus,
    for_display,
    label_columns,
)
from pcrnet.imaging.grid import Grid, resample
from pcrnet.imaging.measurements import VisitMeasurements, last_mask, measure_visits
from pcrnet.imaging.panels import Plane, axis_of, draw_missing, draw_note, extent_mm
from pcrnet.imaging.preprocess import PatientScans, on_one_grid, read_patient
from pcrnet.imaging.sheet import Sheet
from pcrnet.storage import write_text

Progress = Callable[[int, int], None]
"""Called with the number of patients done and their total."""

_PLANES: tuple[Plane, ...] = ("axial", "coronal", "sagittal")
_ABSENT_ASPECT = 0.3


@dataclass(frozen=True, eq=False)
class PatientPage:
    """One patient as looked at.

    Attributes:
        patient_id: Pseudonym.
        row: Row of the table.
        sheet: All scans, JPEG; None where the patient cannot be shown.
        alignments: Before and after registration, PNG, one for each later visit.
        measurements: One for each visit with scans.
        problem: Why the patient cannot be shown.
    """

    patient_id: str
    row: int
    sheet: bytes | None = None
    alignments: tuple[bytes, ...] = ()
    measurements: tuple[VisitMeasurements, ...] = ()
    problem: str | None = None


def quality_sheet(
    cohort: Cohort,
    data: DataConfig,
    imaging: ImagingConfig,
    out: Path,
    progress: Progress | None = None,
    *,
    simulated: bool = False,
) -> Path:
    """Draw every patient of a cohort and bind the pages into one HTML file.

    Args:
        cohort: The table as read.
        data: Timepoints and channels.
        imaging: Field of view, intensity rules and alignment; each page shows what the network
            sees, on finer voxels.
        out: Folder of the sheet; ``index.html`` in it needs no other file.
        progress: Told after each patient.
        simulated: Whether to print that these are no patients.

    Returns:
        Path of ``index.html``.
    """
    pages = []
    for number, patient in enumerate(cohort.patients, start=1):
        pages.append(patient_page(patient, data, imaging, simulated=simulated))
        if progress is not None:
            progress(number, len(cohort.patients))
    index = out / "index.html"
    write_text(index, _render(pages, cohort.path.name, simulated=simulated))
    return index


def patient_page(
    patient: Patient, data: DataConfig, imaging: ImagingConfig, *, simulated: bool = False
) -> PatientPage:
    """Look at one patient. What keeps the network from the scans is stated in their place."""
    try:
        scans = read_patient(patient, data, imaging)
        measurements = tuple(measure_visits(scans))
        return PatientPage(
            patient_id=patient.patient_id,
            row=patient.row,
            sheet=_draw(patient, scans, measurements, data, imaging, simulated=simulated),
            alignments=tuple(_draw_alignment(patient, scans, of) for of in scans.alignments),
            measurements=measurements,
        )
    except PcrnetError as error:
        return PatientPage(patient.patient_id, patient.row, problem=str(error))


def _draw(
    patient: Patient,
    scans: PatientScans,
    measurements: Sequence[VisitMeasurements],
    data: DataConfig,
    imaging: ImagingConfig,
    *,
    simulated: bool,
) -> bytes:
    """All channels of all visits in three planes, with the numbers of each visit."""
    fine = for_display(imaging)
    tensor = on_one_grid(scans, patient, data, fine)
    kinds = {channel: imaging.channel_kind(channel) for channel in data.channels}
    masks = _masks_on_grid(scans, data.timepoints, fine)
    shown = Scans.of(tensor, data.channels, kinds, fine.spacing_mm, masks)
    point, why = focus(shown)
    numbers = {measured.timepoint: measured for measured in measurements}
    rows = [
        (visit, plane)
        for visit, timepoint in enumerate(data.timepoints)
        for plane in (_PLANES if timepoint in scans.volumes else _PLANES[:1])
    ]
    sheet = Sheet(_aspects(shown, rows), len(shown.columns) + 1)
    sheet.head(patient.patient_id, SIMULATED if simulated else "")
    for row, (visit, plane) in enumerate(rows):
        timepoint = data.timepoints[visit]
        first = plane == _PLANES[0]
        days = describe_days(float(tensor.days[visit])) if first else ""
        sheet.label_row(row, timepoint if first else "", ", ".join(filter(None, (days, plane))))
        for number, column in enumerate(shown.columns):
            column.draw(sheet.panel(row, number), shown, visit, plane, point[axis_of(plane)])
        if first:
            _note(sheet, row, len(shown.columns), numbers.get(timepoint))
    label_columns(sheet, shown.columns)
    sheet.label_column(len(shown.columns), "measured")
    sheet.foot(
        f"planes through {why} of the first visit · the field is what the network sees, "
        f"on {' × '.join(f'{edge:g}' for edge in fine.spacing_mm)} mm voxels · fixed SUV window "
        f"{SUV_LOOK.low:g}–{SUV_LOOK.high:g}, higher uptake clipped · blue line: lesion mask · "
        "the patient's right is on the left"
    )
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


def _aspects(scans: Scans, rows: Sequence[tuple[int, Plane]]) -> list[float]:
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
    lines: list[tuple[str, float | None, str]] = [
        ("ADC (10⁻³ mm²/s)", measured.adc_1e3_mm2_s, ".2f"),
        ("volume (mL)", measured.volume_ml, ".1f"),
        ("longest (mm)", measured.longest_mm, ".0f"),
    ]
    if (pet := measured.pet) is not None:
        lines = [
            ("SUVmax", pet.suv_max, ".1f"),
            ("SUVpeak", pet.suv_peak, ".1f"),
            ("SUVmean", pet.suv_mean, ".1f"),
            ("MTV, SUV ≥ 4 (mL)", pet.mtv_fixed_ml, ".1f"),
            ("MTV, 41 % (mL)", pet.mtv_relative_ml, ".1f"),
            ("TLG, 41 % (SUV·mL)", pet.tlg_relative_ml, ".0f"),
            *lines,
        ]
    own = measured.mask_of == measured.timepoint
    mask = [] if own else [("in the mask of", str(measured.mask_of))]
    return mask + [(name, format(value, form)) for name, value, form in lines if value is not None]


def _draw_alignment(patient: Patient, scans: PatientScans, timepoint: str) -> bytes:
    first = next(iter(scans.volumes))
    channel = common_channel(scans.volumes[first], scans.volumes[timepoint])
    return alignment_picture(
        scans.volumes[first][str(channel)],
        scans.volumes[timepoint][str(channel)],
        scans.alignments[timepoint],
        title=f"{patient.patient_id} · {timepoint} on {first}, {channel}",
    )


def _render(pages: Sequence[PatientPage], table: str, *, simulated: bool) -> str:
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    environment.filters["base64"] = lambda data: base64.b64encode(data).decode("ascii")
    source = resources.files(__package__) / "templates" / "quality.html.j2"
    template = environment.from_string(source.read_text(encoding="utf-8"))
    rows = [
        (page, measured, dict(describe(measured)))
        for page in pages
        for measured in page.measurements
    ]
    names = list(dict.fromkeys(name for _, _, values in rows for name in values))
    return template.render(
        pages=pages, rows=rows, names=names, table=table, simulated=simulated, version=__version__
    )

"""What was measured where: bed, residue, shell and nodes drawn on uptake and enhancement."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pcrnet.config.data import DataConfig
from pcrnet.config.imaging import ImagingConfig
from pcrnet.imaging.quantify.measure import Survey
from pcrnet.imaging.quantify.nodes import Spots
from pcrnet.imaging.quantify.place import REGION_MM, Place
from pcrnet.imaging.quantify.quantity import Mask, Values
from pcrnet.imaging.quantify.specs import DCE, Channels
from pcrnet.imaging.quantify.visit import VisitFields
from pcrnet.review.panels import Look, Plane, cut, draw_missing, draw_panel, extent_mm
from pcrnet.review.sheet import Sheet

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_BED, _NEAR, _OWN, _LEFT, _NODE = "#56b4e9", "#9aa0a8", "#e69f00", "#009e73", "#cc79a7"
_SUV_HIGH, _PE_HIGH = 7.0, 2.0
_PLANES: tuple[Plane, ...] = ("axial", "coronal")
_LEGEND = (
    "blue: bed · dotted: near shell · orange: above half of this visit's peak · green: above half "
    "of the first visit's · pink: where nodes are sought, + those of the first visit"
)


@dataclass(frozen=True)
class _Column:
    channel: str
    plane: Plane
    look: Look


def outline_picture(
    survey: Survey, data: DataConfig, imaging: ImagingConfig, *, title: str, warning: str = ""
) -> bytes | None:
    """Draw every visit of a patient in the frame of the first, with what was measured outlined.

    Args:
        survey: Of :func:`~pcrnet.imaging.quantify.measure.survey_scans`.
        data: Which channels and visits.
        imaging: What kind each channel is of.
        title: Printed above; a pseudonym.
        warning: What the reader must not overlook.

    Returns:
        JPEG bytes; None without a lesion, or without PET and enhancement.
    """
    channels = Channels.of(data, imaging)
    columns = _columns(channels, survey)
    if survey.place is None or not columns:
        return None
    place, pet = survey.place, next(iter(channels.pet), None)
    visits = [t for t in data.timepoints if t in survey.visits]
    aspects = [_aspect(place)] * len(visits)
    foot = f"{_source(survey)} · {_LEGEND}"
    sheet = Sheet(aspects, len(columns) + (pet is not None), bars=False, foot=foot)
    sheet.head(title, warning)
    first = survey.visits[visits[0]]
    for row, timepoint in enumerate(visits):
        sheet.label_row(row, timepoint, _registered(survey, timepoint))
        visit = survey.visits[timepoint]
        for number, column in enumerate(columns):
            axes = sheet.panel(row, number)
            if column.channel in visit.excess:
                _draw_lesion(axes, column, visit, first, place)
            else:
                draw_missing(axes)
        if pet is not None:
            axes = sheet.panel(row, len(columns))
            if pet in visit.spots:
                _draw_region(axes, visit.around[pet].values, visit.spots[pet], first.spots.get(pet))
            else:
                draw_missing(axes)
    for number, column in enumerate(columns):
        sheet.label_column(number, f"{_name(column.channel)}, {column.plane}")
    if pet is not None:
        sheet.label_column(len(columns), f"{pet}, region")
    return sheet.jpeg()


def _source(survey: Survey) -> str:
    if survey.lesion.source == "mask":
        return "mask given"
    return f"lesion found, quality {survey.lesion.quality:.2f} of 1"


def _columns(channels: Channels, survey: Survey) -> list[_Column]:
    looks = {channel: Look("SUV", 0.0, _SUV_HIGH, "gray_r") for channel in channels.pet}
    looks[DCE] = Look("PE", 0.0, _PE_HIGH)
    shown = {channel for visit in survey.visits.values() for channel in visit.excess}
    return [
        _Column(channel, plane, look)
        for channel, look in looks.items()
        if channel in shown
        for plane in _PLANES
    ]


def _name(channel: str) -> str:
    return "enhancement" if channel == DCE else channel


def _aspect(place: Place) -> float:
    spacing = np.full(3, place.spacing_mm)
    sizes = [extent_mm(place.lesion.shape, spacing, plane) for plane in _PLANES]
    return max(height / width for width, height in sizes)


def _registered(survey: Survey, timepoint: str) -> str:
    alignment = survey.alignments.get(timepoint)
    if alignment is None:
        return ""
    return f"moved {alignment.shift_mm:.0f} mm" if alignment.accepted else "not registered"


def _draw_lesion(
    axes: Axes, column: _Column, visit: VisitFields, first: VisitFields, place: Place
) -> None:
    """One plane through the middle of the bed."""
    excess = visit.excess[column.channel]
    axis = {"axial": 2, "coronal": 1, "sagittal": 0}[column.plane]
    index = int(np.round(np.argwhere(place.bed)[:, axis].mean()))
    spacing = np.full(3, place.spacing_mm)
    draw_panel(
        axes, excess.values, column.look, plane=column.plane, index=index, spacing_mm=spacing
    )
    lines: list[tuple[Mask, str, str]] = [
        (place.bed, _BED, "solid"),
        (place.near, _NEAR, "dotted"),
        (place.bed & (excess.share >= 0.5), _OWN, "solid"),
    ]
    if visit is not first and column.channel in first.excess:
        left = excess.share_of(first.excess[column.channel]) >= 0.5
        lines.append((place.bed & left, _LEFT, "solid"))
    for mask, colour, style in lines:
        _contour(axes, cut(mask, column.plane, index), place.spacing_mm, colour, style)


def _draw_region(axes: Axes, uptake: Values, spots: Spots, first: Spots | None) -> None:
    """The body around the lesion from the front: the brightest voxel of each line of sight."""
    spacing = np.full(3, REGION_MM)
    flat = uptake.max(axis=1, keepdims=True)
    look = Look("SUV", 0.0, _SUV_HIGH, "gray_r")
    draw_panel(axes, flat, look, plane="coronal", index=0, spacing_mm=spacing)
    allowed = cut(_flat(spots.allowed), "coronal", 0)
    _contour(axes, allowed, REGION_MM, _NODE, "dotted")
    lesion = cut(_flat(np.asarray(spots.region.outside_mm <= 0)), "coronal", 0)
    _contour(axes, lesion, REGION_MM, _BED, "solid")
    x, _, z = uptake.shape
    for i, _, k in (first or spots).peaks:
        at = ((x - i - 0.5) * REGION_MM, (z - k - 0.5) * REGION_MM)
        axes.plot(*at, marker="+", color=_NODE, markersize=7, linestyle="none")


def _flat(mask: Mask) -> Mask:
    """A mask seen from the front, shape (x, 1, z)."""
    return np.asarray(mask.any(axis=1, keepdims=True))


def _contour(
    axes: Axes, shown: NDArray[np.generic], spacing_mm: float, colour: str, style: str
) -> None:
    if not shown.any():
        return
    rows, columns = shown.shape
    x, y = ((np.arange(-1, n + 1) + 0.5) * spacing_mm for n in (columns, rows))
    padded = np.pad(shown.astype(np.float32), 1)
    axes.contour(x, y, padded, levels=[0.5], colors=[colour], linewidths=0.9, linestyles=style)

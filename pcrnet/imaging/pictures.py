"""The picture of one patient: what the network sees, drawn as a radiologist would read it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pcrnet.config import ChannelKind
from pcrnet.imaging.panels import (
    Look,
    Plane,
    axis_of,
    draw_bar,
    draw_missing,
    draw_panel,
    extent_mm,
)
from pcrnet.imaging.sheet import Sheet

if TYPE_CHECKING:
    from pcrnet.imaging.preprocess import PatientTensor

SUV_LOOK = Look("SUVbw", 0.0, 7.0, "gray_r")
"""PET alone: inverse grey, as in nuclear medicine. The window never follows the image."""
SUV_OVER_LOOK = Look("SUVbw", 0.0, 7.0, "inferno")
"""PET over MR."""
ADC_LOOK = Look("ADC 10⁻³ mm²/s", 0.0, 3.0)
SIMULATED = "SIMULATED – not a patient"

_BACKDROPS = ("dce_early", "dce_late", "t1", "t2")


def patient_picture(
    tensor: PatientTensor,
    channels: Sequence[str],
    timepoints: Sequence[str],
    *,
    spacing_mm: Sequence[float],
    kinds: Mapping[str, ChannelKind],
    mask: NDArray[np.bool_] | None = None,
    title: str,
    simulated: bool,
    plane: Plane = "axial",
) -> bytes:
    """Draw all scans of one patient in one plane.

    Rows are timepoints, columns are channels and PET over MR. All cells show the same slice, which
    lies at the highest FDG uptake, else the strongest early enhancement, else the middle.

    Args:
        tensor: What the network sees; image (T, C, X, Y, Z) on RAS axes, SUV and ADC absolute.
        channels: Names along C.
        timepoints: Names along T.
        spacing_mm: Voxel edge lengths along x, y and z.
        kinds: Intensity rule of each channel; decides window and colours.
        mask: Lesion, shape (X, Y, Z) or (T, X, Y, Z); outlined, and searched first for the slice.
        title: Printed above; a pseudonym, never a name.
        simulated: Whether to print that this is no patient.
        plane: Which plane.

    Returns:
        PNG bytes, equal for equal input.
    """
    shape = tensor.image.shape[2:]
    scans = _Scans(
        image=np.asarray(tensor.image, dtype=np.float32),
        present=np.asarray(tensor.present, dtype=bool),
        channels=tuple(channels),
        kinds=tuple(kinds[name] for name in channels),
        masks=None if mask is None else np.broadcast_to(mask, (len(timepoints), *shape)),
    )
    spacing = np.asarray(spacing_mm, dtype=np.float64)
    axis = axis_of(plane)
    index, why = _choose_slice(scans, axis)
    width, height = extent_mm(shape, spacing, plane)
    columns = _columns(scans)

    sheet = Sheet([height / width] * len(timepoints), len(columns))
    sheet.head(title, SIMULATED if simulated else "")
    for row, timepoint in enumerate(timepoints):
        sheet.label_row(row, timepoint, _days(tensor.days[row]))
        for number, column in enumerate(columns):
            axes = sheet.panel(row, number)
            if not scans.present[row, column.needs].all():
                draw_missing(axes)
                continue
            draw_panel(
                axes,
                scans.image[row, column.channel],
                column.look,
                plane=plane,
                index=index,
                spacing_mm=spacing,
                over=None
                if column.over is None
                else (scans.image[row, column.over], SUV_OVER_LOOK),
                outline=None if scans.masks is None else scans.masks[row],
            )
    for number, column in enumerate(columns):
        sheet.label_column(number, column.title)
        draw_bar(sheet.bar(number), column.look if column.over is None else SUV_OVER_LOOK)
    offset_mm = (index - (shape[axis] - 1) / 2) * spacing[axis]
    sheet.foot(
        f"{plane} plane through {why}, {offset_mm:+.0f} mm from the crop's centre · voxels "
        f"{' × '.join(f'{edge:g}' for edge in spacing)} mm · fixed SUV window "
        f"{SUV_LOOK.low:g}–{SUV_LOOK.high:g}, higher uptake clipped · "
        "the patient's right is on the left"
    )
    return sheet.png()


@dataclass(frozen=True, eq=False)
class _Scans:
    """What there is to draw: image (T, C, X, Y, Z), present (T, C), masks (T, X, Y, Z)."""

    image: NDArray[np.float32]
    present: NDArray[np.bool_]
    channels: tuple[str, ...]
    kinds: tuple[ChannelKind, ...]
    masks: NDArray[np.bool_] | None

    @cached_property
    def pet(self) -> list[int]:
        return [number for number, kind in enumerate(self.kinds) if kind == "suv"]

    @cached_property
    def other(self) -> list[int]:
        return [number for number, kind in enumerate(self.kinds) if kind != "suv"]


@dataclass(frozen=True)
class _Column:
    """A channel, or PET over an MR channel."""

    title: str
    channel: int
    look: Look
    over: int | None = None

    @property
    def needs(self) -> list[int]:
        return [self.channel] if self.over is None else [self.channel, self.over]


def _columns(scans: _Scans) -> list[_Column]:
    """PET first, then PET over MR, then every other channel in its order."""
    single = [
        _Column(name, number, _look(scans, number)) for number, name in enumerate(scans.channels)
    ]
    columns = [single[number] for number in scans.pet]
    if scans.pet and scans.other:
        below, above = _backdrop(scans), scans.pet[0]
        title = f"{scans.channels[above]} over {scans.channels[below]}"
        columns.append(_Column(title, below, single[below].look, over=above))
    return columns + [single[number] for number in scans.other]


def _backdrop(scans: _Scans) -> int:
    """The MR channel under the PET: the one present most often, then the best to read."""
    rank = {name: -place for place, name in enumerate(_BACKDROPS)}
    return max(
        scans.other,
        key=lambda number: (
            int(scans.present[:, number].sum()),
            rank.get(scans.channels[number], -len(_BACKDROPS)),
        ),
    )


def _look(scans: _Scans, number: int) -> Look:
    """Fixed windows for SUV and ADC; one window for all DCE phases; one each for the others."""
    match scans.kinds[number]:
        case "suv":
            return SUV_LOOK
        case "adc":
            return ADC_LOOK
        case "dce":
            phases = [other for other, kind in enumerate(scans.kinds) if kind == "dce"]
            return _window(scans, phases, "relative signal")
        case "zscore":
            return _window(scans, [number], "z-score")


def _window(scans: _Scans, numbers: Sequence[int], label: str) -> Look:
    """The range of the values shown, over all visits, less its outermost percentiles."""
    chosen = np.zeros_like(scans.present)
    chosen[:, list(numbers)] = True
    values = scans.image[scans.present & chosen]
    low, high = np.percentile(values, (1.0, 99.7)) if values.size else (0.0, 1.0)
    return Look(label, round(float(low), 2), round(max(float(high), float(low) + 0.01), 2))


def _choose_slice(scans: _Scans, axis: int) -> tuple[int, str]:
    """The slice to show, and why. The first visit decides: the lesion is largest then."""
    for row, present in enumerate(scans.present):
        where = None if scans.masks is None else scans.masks[row]
        if where is not None and not where.any():
            where = None
        if scans.pet and present[scans.pet[0]]:
            return _peak(scans.image[row, scans.pet[0]], where)[axis], "the highest SUV"
        if {"dce_pre", "dce_early"} <= set(scans.channels):
            before, early = (scans.channels.index(name) for name in ("dce_pre", "dce_early"))
            if present[before] and present[early]:
                rise = scans.image[row, early] - scans.image[row, before]
                return _peak(rise, where)[axis], "the strongest early enhancement"
        if where is not None:
            area = where.sum(axis=tuple(other for other in range(3) if other != axis))
            return int(np.argmax(area)), "the lesion's largest section"
    return scans.image.shape[2 + axis] // 2, "the middle"


def _peak(values: NDArray[np.float32], where: NDArray[np.bool_] | None) -> tuple[int, ...]:
    """Index of the highest value after slight smoothing: a single noisy voxel does not decide."""
    from scipy.ndimage import gaussian_filter

    smooth = gaussian_filter(values, 1.0, mode="nearest")
    if where is not None:
        smooth = np.where(where, smooth, -np.inf)
    return tuple(int(place) for place in np.unravel_index(int(np.argmax(smooth)), smooth.shape))


def _days(days: float | None) -> str:
    return "" if days is None or not np.isfinite(days) else f"day {days:+.0f}"

"""What to draw of a patient's scans: columns, windows and the point to cut through."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, assert_never

import numpy as np
from numpy.typing import NDArray

from pcrnet.config.imaging import ChannelKind, ImagingConfig
from pcrnet.imaging.units import share_of_suvbw
from pcrnet.imaging.volume import Unit
from pcrnet.review.panels import Look, Plane, draw_bar, draw_missing, draw_panel

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from pcrnet.imaging.tensors.preprocess import PatientTensor
    from pcrnet.review.sheet import Sheet

_SUVBW_HIGH = 7.0
ADC_LOOK = Look("ADC 10⁻³ mm²/s", 0.0, 3.0)
CT_LOOK = Look("1000 HU", -0.16, 0.24)
_FINEST_MM = 1.5
SIMULATED = "SIMULATED – not a patient"

_BACKDROPS = ("dce_early", "dce_late", "t1", "t2")


@dataclass(frozen=True, eq=False)
class ShownScans:
    """All scans of a patient on one grid along RAS, in network units.

    Attributes:
        image: Shape (T, C, X, Y, Z).
        present: Shape (T, C).
        masks: Shape (T, X, Y, Z), or None without any mask.
        channels: Names along C.
        kinds: Intensity rules along C.
        spacing_mm: Shape (3,).
        suv_unit: What PET is in.
    """

    image: NDArray[np.float32]
    present: NDArray[np.bool_]
    masks: NDArray[np.bool_] | None
    channels: tuple[str, ...]
    kinds: tuple[ChannelKind, ...]
    spacing_mm: NDArray[np.float64]
    suv_unit: Unit = "SUVbw"

    @classmethod
    def of(
        cls,
        tensor: PatientTensor,
        channels: Sequence[str],
        kinds: Mapping[str, ChannelKind],
        spacing_mm: Sequence[float],
        masks: NDArray[np.bool_] | None,
        suv_unit: Unit = "SUVbw",
    ) -> ShownScans:
        """The scans of a tensor; ``masks`` of shape (X, Y, Z) serves all visits."""
        visits, _, *shape = tensor.image.shape
        return cls(
            image=np.asarray(tensor.image, dtype=np.float32),
            present=np.asarray(tensor.present, dtype=bool),
            masks=None if masks is None else np.broadcast_to(masks, (visits, *shape)),
            channels=tuple(channels),
            kinds=tuple(kinds[name] for name in channels),
            spacing_mm=np.asarray(spacing_mm, dtype=np.float64),
            suv_unit=suv_unit,
        )

    @property
    def shape(self) -> tuple[int, ...]:
        """Voxels along x, y and z."""
        return self.image.shape[2:]

    @cached_property
    def pet(self) -> list[int]:
        """Which channels are PET."""
        return [number for number, kind in enumerate(self.kinds) if kind == "suv"]

    @cached_property
    def other(self) -> list[int]:
        """Which are not."""
        return [number for number, kind in enumerate(self.kinds) if kind != "suv"]

    @cached_property
    def columns(self) -> list[Column]:
        """PET first, then PET over MR, then every other channel in its order."""
        single = [
            Column(name, number, _look(self, number)) for number, name in enumerate(self.channels)
        ]
        columns = [single[number] for number in self.pet]
        if self.pet and self.other:
            below, above = _backdrop(self), self.pet[0]
            title = f"{self.channels[above]} over {self.channels[below]}"
            over = OverLook(above, suv_look(self.suv_unit, over_mr=True))
            columns.append(Column(title, below, single[below].look, over=over))
        return columns + [single[number] for number in self.other]


@dataclass(frozen=True)
class OverLook:
    """The PET channel that is laid over another, and its look."""

    channel: int
    look: Look


@dataclass(frozen=True)
class Column:
    """A channel, or PET over an MR channel."""

    title: str
    channel: int
    look: Look
    over: OverLook | None = None

    def draw(self, axes: Axes, scans: ShownScans, visit: int, plane: Plane, index: int) -> None:
        """Draw one slice of a visit, or say that the scan is missing."""
        needed = [self.channel] if self.over is None else [self.channel, self.over.channel]
        if not scans.present[visit, needed].all():
            draw_missing(axes)
            return
        draw_panel(
            axes,
            scans.image[visit, self.channel],
            self.look,
            plane=plane,
            index=index,
            spacing_mm=scans.spacing_mm,
            over=None
            if self.over is None
            else (scans.image[visit, self.over.channel], self.over.look),
            outline=None if scans.masks is None else scans.masks[visit],
        )


def suv_look(unit: Unit, *, over_mr: bool = False) -> Look:
    """PET alone in inverse grey, as in nuclear medicine, over MR in colour.

    The window never follows the image: 0 to 7 in SUVbw, and as much of the body in other norms.
    """
    high = float(f"{_SUVBW_HIGH * share_of_suvbw(unit):.1g}")
    return Look(unit, 0.0, high, "inferno" if over_mr else "gray_r")


def window_note(scans: ShownScans) -> str:
    """What the small print says of the PET window; nothing where there is no PET."""
    if not scans.pet:
        return ""
    look = suv_look(scans.suv_unit)
    return f"fixed {look.label} window {look.low:g}–{look.high:g}, higher uptake clipped · "


def label_columns(sheet: Sheet, columns: Sequence[Column]) -> None:
    """Write each column's title above it and its colour bar below."""
    for number, column in enumerate(columns):
        sheet.label_column(number, column.title)
        draw_bar(sheet.bar(number), column.look if column.over is None else column.over.look)


def describe_days(days: float) -> str:
    """Days from the start of therapy as printed; nothing where they are NaN."""
    return f"day {days:+.0f}" if np.isfinite(days) else ""


def focus(scans: ShownScans) -> tuple[tuple[int, ...], str]:
    """The voxel to cut through, and what lies there.

    The first visit decides, for the lesion is largest then: the highest FDG uptake, else the
    strongest early enhancement, both inside the mask if there is one; else the mask's largest
    sections, else the middle.
    """
    for row, present in enumerate(scans.present):
        where = None if scans.masks is None else scans.masks[row]
        if where is not None and not where.any():
            where = None
        if scans.pet and present[scans.pet[0]]:
            return _peak(scans.image[row, scans.pet[0]], where), "the highest SUV"
        if {"dce_pre", "dce_early"} <= set(scans.channels):
            before, early = (scans.channels.index(name) for name in ("dce_pre", "dce_early"))
            if present[before] and present[early]:
                rise = scans.image[row, early] - scans.image[row, before]
                return _peak(rise, where), "the strongest early enhancement"
        if where is not None:
            areas = (where.sum(axis=axes) for axes in ((1, 2), (0, 2), (0, 1)))
            return tuple(int(np.argmax(area)) for area in areas), "the lesion's largest section"
    return tuple(length // 2 for length in scans.shape), "the middle"


def _peak(values: NDArray[np.float32], where: NDArray[np.bool_] | None) -> tuple[int, ...]:
    """Index of the highest value after slight smoothing: a single noisy voxel does not decide."""
    from scipy.ndimage import gaussian_filter

    smooth = gaussian_filter(values, 1.0, mode="nearest")
    if where is not None:
        smooth = np.where(where, smooth, -np.inf)
    return tuple(int(place) for place in np.unravel_index(int(np.argmax(smooth)), smooth.shape))


def _backdrop(scans: ShownScans) -> int:
    """The MR channel under the PET: the one present most often, then the best to read."""
    rank = {name: -place for place, name in enumerate(_BACKDROPS)}
    return max(
        scans.other,
        key=lambda number: (
            int(scans.present[:, number].sum()),
            rank.get(scans.channels[number], -len(_BACKDROPS)),
        ),
    )


def _look(scans: ShownScans, number: int) -> Look:
    """Fixed windows for SUV and ADC; one window for all DCE phases; one each for the others."""
    match scans.kinds[number]:
        case "suv":
            return suv_look(scans.suv_unit)
        case "adc":
            return ADC_LOOK
        case "dce":
            phases = [other for other, kind in enumerate(scans.kinds) if kind == "dce"]
            return _window(scans, phases, "relative signal")
        case "ratio":
            return _window(scans, [number], "ratio")
        case "hu":
            return CT_LOOK
        case "zscore":
            return _window(scans, [number], "z-score")
        case _:
            assert_never(scans.kinds[number])


def _window(scans: ShownScans, numbers: Sequence[int], label: str) -> Look:
    """The range of the values shown, over all visits, less its outermost percentiles."""
    chosen = np.zeros_like(scans.present)
    chosen[:, list(numbers)] = True
    values = scans.image[scans.present & chosen]
    low, high = np.percentile(values, (1.0, 99.7)) if values.size else (0.0, 1.0)
    return Look(label, round(float(low), 2), round(max(float(high), float(low) + 0.01), 2))


def for_display(imaging: ImagingConfig) -> ImagingConfig:
    """The network's field of view on voxels of 1.5 mm, or on its own where these are finer."""
    spacing = tuple(min(edge, _FINEST_MM) for edge in imaging.spacing_mm)
    size = tuple(
        max(1, round(n * coarse / fine))
        for n, coarse, fine in zip(imaging.size, imaging.spacing_mm, spacing, strict=True)
    )
    return imaging.model_copy(update={"spacing_mm": spacing, "size": size})

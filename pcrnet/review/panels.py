"""One slice as a radiologist reads it: orientation, window, scale bar, overlay and outline.

Arrays here lie on RAS axes: x grows toward the patient's right, y toward the front, z toward the
head. Slices are shown in the radiological convention: the patient's right is on the viewer's left;
the front is up in axial planes and left in sagittal ones; elsewhere the head is up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Plane = Literal["axial", "coronal", "sagittal"]

BACKGROUND = "#0e1013"
PANEL = "#1a1d22"
TEXT = "#e8eaed"
MUTED = "#9aa0a8"
# Okabe and Ito's palette: told apart by colour-blind readers, on grey and on inferno.
OUTLINE = "#56b4e9"
WARNING = "#e69f00"

_AXIS: dict[Plane, int] = {"sagittal": 0, "coronal": 1, "axial": 2}
_MARKS: dict[Plane, tuple[str, str, str, str]] = {
    "axial": ("R", "L", "A", "P"),
    "coronal": ("R", "L", "S", "I"),
    "sagittal": ("A", "P", "S", "I"),
}
_OVERLAY_OPACITY = 0.75
_BAR_STEPS_MM = (5, 10, 20, 50, 100, 200)


@dataclass(frozen=True)
class Look:
    """How values become grey or colour.

    Attributes:
        label: Quantity and unit, as printed at the bar.
        low: Value shown as the first colour of the map.
        high: Value shown as its last colour; larger ones are clipped.
        colormap: A matplotlib colour map, even to the eye and safe for colour-blind readers.
    """

    label: str
    low: float
    high: float
    colormap: str = "gray"


def axis_of(plane: Plane) -> int:
    """The array axis that a plane cuts."""
    return _AXIS[plane]


def cut(array: NDArray[np.generic], plane: Plane, index: int) -> NDArray[np.generic]:
    """One slice in display order.

    Args:
        array: Shape (x, y, z) on RAS axes.
        plane: Which plane.
        index: Position along the axis that the plane cuts.

    Returns:
        Shape (rows, columns), the first row at the top and the first column at the left.
    """
    across = np.take(array, index, axis=_AXIS[plane])
    return np.ascontiguousarray(across[::-1, ::-1].T)


def extent_mm(
    shape: tuple[int, ...], spacing_mm: NDArray[np.float64], plane: Plane
) -> tuple[float, float]:
    """Width and height of a slice in millimetres; ``spacing_mm`` has shape (3,)."""
    sizes = [
        n * s
        for axis, (n, s) in enumerate(zip(shape, spacing_mm, strict=True))
        if axis != _AXIS[plane]
    ]
    return float(sizes[0]), float(sizes[1])


def draw_panel(
    axes: Axes,
    array: NDArray[np.floating],
    look: Look,
    *,
    plane: Plane,
    index: int,
    spacing_mm: NDArray[np.float64],
    over: tuple[NDArray[np.floating], Look] | None = None,
    outline: NDArray[np.bool_] | None = None,
) -> None:
    """Draw one slice with its orientation marks and a millimetre scale bar.

    Args:
        axes: Where to draw.
        array: Shape (x, y, z) on RAS axes.
        look: Window and colours of ``array``.
        plane: Which plane.
        index: Position along the axis that the plane cuts.
        spacing_mm: Voxel edge lengths along x, y and z.
        over: A second array of the same shape with its look, laid over the first; it fades in
            from transparent at the low end of its window, so that the first stays readable.
        outline: Shape (x, y, z); its border in this slice is drawn as a line.
    """
    width, height = extent_mm(array.shape, spacing_mm, plane)
    frame = (0.0, width, height, 0.0)
    axes.imshow(
        cut(array, plane, index).astype(np.float32),
        cmap=look.colormap,
        vmin=look.low,
        vmax=look.high,
        extent=frame,
        interpolation="bicubic",
    )
    if over is not None:
        values = cut(over[0], plane, index).astype(np.float32)
        fraction = (values - over[1].low) / (over[1].high - over[1].low)
        axes.imshow(
            values,
            cmap=over[1].colormap,
            vmin=over[1].low,
            vmax=over[1].high,
            extent=frame,
            interpolation="bilinear",
            alpha=_OVERLAY_OPACITY * np.clip(3.0 * fraction, 0.0, 1.0),
        )
    if outline is not None:
        _draw_outline(axes, cut(outline, plane, index).astype(np.float32), width, height)
    _finish(axes, plane, width, height)


def draw_pair(
    axes: Axes,
    first: NDArray[np.floating],
    second: NDArray[np.floating],
    *,
    plane: Plane,
    index: int,
    spacing_mm: NDArray[np.float64],
) -> None:
    """Draw one slice of two scans at once: magenta and green, grey where they agree.

    Args:
        axes: Where to draw.
        first: Shape (x, y, z) on RAS axes, 0 is black and 1 is full magenta.
        second: Same shape, 1 is full green.
        plane: Which plane.
        index: Position along the axis that the plane cuts.
        spacing_mm: Voxel edge lengths along x, y and z.
    """
    width, height = extent_mm(first.shape, spacing_mm, plane)
    magenta, green = (np.clip(cut(scan, plane, index), 0.0, 1.0) for scan in (first, second))
    colours = np.stack([magenta, green, magenta], axis=-1).astype(np.float32)
    axes.imshow(colours, extent=(0.0, width, height, 0.0), interpolation="bilinear")
    _finish(axes, plane, width, height)


def draw_missing(axes: Axes, text: str = "not acquired") -> None:
    """An empty cell that says why it is empty."""
    axes.set_facecolor(PANEL)
    axes.text(
        0.5,
        0.5,
        text,
        transform=axes.transAxes,
        color=MUTED,
        ha="center",
        va="center",
        fontsize=9,
        style="italic",
    )
    axes.set(xticks=[], yticks=[])
    _frame(axes)


def draw_note(axes: Axes, lines: Sequence[tuple[str, str]]) -> None:
    """A cell of text: names on the left, values on the right."""
    axes.set_facecolor(PANEL)
    style: dict[str, Any] = {"transform": axes.transAxes, "fontsize": 8, "va": "center"}
    for number, (name, value) in enumerate(lines):
        height = 1.0 - (number + 0.7) / max(len(lines) + 0.4, 9)
        axes.text(0.05, height, name, color=MUTED, ha="left", **style)
        axes.text(0.95, height, value, color=TEXT, ha="right", **style)
    axes.set(xticks=[], yticks=[])
    _frame(axes)


def draw_bar(axes: Axes, look: Look) -> None:
    """A horizontal colour bar with the ends of the window and the quantity it shows."""
    ramp = np.linspace(look.low, look.high, 256)[None, :]
    axes.imshow(ramp, cmap=look.colormap, aspect="auto", extent=(0.0, 1.0, 0.0, 1.0))
    for x, text, align in (
        (0.0, f"{look.low:g}", "left"),
        (0.5, look.label, "center"),
        (1.0, f"{look.high:g}", "right"),
    ):
        axes.text(x, -0.3, text, color=TEXT, fontsize=7.5, ha=align, va="top")
    axes.set(xticks=[], yticks=[])
    _frame(axes)


def _finish(axes: Axes, plane: Plane, width: float, height: float) -> None:
    _draw_marks(axes, plane)
    _draw_scale_bar(axes, width, height)
    axes.set(xlim=(0.0, width), ylim=(height, 0.0), xticks=[], yticks=[])
    _frame(axes)


def _draw_outline(axes: Axes, mask: NDArray[np.float32], width: float, height: float) -> None:
    if not mask.any():
        return
    # One voxel of background around it closes lines that would run into the border.
    rows, columns = mask.shape
    x = (np.arange(-1, columns + 1) + 0.5) * width / columns
    y = (np.arange(-1, rows + 1) + 0.5) * height / rows
    axes.contour(x, y, np.pad(mask, 1), levels=[0.5], colors=[OUTLINE], linewidths=1.1)


def _draw_marks(axes: Axes, plane: Plane) -> None:
    left, right, top, bottom = _MARKS[plane]
    for letter, x, y in (
        (left, 0.04, 0.5),
        (right, 0.96, 0.5),
        (top, 0.5, 0.95),
        (bottom, 0.5, 0.05),
    ):
        _write(axes, x, y, letter)


def _draw_scale_bar(axes: Axes, width: float, height: float) -> None:
    from matplotlib.patches import Rectangle

    length = max((step for step in _BAR_STEPS_MM if step <= 0.35 * width), default=_BAR_STEPS_MM[0])
    left, top, thickness = 0.04 * width, 0.93 * height, 0.012 * height
    axes.add_patch(
        Rectangle(
            (left, top), length, thickness, facecolor="white", edgecolor="black", linewidth=0.4
        )
    )
    _write(axes, 0.04, 0.12, f"{length} mm", align="left")


def _write(
    axes: Axes, x: float, y: float, text: str, align: Literal["left", "center"] = "center"
) -> None:
    """Small white text with a dark rim, so that it reads on black and on white."""
    from matplotlib.patheffects import withStroke

    axes.text(
        x,
        y,
        text,
        transform=axes.transAxes,
        color="white",
        fontsize=7,
        ha=align,
        va="center",
        path_effects=[withStroke(linewidth=1.5, foreground="black")],
    )


def _frame(axes: Axes) -> None:
    for spine in axes.spines.values():
        spine.set(color=MUTED, linewidth=0.5)

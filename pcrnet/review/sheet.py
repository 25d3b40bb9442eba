"""A dark page with rows and columns of panels, labels around them and colour bars below."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pcrnet.review.panels import BACKGROUND, MUTED, TEXT, WARNING

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_PANEL = 1.75
_LEFT, _TOP, _FOOT, _GAP, _MARGIN = 0.95, 0.85, 0.5, 0.08, 0.15
_BAR, _BAR_THICKNESS = 0.46, 0.16
_CHARACTERS_PER_INCH = 16  # of the footnote's type
_FOOT_LINE = 0.14
_DOTS_PER_INCH = 120


class Sheet:
    """Places panels on a figure outside pyplot's global state; lengths are inches.

    Args:
        aspects: Height over width of the panels of each row.
        columns: Number of columns.
        bars: Whether colour bars follow below.
        foot: Small print below them, in as many lines as it needs.
    """

    def __init__(
        self, aspects: Sequence[float], columns: int, *, bars: bool = True, foot: str = ""
    ) -> None:
        from matplotlib.figure import Figure

        self._heights = [_PANEL * aspect for aspect in aspects]
        self._width = _LEFT + columns * (_PANEL + _GAP) + _MARGIN
        lines = textwrap.wrap(foot, int(_CHARACTERS_PER_INCH * (self._width - 2 * _MARGIN)))
        below = max(_FOOT, 0.2 + _FOOT_LINE * len(lines))
        self._height = self._row_top(len(aspects)) + below + (_BAR if bars else 0.0)
        self._figure = Figure(figsize=(self._width, self._height), facecolor=BACKGROUND)
        y = self._height - 0.1
        self._text(_MARGIN, y, "\n".join(lines), color=MUTED, fontsize=7.5, va="bottom")

    def panel(self, row: int, column: int) -> Axes:
        """The axes of one panel."""
        box = (self._column_left(column), self._row_top(row), _PANEL, self._heights[row])
        return self._axes(*box)

    def bar(self, column: int) -> Axes:
        """The axes of the colour bar below a column."""
        top = self._row_top(len(self._heights)) + 0.06
        return self._axes(self._column_left(column) + 0.05, top, _PANEL - 0.1, _BAR_THICKNESS)

    def label_row(self, row: int, name: str, detail: str = "") -> None:
        """Write a row's name and, smaller, a detail to its left."""
        x, y = _LEFT - 0.1, self._row_top(row) + self._heights[row] / 2
        self._text(x, y, name, fontsize=10, ha="right", va="bottom")
        self._text(x, y + 0.04, detail, color=MUTED, fontsize=8, ha="right", va="top")

    def label_column(self, column: int, name: str) -> None:
        """Write a column's name above it."""
        x = self._column_left(column) + _PANEL / 2
        self._text(x, _TOP - 0.08, name, fontsize=10, ha="center", va="bottom")

    def head(self, title: str, warning: str = "") -> None:
        """Write the title and, at the right, what the reader must not overlook."""
        style = {"weight": "bold", "va": "center"}
        self._text(_MARGIN, 0.34, title, fontsize=13, **style)
        x = self._width - _MARGIN
        self._text(x, 0.34, warning, color=WARNING, fontsize=10, ha="right", **style)

    def png(self) -> bytes:
        """The page as PNG, equal bytes for equal content: no time, no software name inside."""
        return self._write(format="png", metadata={"Software": None})

    def jpeg(self) -> bytes:
        """The page as JPEG, a fifth of the size, for documents of many pages."""
        return self._write(format="jpeg", pil_kwargs={"quality": 85, "subsampling": 0})

    def _write(self, **options: Any) -> bytes:  # noqa: ANN401 - matplotlib's savefig options
        from matplotlib.backends.backend_agg import FigureCanvasAgg

        FigureCanvasAgg(self._figure)
        stream = io.BytesIO()
        self._figure.savefig(stream, dpi=_DOTS_PER_INCH, facecolor=BACKGROUND, **options)
        return stream.getvalue()

    def _column_left(self, column: int) -> float:
        return _LEFT + column * (_PANEL + _GAP)

    def _row_top(self, row: int) -> float:
        return _TOP + sum(height + _GAP for height in self._heights[:row])

    def _axes(self, left: float, top: float, width: float, height: float) -> Axes:
        bottom = self._height - top - height
        return self._figure.add_axes(
            (
                left / self._width,
                bottom / self._height,
                width / self._width,
                height / self._height,
            )
        )

    def _text(self, x: float, y: float, text: str, color: str = TEXT, **style: Any) -> None:  # noqa: ANN401 - matplotlib's text properties
        self._figure.text(x / self._width, 1.0 - y / self._height, text, color=color, **style)

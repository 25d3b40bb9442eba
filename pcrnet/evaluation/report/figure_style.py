"""How every figure looks and how it is written: one palette, one type size, SVG and PDF.

The colours are Okabe and Ito's, which stay apart for every kind of colour vision; lines differ in
dash as well, so that a grey print still reads.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pcrnet.storage import atomic_path

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BLUE, VERMILLION, GREEN = "#0072B2", "#D55E00", "#009E73"
ORANGE, SKY, PURPLE = "#E69F00", "#56B4E9", "#CC79A7"
INK, GREY, FAINT = "#1f2328", "#7a828c", "#d8dce1"

_SETTINGS: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["Helvetica", "Arial", "Liberation Sans", "DejaVu Sans"],
    "font.size": 9,
    "axes.titlesize": 9.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.edgecolor": GREY,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "text.color": INK,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "lines.linewidth": 1.6,
    "lines.solid_capstyle": "round",
    "figure.constrained_layout.use": True,
    # Text stays text: searchable on the page, editable for a paper, embedded in the PDF.
    "svg.fonttype": "none",
    "svg.hashsalt": "pcrnet",
    "pdf.fonttype": 42,
}
_PIXELS_PER_POINT = 1.4
_FONT_STACK = "Helvetica, Arial, 'Liberation Sans', sans-serif"


@contextmanager
def styled_figure(
    width_in: float, height_in: float, height_ratios: tuple[float, ...] = (1.0,)
) -> Iterator[tuple[Figure, tuple[Axes, ...]]]:
    """A figure of stacked axes in the house style, without pyplot and so without global state.

    Args:
        width_in, height_in: Of the whole figure, in inches.
        height_ratios: Share of each of the axes, from the top.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context(_SETTINGS):
        figure = Figure(figsize=(width_in, height_in))
        axes = figure.subplots(
            len(height_ratios),
            1,
            squeeze=False,
            sharex=True,
            gridspec_kw={"height_ratios": height_ratios},
        )
        yield figure, tuple(axes[:, 0])


def save_figure(figure: Figure, to: Path) -> str:
    """Write ``<to>.svg`` and ``<to>.pdf`` and return the SVG for use inside a page.

    The same figure gives the same bytes: no dates, and names that depend on the content only.
    """
    from matplotlib import rc_context
    from matplotlib.backends.backend_pdf import FigureCanvasPdf

    svg = _drawn(figure, to.name)
    # The layout is found now; finding it again for the PDF would take as long as drawing.
    figure.set_layout_engine("none")
    with rc_context(_SETTINGS):
        with atomic_path(to.with_name(f"{to.name}.svg")) as path:
            path.write_text(svg, encoding="utf-8")
        with atomic_path(to.with_name(f"{to.name}.pdf")) as path, _fonts_without_layout():
            FigureCanvasPdf(figure).print_pdf(  # type: ignore[no-untyped-call]
                path, metadata={"CreationDate": None, "Creator": "pcrnet"}
            )
    return _for_page(svg)


@contextmanager
def _fonts_without_layout() -> Iterator[None]:
    """Leave out of embedded fonts what says how glyphs go together.

    A PDF states the place of every glyph. Cutting these tables down takes ten times as long as
    drawing the figure.
    """
    from fontTools.subset import Options

    name = "_drop_tables_default"
    before = getattr(Options, name, None)
    if before is None:
        yield
        return
    setattr(Options, name, [*before, "GDEF", "GPOS", "GSUB"])
    try:
        yield
    finally:
        setattr(Options, name, before)


def page_svg(figure: Figure, name: str) -> str:
    """The SVG of a figure that stands on a page only; ``name`` tells its parts from others'."""
    return _for_page(_drawn(figure, name))


def _drawn(figure: Figure, name: str) -> str:
    from matplotlib import rc_context
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    with rc_context(_SETTINGS):
        buffer = io.StringIO()
        # Straight to the canvas: Figure.savefig draws everything twice.
        FigureCanvasSVG(figure).print_svg(  # type: ignore[no-untyped-call]
            buffer, metadata={"Date": None, "Creator": "pcrnet"}
        )
    return _own_names(buffer.getvalue(), name)


def _own_names(svg: str, name: str) -> str:
    """Prefix every id with the figure's name, so that figures on one page do not share any."""
    svg = re.sub(r'\bid="([^"]+)"', rf'id="{name}-\1"', svg)
    svg = re.sub(r"url\(#([^)]+)\)", rf"url(#{name}-\1)", svg)
    svg = re.sub(r'href="#([^"]+)"', rf'href="#{name}-\1"', svg)
    return re.sub(r"font: ([^;\"]*?px) [^;\"]+", rf"font: \1 {_FONT_STACK}", svg)


def _for_page(svg: str) -> str:
    """The ``<svg>`` element alone, no wider than makes its text as large as the page's."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"\s*<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)

    def size(found: re.Match[str]) -> str:
        return f'{found[1]} style="max-width: {_PIXELS_PER_POINT * float(found[2]):.0f}px"'

    return re.sub(r'(<svg[^>]*?) width="([\d.]+)pt" height="[\d.]+pt"', size, svg, count=1)

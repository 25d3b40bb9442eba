"""The picture of one patient: what adds to the logits, and where in each scan it lies."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pcrnet.explain.contributions import NETWORKS
from pcrnet.explain.occlusion import OcclusionMap
from pcrnet.explain.patient import Explanation
from pcrnet.imaging.quantify.sampled import Sampled
from pcrnet.review.panels import cut

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

BLUE, VERMILLION, GREY = "#0072b2", "#d55e00", "#5f6670"
_PANEL = 1.9
_DOTS_PER_INCH = 130


def subjects_picture(explanation: Explanation) -> bytes:
    """Bars: what each subject adds to the logit of the breast and to those of the nodes; PNG."""
    from matplotlib.figure import Figure

    breakdown = explanation.breakdown
    rows = breakdown.by_subject()
    if breakdown.networks.any():
        first, second, third = (float(value) for value in breakdown.networks)
        rows[NETWORKS] = (first, (second + third) / 2)
    names = list(rows)
    figure = Figure(figsize=(8.2, 0.9 + 0.3 * max(1, len(names))), layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    largest = max([abs(value) for pair in rows.values() for value in pair] or [1.0]) or 1.0
    for index, (axes, title) in enumerate(
        zip(panels, ("breast (yT0)", "nodes (yN0)"), strict=True)
    ):
        values = [rows[name][index] for name in names]
        colours = [BLUE if value >= 0 else VERMILLION for value in values]
        axes.barh(names, values, color=colours, height=0.7)
        axes.axvline(0.0, color=GREY, linewidth=0.8)
        axes.set_xlim(-1.25 * largest, 1.25 * largest)
        axes.set_title(f"{title}: {sum(values):+.2f} in all", fontsize=9, loc="left")
        axes.tick_params(labelsize=8)
        for row, value in enumerate(values):
            axes.annotate(
                f"{value:+.2f}",
                (value, row),
                xytext=(3 if value >= 0 else -3, 0),
                textcoords="offset points",
                ha="left" if value >= 0 else "right",
                va="center",
                fontsize=7,
            )
        axes.spines[["top", "right"]].set_visible(False)
    panels[0].invert_yaxis()
    figure.supxlabel("log-odds added to those of the average training patient", fontsize=8)
    return _png(figure)


def maps_picture(explanation: Explanation) -> bytes | None:
    """Each measured scan through its strongest place with the map laid over it; PNG.

    None where nothing was mapped. A scan that is absent has no panel.
    """
    from matplotlib.figure import Figure

    maps = {(one.timepoint, one.channel): one for one in explanation.occlusion}
    if not maps:
        return None
    visits = list(explanation.survey.visits)
    channels = list(dict.fromkeys(channel for _, channel in maps))
    bound = max(one.strongest for one in maps.values()) or 1.0
    figure = Figure(
        figsize=(_PANEL * len(channels) + 0.9, _PANEL * len(visits) + 0.75), layout="constrained"
    )
    grid = figure.subplots(len(visits), len(channels), squeeze=False)
    image = None
    for row, visit in enumerate(visits):
        for column, channel in enumerate(channels):
            axes = grid[row][column]
            axes.set_xticks([])
            axes.set_yticks([])
            if row == 0:
                axes.set_title(channel, fontsize=9)
            if column == 0:
                axes.set_ylabel(visit, fontsize=9)
            found = maps.get((visit, channel))
            if found is None:
                axes.text(0.5, 0.5, "absent", ha="center", va="center", color=GREY, fontsize=8)
                continue
            image = _draw(axes, explanation, found, bound)
    if image is not None:
        bar = figure.colorbar(image, ax=grid.ravel().tolist(), shrink=0.7, pad=0.01)
        bar.set_label(f"log-odds of {explanation.head} per mL", fontsize=8)
        bar.ax.tick_params(labelsize=7)
    return _png(figure)


def _draw(axes: Axes, explanation: Explanation, found: OcclusionMap, bound: float) -> AxesImage:
    scan = explanation.survey.visits[found.timepoint].lesion[found.channel]
    place = explanation.survey.place
    assert place is not None  # noqa: S101 - there is no map without one
    strongest = np.abs(found.density).max(axis=(0, 1))
    middle = round(float(np.argwhere(place.lesion)[:, 2].mean()))
    index = int(strongest.argmax()) if strongest.any() else middle
    axes.imshow(cut(_grey(scan), "axial", index), cmap="gray", vmin=0.0, vmax=1.0)
    shown = cut(found.density, "axial", index).astype(np.float32)
    image = axes.imshow(
        shown,
        cmap="RdBu",
        vmin=-bound,
        vmax=bound,
        alpha=np.clip(1.6 * np.abs(shown) / bound, 0.0, 0.65),
        interpolation="nearest",
    )
    outline = cut(place.lesion, "axial", index).astype(np.float32)
    if outline.any() and not outline.all():
        axes.contour(outline, levels=[0.5], colors="#f0e442", linewidths=0.8)
    return image


def _grey(scan: Sampled) -> NDArray[np.float32]:
    low, high = np.percentile(scan.values[scan.covered], (1, 99.5))
    return np.asarray(
        np.clip((scan.values - low) / max(high - low, 1e-6), 0.0, 1.0), dtype=np.float32
    )


def _png(figure: Figure) -> bytes:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    FigureCanvasAgg(figure)
    stream = io.BytesIO()
    figure.savefig(stream, dpi=_DOTS_PER_INCH, format="png", metadata={"Software": None})
    return stream.getvalue()

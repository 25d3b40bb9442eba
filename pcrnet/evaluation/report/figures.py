"""The plots of the report, each drawn from plain arrays and written as SVG and PDF."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pcrnet.evaluation.report.figure_style import (
    BLUE,
    FAINT,
    GREEN,
    GREY,
    INK,
    ORANGE,
    PURPLE,
    SKY,
    VERMILLION,
    save_figure,
    styled_figure,
)
from pcrnet.evaluation.statistics.array_types import FloatArray
from pcrnet.evaluation.statistics.curves import Curve
from pcrnet.evaluation.statistics.intervals import Estimate
from pcrnet.evaluation.statistics.net_benefit import SENSIBLE_RANGE, DecisionCurve

if TYPE_CHECKING:
    from matplotlib.axes import Axes


_SQUARE_IN = (4.1, 3.8)


_BINS: FloatArray = np.linspace(0.0, 1.0, 26)


@dataclass(frozen=True)
class ForestPanel:
    """One column of a forest plot: an estimate and a note for each line; None leaves a line empty.

    The first line is the whole that the others are parts of.
    """

    title: str
    estimates: tuple[Estimate | None, ...]
    notes: tuple[str, ...]


def draw_roc(
    curve: Curve, sensitivity: Estimate, specificity: Estimate, *, auc: str, to: Path
) -> str:
    """ROC curve with its pointwise band and the locked operating point with its intervals."""
    with styled_figure(*_SQUARE_IN) as (figure, (axes,)):
        axes.plot([0, 1], [0, 1], color=FAINT, linewidth=1.0, zorder=1)
        axes.fill_between(curve.x, curve.low, curve.high, color=BLUE, alpha=0.16, linewidth=0)
        axes.plot(curve.x, curve.y, color=BLUE, label=f"AUC {auc}")
        if sensitivity.value is not None and specificity.value is not None:
            axes.errorbar(
                [1.0 - specificity.value],
                [sensitivity.value],
                xerr=_errors(specificity),
                yerr=_errors(sensitivity)[::-1],
                color=VERMILLION,
                marker="o",
                markersize=5,
                capsize=2.5,
                linewidth=1.2,
                linestyle="none",
                label="locked operating point",
            )
        _unit_axes(axes, "1 − specificity (false positive rate)", "sensitivity")
        axes.legend(loc="lower right")
        return save_figure(figure, to)


def draw_precision_recall(curve: Curve, response_rate: float, *, to: Path) -> str:
    """Precision over recall, with ``response_rate``, the share that guessing would reach."""
    with styled_figure(*_SQUARE_IN) as (figure, (axes,)):
        axes.axhline(response_rate, color=GREY, linewidth=1.0, linestyle=(0, (4, 3)))
        axes.text(0.02, response_rate + 0.015, "by chance", color=GREY, fontsize=8)
        # Steps, so that the area below the curve is the average precision.
        axes.fill_between(
            curve.x, curve.low, curve.high, step="pre", color=BLUE, alpha=0.16, linewidth=0
        )
        axes.plot(curve.x, curve.y, color=BLUE, drawstyle="steps-pre")
        _unit_axes(axes, "recall (sensitivity)", "precision (PPV)")
        return save_figure(figure, to)


def draw_calibration(
    after: Curve,
    before: Curve | None,
    *,
    prob_of_responders: FloatArray,
    prob_of_others: FloatArray,
    most: int,
    to: Path,
) -> str:
    """Smooth calibration curve with its band; below it where the predictions lie.

    Args:
        after: The curve of the calibrated probabilities.
        before: That of the uncalibrated ones; None draws none.
        prob_of_responders, prob_of_others: Calibrated probabilities, (n,) each of its own n.
        most: Range of the bars, one for all figures of a row (:func:`most_in_a_bin`).
        to: The files to write, without ``.svg`` and ``.pdf``.

    Returns:
        The SVG, for use inside a page.
    """
    with styled_figure(4.1, 4.7, height_ratios=(3.4, 1.0)) as (figure, (axes, histogram)):
        axes.plot([0, 1], [0, 1], color=GREY, linewidth=1.0, linestyle=(0, (4, 3)))
        if before is not None:
            axes.plot(
                before.x,
                before.y,
                color=ORANGE,
                linewidth=1.3,
                linestyle=(0, (5, 2)),
                label="before recalibration",
            )
        axes.fill_between(after.x, after.low, after.high, color=BLUE, alpha=0.16, linewidth=0)
        axes.plot(after.x, after.y, color=BLUE, label="as predicted")
        _unit_axes(axes, "", "observed share of response")
        axes.legend(loc="upper left")
        up, _ = np.histogram(prob_of_responders, _BINS)
        down, _ = np.histogram(prob_of_others, _BINS)
        width = float(_BINS[1] - _BINS[0]) * 0.86
        centres = (_BINS[:-1] + _BINS[1:]) / 2.0
        histogram.bar(centres, up, width, color=GREEN, label="response")
        histogram.bar(centres, -down, width, color=PURPLE, label="residual tumour")
        histogram.axhline(0.0, color=GREY, linewidth=0.8)
        histogram.set_xlabel("predicted probability of response")
        histogram.set_ylabel("patients")
        histogram.set_ylim(-1.15 * most, 1.15 * most)
        histogram.set_yticks([-most, 0, most], [str(most), "0", str(most)])
        histogram.legend(
            loc="lower left", bbox_to_anchor=(-0.02, 0.98), ncols=2, borderpad=0, fontsize=8
        )
        return save_figure(figure, to)


def most_in_a_bin(groups: Sequence[FloatArray]) -> int:
    """The largest bar that :func:`draw_calibration` would draw of any group (n,)."""
    return max(1, *(int(np.histogram(prob, _BINS)[0].max(initial=0)) for prob in groups))


def decision_top(curves: Sequence[DecisionCurve]) -> float:
    """Upper end, per 100 patients, of the range that shows all of the curves."""
    return 100.0 * max(
        0.01, *(float(np.nanmax([curve.high, curve.model, curve.treat_all])) for curve in curves)
    )


def draw_decision_curve(
    curve: DecisionCurve, *, top: float, locked: Sequence[float], to: Path
) -> str:
    """Net benefit over the threshold, beside sparing everybody and sparing nobody.

    Args:
        curve: Of one outcome.
        top: Upper end of the range, one for all figures of a row (:func:`decision_top`).
        locked: The locked thresholds, smallest and largest; none where none was locked.
        to: Where the figure is written, without suffix.
    """
    with styled_figure(*_SQUARE_IN) as (figure, (axes,)):
        axes.axvspan(
            *SENSIBLE_RANGE, color=FAINT, alpha=0.45, linewidth=0, zorder=0, label="sensible range"
        )
        for threshold in sorted(set(locked)):
            axes.axvline(threshold, color=GREEN, linewidth=1.2, linestyle=(0, (1, 2)))
        if locked:
            axes.plot([], [], color=GREEN, linestyle=(0, (1, 2)), label="locked threshold")
        axes.axhline(0.0, color=INK, linewidth=1.0, label="operate on all")
        axes.plot(
            curve.thresholds,
            100.0 * curve.treat_all,
            color=VERMILLION,
            linewidth=1.3,
            linestyle=(0, (5, 2)),
            label="spare all",
        )
        axes.fill_between(
            curve.thresholds,
            100.0 * curve.low,
            100.0 * curve.high,
            color=BLUE,
            alpha=0.16,
            linewidth=0,
        )
        axes.plot(curve.thresholds, 100.0 * curve.model, color=BLUE, label="spare by prediction")
        axes.set_xlim(0, 1)
        axes.set_ylim(-0.2 * top, 1.08 * top)
        axes.set_xlabel("threshold probability of response")
        axes.set_ylabel("net operations avoided per 100 patients")
        # Above the axes: where most respond, curve and band reach every corner.
        axes.legend(loc="lower left", bbox_to_anchor=(-0.02, 1.0), ncols=2, borderpad=0)
        return save_figure(figure, to)


def draw_forest(
    labels: Sequence[str], panels: Sequence[ForestPanel], axis_label: str, *, to: Path
) -> str:
    """Estimates with intervals, one line each, one panel for each outcome.

    Args:
        labels: Names of the lines; the first, and those without any estimate, are set bold.
        panels: Side by side, each with as many estimates and notes as there are labels.
        axis_label: What is estimated.
        to: Where the figure is written, without suffix.
    """
    names_in, panel_in, height_in = 1.75, 2.55, 0.8 + 0.225 * len(labels)
    width_in = names_in + panel_in * len(panels)
    limits = _forest_limits(panels)
    with styled_figure(width_in, height_in) as (figure, (names,)):
        # Placed by hand: as tick labels these texts would take seconds to lay out.
        figure.set_layout_engine("none")
        bottom, height = 0.5 / height_in, 1.0 - 0.75 / height_in
        names.set_position((0.0, bottom, names_in / width_in, height))
        names.set_axis_off()
        names.set_ylim(0.4 - len(labels), 0.6)
        for line, label in enumerate(labels):
            bold = line == 0 or all(panel.estimates[line] is None for panel in panels)
            weight = "bold" if bold else "normal"
            names.text(0.02 if bold else 0.08, -line, label, va="center", weight=weight)
        for index, panel in enumerate(panels):
            left = (names_in + panel_in * index) / width_in
            axes = figure.add_axes((left, bottom, 0.7 * panel_in / width_in, height))
            _draw_panel(axes, panel)
            axes.set_xlim(*limits)
            axes.set_ylim(names.get_ylim())
            axes.set_title(panel.title)
            axes.set_xlabel(axis_label)
        return save_figure(figure, to)


def draw_flow(
    steps: Sequence[tuple[str, int, str]],
    heads: Sequence[tuple[str, int, int]],
    *,
    to: Path,
) -> str:
    """Flow of patients from the table to each analysis.

    Args:
        steps: What is left, how many, and why the others were left out, from the top.
        heads: Outcome, patients in whom it is known, responders among them.
        to: Where the figure is written, without suffix.
    """
    box = {"boxstyle": "round,pad=0.5", "facecolor": "white", "edgecolor": GREY, "linewidth": 0.9}
    aside = {"boxstyle": "round,pad=0.4", "facecolor": "#f4f5f7", "edgecolor": "none"}
    arrow = {"arrowstyle": "-|>", "color": GREY, "linewidth": 0.9, "shrinkA": 0, "shrinkB": 0}
    with styled_figure(7.2, 0.72 * (len(steps) + 1)) as (figure, (axes,)):
        axes.set_axis_off()
        axes.set_xlim(0, 1)
        axes.set_ylim(-len(steps) - 0.5, 0.5)
        for level, (step, n, reason) in enumerate(steps):
            axes.text(0.5, -level, f"{step}\nn = {n}", ha="center", va="center", bbox=box, zorder=3)
            if level == 0:
                continue
            axes.annotate("", (0.5, 0.3 - level), (0.5, 0.7 - level), arrowprops=arrow)
            left_out = steps[level - 1][1] - n
            if left_out:
                axes.annotate("", (0.71, 0.5 - level), (0.5, 0.5 - level), arrowprops=arrow)
                text = f"left out: {left_out}" + (f"\n{reason}" if reason else "")
                axes.text(0.73, 0.5 - level, text, va="center", fontsize=8.5, bbox=aside)
        bottom = -len(steps)
        places = [(index + 0.5) / len(heads) for index in range(len(heads))]
        axes.plot([0.5, 0.5], [bottom + 0.7, bottom + 0.5], color=GREY, linewidth=0.9)
        axes.plot([places[0], places[-1]], [bottom + 0.5] * 2, color=GREY, linewidth=0.9)
        for x, (head, known, responders) in zip(places, heads, strict=True):
            axes.annotate("", (x, bottom + 0.3), (x, bottom + 0.5), arrowprops=arrow)
            text = f"{head} known\nn = {known}, response {responders}"
            blue = box | {"edgecolor": BLUE}
            axes.text(x, bottom, text, ha="center", va="center", bbox=blue, zorder=3)
        return save_figure(figure, to)


def draw_fold_spread(aucs: Sequence[tuple[str, Sequence[float]]], *, to: Path) -> str:
    """AUC of each fold, a line for each head: the spread that one interval does not show."""
    with styled_figure(7.2, 0.55 + 0.3 * len(aucs)) as (figure, (axes,)):
        axes.axvline(0.5, color=FAINT, linewidth=1.0)
        for row, (_, values) in enumerate(aucs):
            axes.plot(values, [-row] * len(values), "o", color=SKY, markersize=5, alpha=0.9)
            if len(values):
                axes.plot([float(np.mean(values))], [-row], "|", color=INK, markersize=12)
        axes.set_yticks([-row for row in range(len(aucs))], [label for label, _ in aucs])
        axes.set_ylim(-len(aucs) + 0.4, 0.6)
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        axes.set_xlabel("AUC of each fold (dots) and their mean (bar)")
        return save_figure(figure, to)


def _errors(estimate: Estimate) -> FloatArray:
    """Distances to the limits, shape ``(2, 1)``; none where there is no interval."""
    if estimate.value is None or estimate.low is None or estimate.high is None:
        return np.zeros((2, 1))
    below, above = estimate.value - estimate.low, estimate.high - estimate.value
    return np.asarray(np.maximum([[above], [below]], 0.0), dtype=np.float64)


def _unit_axes(axes: Axes, x: str, y: str) -> None:
    axes.set_xlim(-0.01, 1.01)
    axes.set_ylim(-0.01, 1.01)
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1])
    axes.set_yticks([0, 0.25, 0.5, 0.75, 1])
    axes.set_xlabel(x)
    axes.set_ylabel(y)


def _draw_panel(axes: Axes, panel: ForestPanel) -> None:
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    beside = axes.get_yaxis_transform()
    whole = panel.estimates[0]
    if whole is not None and whole.value is not None:
        axes.axvline(whole.value, color=FAINT, linewidth=1.2, zorder=0)
    for line, (estimate, note) in enumerate(zip(panel.estimates, panel.notes, strict=True)):
        axes.text(1.33, -line, note, transform=beside, va="center", ha="right", fontsize=8)
        if estimate is None or estimate.value is None:
            continue
        if estimate.low is not None and estimate.high is not None:
            axes.plot([estimate.low, estimate.high], [-line] * 2, color=BLUE, linewidth=1.4)
        axes.plot([estimate.value], [-line], "s" if line else "D", color=BLUE, markersize=4.5)


def _forest_limits(panels: Sequence[ForestPanel]) -> tuple[float, float]:
    found = [
        limit
        for panel in panels
        for estimate in panel.estimates
        if estimate is not None
        for limit in (estimate.low, estimate.high, estimate.value)
        if limit is not None
    ]
    if not found:
        return 0.0, 1.0
    margin = 0.03 * max(max(found) - min(found), 0.1)
    return min(found) - margin, max(found) + margin


@dataclass(frozen=True)
class PageFigure:
    """A figure in the page, with its caption."""

    name: str
    title: str
    caption: str
    svg: str

    @property
    def kind(self) -> str:
        """What is drawn, of whichever outcome: the name without its last part."""
        return self.name.rpartition("_")[0]

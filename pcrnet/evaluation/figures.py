"""The plots of the report, each drawn from plain arrays and written as SVG and PDF."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pcrnet.evaluation.arrays import FloatArray
from pcrnet.evaluation.curves import Curve
from pcrnet.evaluation.decision import DecisionCurve
from pcrnet.evaluation.figure_style import (
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
from pcrnet.evaluation.intervals import Estimate

if TYPE_CHECKING:
    from matplotlib.axes import Axes


_SQUARE_IN = (3.9, 3.7)


@dataclass(frozen=True)
class ForestRow:
    """A line of a forest plot; a row without an estimate is a heading or says why it is empty."""

    label: str
    estimate: Estimate | None
    note: str = ""
    """Text at the right: counts."""


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
    """Precision over recall, with the response rate that guessing would reach."""
    with styled_figure(*_SQUARE_IN) as (figure, (axes,)):
        axes.axhline(response_rate, color=GREY, linewidth=1.0, linestyle=(0, (4, 3)))
        axes.text(0.02, response_rate + 0.015, "by chance", color=GREY, fontsize=8)
        axes.fill_between(curve.x, curve.low, curve.high, color=BLUE, alpha=0.16, linewidth=0)
        axes.plot(curve.x, curve.y, color=BLUE)
        _unit_axes(axes, "recall (sensitivity)", "precision (PPV)")
        return save_figure(figure, to)


def draw_calibration(
    after: Curve,
    before: Curve | None,
    *,
    prob_of_responders: FloatArray,
    prob_of_others: FloatArray,
    to: Path,
) -> str:
    """Smooth calibration curve with its band; below it where the predictions lie."""
    with styled_figure(3.9, 4.6, height_ratios=(3.4, 1.0)) as (figure, (axes, histogram)):
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
        bins = np.linspace(0.0, 1.0, 26)
        up, _ = np.histogram(prob_of_responders, bins)
        down, _ = np.histogram(prob_of_others, bins)
        width = float(bins[1] - bins[0]) * 0.86
        centres = (bins[:-1] + bins[1:]) / 2.0
        histogram.bar(centres, up, width, color=GREEN, label="response")
        histogram.bar(centres, -down, width, color=PURPLE, label="residual tumour")
        histogram.axhline(0.0, color=GREY, linewidth=0.8)
        histogram.set_xlabel("predicted probability of response")
        histogram.set_ylabel("patients")
        largest = max(1, int(max(up.max(initial=0), down.max(initial=0))))
        histogram.set_ylim(-1.15 * largest, 1.15 * largest)
        histogram.set_yticks([-largest, 0, largest], [str(largest), "0", str(largest)])
        histogram.legend(
            loc="lower left", bbox_to_anchor=(-0.02, 0.98), ncols=2, borderpad=0, fontsize=8
        )
        return save_figure(figure, to)


def draw_decision_curve(curve: DecisionCurve, *, to: Path) -> str:
    """Net benefit over the threshold, beside sparing everybody and sparing nobody."""
    with styled_figure(*_SQUARE_IN) as (figure, (axes,)):
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
        top = 100.0 * max(float(curve.high.max()), float(curve.treat_all.max()), 0.01)
        axes.set_xlim(0, 1)
        axes.set_ylim(-0.2 * top, 1.08 * top)
        axes.set_xlabel("threshold probability of response")
        axes.set_ylabel("net operations avoided per 100 women")
        axes.legend(loc="upper right")
        return save_figure(figure, to)


def draw_forest(
    rows: Sequence[ForestRow],
    overall: Estimate,
    axis_label: str,
    *,
    first_label: str,
    first_note: str = "",
    to: Path,
) -> str:
    """Estimates with intervals, one line each, against the overall one."""
    lines = [ForestRow(first_label, overall, first_note), *rows]
    height_in = 0.6 + 0.235 * len(lines)
    with styled_figure(7.2, height_in) as (figure, (axes,)):
        # Placed by hand: as tick labels these texts would take seconds to lay out.
        figure.set_layout_engine("none")
        axes.set_position((0.27, 0.45 / height_in, 0.6, 1.0 - 0.5 / height_in))
        if overall.value is not None:
            axes.axvline(overall.value, color=FAINT, linewidth=1.2, zorder=0)
        beside = axes.get_yaxis_transform()
        for level, row in enumerate(lines):
            bold = row.estimate is None or level == 0
            weight = "bold" if bold else "normal"
            label_x = -0.42 if bold else -0.39
            axes.text(label_x, -level, row.label, transform=beside, va="center", weight=weight)
            axes.text(1.2, -level, row.note, transform=beside, va="center", ha="right")
            _draw_forest_row(axes, -level, row, diamond=level == 0)
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)
        axes.set_xlim(*_forest_limits(lines))
        axes.set_ylim(0.3 - len(lines), 0.7)
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
    with styled_figure(7.2, 0.72 * (len(steps) + 1) + 0.3) as (figure, (axes,)):
        axes.set_axis_off()
        axes.set_xlim(0, 1)
        axes.set_ylim(-len(steps) - 0.5, 0.5)
        for level, (step, n, reason) in enumerate(steps):
            axes.text(0.36, -level, f"{step}\nn = {n}", ha="center", va="center", bbox=box)
            if level == 0:
                continue
            left_out = steps[level - 1][1] - n
            axes.annotate("", (0.36, -level + 0.31), (0.36, -level + 0.69), arrowprops=arrow)
            if left_out:
                axes.annotate("", (0.62, -level + 0.5), (0.36, -level + 0.5), arrowprops=arrow)
                text = f"left out: {left_out}" + (f"\n{reason}" if reason else "")
                axes.text(
                    0.64, -level + 0.5, text, ha="left", va="center", fontsize=8.5, bbox=aside
                )
        bottom = -len(steps)
        for index, (head, known, responders) in enumerate(heads):
            x = (index + 0.5) / len(heads)
            axes.annotate("", (x, bottom + 0.31), (0.36, bottom + 0.69), arrowprops=arrow)
            axes.text(
                x,
                bottom,
                f"{head} known\nn = {known}, response {responders}",
                ha="center",
                va="center",
                bbox=box | {"edgecolor": BLUE},
            )
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


def _draw_forest_row(axes: Axes, position: float, row: ForestRow, *, diamond: bool) -> None:
    estimate = row.estimate
    if estimate is None or estimate.value is None:
        return
    if estimate.low is not None and estimate.high is not None:
        axes.plot([estimate.low, estimate.high], [position] * 2, color=BLUE, linewidth=1.4)
    marker = "D" if diamond else "s"
    axes.plot([estimate.value], [position], marker, color=BLUE, markersize=5)


def _forest_limits(rows: Sequence[ForestRow]) -> tuple[float, float]:
    limits = [
        limit
        for row in rows
        if row.estimate is not None
        for limit in (row.estimate.low, row.estimate.high, row.estimate.value)
        if limit is not None
    ]
    if not limits:
        return 0.0, 1.0
    margin = 0.03 * max(max(limits) - min(limits), 0.1)
    return min(limits) - margin, max(limits) + margin

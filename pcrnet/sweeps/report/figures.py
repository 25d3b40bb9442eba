"""The figures of a sweep: every trial as a line, what mattered, and how training went."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from pcrnet.evaluation.report.figure_style import (
    BLUE,
    FAINT,
    GREY,
    INK,
    VERMILLION,
    page_svg,
    styled_figure,
)
from pcrnet.sweeps.folder.records import FinishedTrial, complete
from pcrnet.sweeps.folder.table import shown
from pcrnet.sweeps.plan.objective import direction_of
from pcrnet.sweeps.plan.settings import Sweep
from pcrnet.sweeps.plan.space import Value, json_of, parameters, searched_keys

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.ticker import Locator

_ABSENT = "–"
_MOST_TICKS = 6
_LONGEST_TICK = 14
_LEVEL_NAMES = 5  # of more axes the names are written aslant
_ROUNDING = 1e-9
_LEAST_HALF = 5e-4  # half the range of an axis: smaller differences are none


def draw_parallel_coordinates(
    sweep: Sweep, finished: Sequence[FinishedTrial], winner: str
) -> str | None:
    """Every trial as a line through its values, darker the better; None without complete trials.

    The axis on the right is the objective, better upwards. A key that does not exist beside a
    chosen kind is passed at the foot of its axis.
    """
    trials = complete(finished)
    keys = searched_keys(sweep.space)
    if not trials or not keys:
        return None
    scales = [_scale_of(sweep, key, finished) for key in keys]
    values = np.array([trial.value for trial in trials], dtype=float)
    sign = 1.0 if direction_of(sweep.config.objective) == "maximize" else -1.0
    order = np.argsort(np.argsort(sign * values))
    with styled_figure(max(7.0, 1.25 * (len(keys) + 1)), 3.6) as (figure, (axes,)):
        names = [*map(_short, keys), sweep.config.objective.metric]
        absent = any(key not in trial.proposal.values for trial in finished for key in keys)
        _draw_axes(axes, names, scales, absent=absent)
        for trial in finished:
            if trial.value is None:
                axes.plot(
                    range(len(keys)), _places(trial, keys, scales), color=FAINT, lw=0.8, zorder=1
                )
        # Trials that differ by rounding alone are level.
        span = spread if (spread := float(np.ptp(values))) > _ROUNDING else 1.0
        worst = float((sign * values).min())
        for trial, value, rank in zip(trials, values, order, strict=True):
            share = rank / max(1, len(trials) - 1)
            best = trial.proposal.trial == winner
            height = (sign * value - worst) / span
            axes.plot(
                range(len(keys) + 1),
                [*_places(trial, keys, scales), height],
                color=VERMILLION if best else BLUE,
                alpha=1.0 if best else 0.15 + 0.6 * share,
                lw=2.2 if best else 1.2,
                zorder=3 if best else 2,
            )
        ends = [(0.0, sign * worst), (1.0, _top(sign, values))]
        for height, value in ends if spread > _ROUNDING else ends[:1]:
            axes.annotate(
                f"{value:.4f}",
                (len(keys), height),
                xytext=(5, 0),
                textcoords="offset points",
                va="center",
                fontsize=7.5,
            )
        return page_svg(figure, "parallel")


def draw_importance(groups: Mapping[str, Mapping[str, float]]) -> str | None:
    """How much of the objective's variance each key goes with; None where nothing is known."""
    rows = [(title, key, share) for title, found in groups.items() for key, share in found.items()]
    if not rows:
        return None
    with styled_figure(6.2, 0.8 + 0.26 * len(rows)) as (figure, (axes,)):
        places = np.arange(len(rows))[::-1]
        axes.barh(places, [share for *_, share in rows], height=0.62, color=BLUE)
        several = len(groups) > 1
        axes.set_yticks(
            places, [f"{key}  ({title})" if several else key for title, key, _ in rows], fontsize=8
        )
        axes.set_xlim(0, 1)
        axes.set_xlabel("share of the variance between trials")
        return page_svg(figure, "importance")


def draw_learning_curves(curves: Mapping[str, Sequence[float]], winner: str) -> str | None:
    """Training loss by epoch of each trial, its fits averaged; None where nothing was trained."""
    if not curves:
        return None
    with styled_figure(6.2, 3.0) as (figure, (axes,)):
        for trial, losses in curves.items():
            best = trial == winner
            epochs = np.arange(1, len(losses) + 1)
            axes.plot(
                epochs,
                losses,
                color=VERMILLION if best else GREY,
                lw=2.0 if best else 0.9,
                alpha=1.0 if best else 0.6,
                marker="o" if len(losses) == 1 else None,
                ms=3.5,
                zorder=3 if best else 2,
            )
        axes.set_xlabel("epoch")
        axes.set_ylabel("training loss, nats")
        axes.xaxis.set_major_locator(_whole_numbers())
        return page_svg(figure, "curves")


def draw_values(sweep: Sweep, finished: Sequence[FinishedTrial], winner: str) -> str | None:
    """The objective in the order of the proposals, with the best so far as a line."""
    trials = complete(finished)
    if not trials:
        return None
    numbers = np.array([trial.proposal.number for trial in trials])
    values = np.array([trial.value for trial in trials], dtype=float)
    more = direction_of(sweep.config.objective) == "maximize"
    best = np.maximum.accumulate(values) if more else np.minimum.accumulate(values)
    with styled_figure(6.2, 2.6) as (figure, (axes,)):
        axes.step(numbers, best, where="post", color=GREY, lw=1.2, zorder=1)
        won = np.array([trial.proposal.trial == winner for trial in trials])
        axes.scatter(numbers[~won], values[~won], s=18, color=BLUE, zorder=2)
        axes.scatter(numbers[won], values[won], s=34, color=VERMILLION, zorder=3)
        axes.set_xlabel("trial, in the order of proposals")
        axes.set_ylabel(sweep.config.objective.metric)
        axes.ticklabel_format(axis="y", style="plain", useOffset=False)
        middle = (float(values.min()) + float(values.max())) / 2
        half = max(float(np.ptp(values)) / 2, _LEAST_HALF)
        axes.set_ylim(middle - 1.1 * half, middle + 1.1 * half)
        axes.xaxis.set_major_locator(_whole_numbers())
        return page_svg(figure, "values")


def _whole_numbers() -> Locator:
    from matplotlib.ticker import MaxNLocator

    return MaxNLocator(integer=True)


# --- axes


class _Scale:
    """Where the values of one key stand, from 0.12 to 1; what does not exist stands at 0."""

    def __init__(self, places: Mapping[str, float], ticks: Sequence[tuple[float, str]]) -> None:
        self._places, self.ticks = places, ticks

    def place(self, value: Value) -> float:
        return self._places[json_of(value)]


def _scale_of(sweep: Sweep, key: str, finished: Sequence[FinishedTrial]) -> _Scale:
    own = [parameter for parameter in parameters(sweep.space) if parameter.key == key]
    values = {
        json_of(trial.proposal.values[key]): trial.proposal.values[key]
        for trial in finished
        if key in trial.proposal.values
    }
    numeric = all(
        isinstance(value, int | float) and not isinstance(value, bool) for value in values.values()
    )
    log = any(getattr(parameter, "log", False) for parameter in own)
    if numeric and len(values) > 1:
        numbers = {text: float(value) for text, value in values.items()}
        at = {text: np.log(number) if log else number for text, number in numbers.items()}
        low, high = min(at.values()), max(at.values())
        places = {text: 0.12 + 0.88 * (where - low) / (high - low) for text, where in at.items()}
        if len(values) <= _MOST_TICKS:
            ticks = [(places[text], f"{numbers[text]:.3g}") for text in at]
        else:
            ends = np.linspace(low, high, 4)
            ticks = [
                (0.12 + 0.88 * index / 3, f"{np.exp(end) if log else end:.2g}")
                for index, end in enumerate(ends)
            ]
        return _Scale(places, ticks)
    ordered = list(values)
    places = {
        text: 0.12 + 0.88 * (index + 0.5) / len(ordered) for index, text in enumerate(ordered)
    }
    return _Scale(places, [(places[text], _shortened(shown(values[text]))) for text in ordered])


def _draw_axes(axes: Axes, names: Sequence[str], scales: Sequence[_Scale], *, absent: bool) -> None:
    for index in range(len(names)):
        axes.axvline(index, color=GREY, lw=0.8, zorder=0)
    for index, scale in enumerate(scales):
        for height, text in scale.ticks:
            axes.annotate(
                text,
                (index, height),
                xytext=(4, 0),
                textcoords="offset points",
                va="center",
                fontsize=7,
                color=INK,
                zorder=4,
                bbox={"boxstyle": "square,pad=0.1", "fc": "white", "ec": "none", "alpha": 0.75},
            )
    level = len(names) <= _LEVEL_NAMES
    axes.set_xticks(
        range(len(names)),
        names,
        fontsize=7.5,
        rotation=0 if level else 18,
        ha="center" if level else "right",
    )
    axes.set_yticks([0.0] if absent else [], [_ABSENT] if absent else [])
    axes.set_ylim(-0.06, 1.06)
    axes.set_xlim(-0.15, len(names) - 0.5)
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)


def _places(trial: FinishedTrial, keys: Sequence[str], scales: Sequence[_Scale]) -> list[float]:
    values = trial.proposal.values
    return [
        scale.place(values[key]) if key in values else 0.0
        for key, scale in zip(keys, scales, strict=True)
    ]


def _top(sign: float, values: np.ndarray[tuple[int], np.dtype[np.float64]]) -> float:
    return float(sign * (sign * values).max())


def _short(key: str) -> str:
    """The last two parts of a key."""
    return ".".join(key.split(".")[-2:])


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST_TICK else f"{text[: _LONGEST_TICK - 1]}…"

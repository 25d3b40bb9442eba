"""What the charts of a bundle would notice, how soon, and how soon it can be noticed at all.

Changes of known size are simulated against the limits of the bundle. Every change begins where no
chart has gathered anything, which is the worst moment. Beside it stands Lorden's bound (Annals of
Mathematical Statistics 1971; 42:1897): whatever rule looks at a series and gives one false alarm in
A patients needs, from its worst moment on, about ln(A) patients over the information that one
patient carries, in nats. Where the bound lies beyond what is wanted, no setting will reach it.

Shapes: r runs, n patients, c charts.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from pcrnet.applicability.baseline import Baseline
from pcrnet.evaluation.statistics.intervals import wilson_interval
from pcrnet.models.rivals.ridge import FloatArray
from pcrnet.monitoring.charts import MAIN_HEAD, POINTS, Chart, first_alarm, increments
from pcrnet.monitoring.limit import PATIENTS, Shift, simulate_use

WITHIN = 100
"""Patients in which a change is wished to be noticed."""
RUNS = 200
_HORIZON = 600
_SMALL, _LARGE = 0.3, 1.0


@dataclass(frozen=True)
class Reach:
    """One change, and when it would be noticed.

    Attributes:
        change: In words.
        median: Patients in which half of the runs have an alarm; infinite beyond 600.
        within: Share of the runs with an alarm within 100 patients.
        low: Lower end of the 95 % interval (Wilson) of ``within``.
        high: Upper end of it.
        bound: Patients that any rule needs which looks at the changed series and cries wolf as
            seldom as these charts; NaN where several series change.
    """

    change: str
    median: float
    within: float
    low: float
    high: float
    bound: float


def find_reach(
    baseline: Baseline,
    charts: tuple[Chart, ...],
    limits: FloatArray,
    *,
    runs: int = RUNS,
    seed: int = 1,
) -> tuple[Reach, ...]:
    """Simulate the changes that a bundle is watched for.

    Args:
        baseline: Of its training cohort.
        charts: c charts.
        limits: (c,) of each.
        runs: How often each change is simulated.
        seed: Of the simulation.
    """
    found = []
    for change, shift, nats in _changes(baseline, charts):
        streams = simulate_use(baseline, runs, _HORIZON, seed, shift)
        first = first_alarm(increments(charts, baseline, streams) / limits, 1.0)
        found.append(_reach(change, nats, first))
    return tuple(found)


def nats_of_mean(shift_sd: float) -> float:
    """What one patient says, in nats, of a mean that moved by ``shift_sd`` standard deviations."""
    return shift_sd**2 / 2


def nats_of_rate(usual: float, moved: float) -> float:
    """What one outcome says of a rate that moved from ``usual``, in nats (Kullback-Leibler)."""
    return moved * math.log(moved / usual) + (1 - moved) * math.log((1 - moved) / (1 - usual))


def least_patients(nats: float, false_alarm_in: int = PATIENTS) -> float:
    """Lorden's bound: patients that any rule needs from its worst moment on."""
    return math.log(false_alarm_in) / nats if nats > 0 else math.nan


def _changes(baseline: Baseline, charts: tuple[Chart, ...]) -> Iterator[tuple[str, Shift, float]]:
    """Words, what is simulated, and nats a patient (NaN where several series change)."""
    groups = {chart.group for chart in charts}
    points = round(100 * POINTS)
    if "predicted prevalence" in groups:
        series = f"prob_{MAIN_HEAD}"
        size = POINTS / float(baseline.deviation[baseline.names.index(series)])
        for way, sign in (("up", 1.0), ("down", -1.0)):
            yield (
                f"predicted prevalence {way} by {points} points",
                Shift({series: sign * size}),
                nats_of_mean(size),
            )
    inputs = list(dict.fromkeys(chart.name for chart in charts if chart.group == "inputs"))
    if inputs:
        for size in (_SMALL, _LARGE):
            yield (
                f"one input by {size:g} SD",
                Shift({inputs[0]: size}),
                nats_of_mean(size),
            )
        yield (
            f"every input by {_SMALL:g} SD",
            Shift(dict.fromkeys(inputs, _SMALL)),
            math.nan,
        )
    if "observed prevalence" in groups:
        rate = baseline.prevalence[MAIN_HEAD]
        for way, sign in (("up", 1.0), ("down", -1.0)):
            if 0.0 < (moved := rate + sign * POINTS) < 1.0:
                yield (
                    f"true prevalence {way} by {points} points, predictions as before",
                    Shift({}, sign * POINTS),
                    nats_of_rate(rate, moved),
                )


def _reach(change: str, nats: float, first: FloatArray) -> Reach:
    found = int((first <= WITHIN).sum())
    low, high = wilson_interval(found, len(first))
    return Reach(
        change=change,
        median=float(np.median(first)),
        within=found / len(first),
        low=low,
        high=high,
        bound=least_patients(nats),
    )

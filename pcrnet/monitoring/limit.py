"""The limits of all charts, so that together they cry wolf at most once in 2,000 patients.

Daily use without any change is simulated: series from a Gaussian with the correlations of the
training cohort, outcomes from the probabilities. The baseline itself rests on a cohort of finite
size, so in every run the truth lies beside it by its standard error; charts that took it for exact
would alarm too often.

Shapes: r runs, n patients, m series, c charts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from pcrnet.applicability.baseline import Baseline
from pcrnet.models.rivals.ridge import FloatArray
from pcrnet.monitoring.charts import (
    MAIN_HEAD,
    USUAL_STRANGERS,
    Chart,
    Group,
    count_alarms,
    increments,
)

PATIENTS = 2000
"""In so many patients at most one false alarm is expected."""
_SHARES: dict[Group, float] = {
    "predicted prevalence": 0.38,
    "inputs": 0.42,
    "observed prevalence": 0.10,
    "calibration": 0.07,
    "strangers": 0.03,
}
"""Of the false alarms, by what is worth to be noticed soonest."""
_AIM = 0.4
"""Instead of 1: series of patients have longer tails than the Gaussian that is simulated. Measured
by ``benchmarks/monitor.py``, whose patients are drawn from a cohort."""
_RUNS = 200
_LOW, _HIGH = 1.0, 40.0
_HALVINGS = 9
_LEAST_PROB = 0.01


@dataclass(frozen=True)
class Shift:
    """A change of daily use against training, for simulations.

    Attributes:
        series: Series to its shift, in its standard deviations.
        points: Added to the true prevalence of the main head, the probabilities staying as they
            are: what they say becomes wrong.
    """

    series: Mapping[str, float]
    points: float = 0.0


NO_SHIFT = Shift({})


def simulate_use(
    baseline: Baseline,
    runs: int,
    patients: int,
    seed: int,
    shift: Shift = NO_SHIFT,
) -> dict[str, FloatArray]:
    """Series (r, n) of simulated daily use, with outcomes and strangers."""
    generator = np.random.default_rng(seed)
    m = len(baseline.names)
    root = _root(baseline.correlation)
    beside = generator.standard_normal((runs, m)) @ root.T / np.sqrt(max(baseline.patients, 2))
    wider = np.sqrt(generator.chisquare(max(baseline.patients - 1, 1), (runs, m)))
    wider = np.sqrt(max(baseline.patients - 1, 1)) / np.maximum(wider, 1e-9)
    z = generator.standard_normal((runs, patients, m)) @ root.T
    moved = np.array([shift.series.get(name, 0.0) for name in baseline.names])
    z = (z + moved) * wider[:, None] + beside[:, None]
    values = baseline.mean + baseline.deviation * z
    streams = {name: values[..., place] for place, name in enumerate(baseline.names)}
    streams["unlike"] = (generator.random((runs, patients)) < USUAL_STRANGERS).astype(float)
    if f"prob_{MAIN_HEAD}" in streams:
        prob = np.clip(streams[f"prob_{MAIN_HEAD}"], _LEAST_PROB, 1.0 - _LEAST_PROB)
        streams[f"prob_{MAIN_HEAD}"] = prob
        happens = generator.random((runs, patients)) < np.clip(prob + shift.points, 0.0, 1.0)
        streams[f"label_{MAIN_HEAD}"] = happens.astype(float)
    return streams


def find_limits(
    baseline: Baseline, charts: tuple[Chart, ...], *, runs: int = _RUNS, seed: int = 0
) -> FloatArray:
    """A limit (c,) for each chart, one a group, that together keep the promise.

    Each group may spend its share of the false alarms; what it spends is counted over 2,000
    unchanged patients, all its charts beginning anew after an alarm.
    """
    steps = increments(charts, baseline, simulate_use(baseline, runs, PATIENTS, seed))
    groups = [chart.group for chart in charts]
    whole = sum(_SHARES[group] for group in set(groups))
    limits = np.empty(len(charts))
    for group in dict.fromkeys(groups):
        own = np.array([other == group for other in groups])
        limits[own] = _limit_of_group(steps[..., own], _AIM * _SHARES[group] / whole)
    return limits


def _limit_of_group(steps: FloatArray, allowed: float) -> float:
    """The least limit at which runs (r, n, c) alarm at most so often on average."""
    low, high = _LOW, _HIGH
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if count_alarms(steps, middle).mean() <= allowed:
            high = middle
        else:
            low = middle
    return high


def _root(correlation: FloatArray) -> FloatArray:
    values, vectors = np.linalg.eigh(correlation)
    return np.asarray(vectors * np.sqrt(np.maximum(values, 0.0)))

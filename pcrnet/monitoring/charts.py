"""Control charts: cumulative sums of log likelihood ratios.

Each chart asks one question: has this series moved by so much? It adds up the log likelihood ratio
of "moved" against "as in training" and never falls below 0 (Page, Biometrika 1954; 41:100). Of
outcomes the ratio is adjusted for each patient's probability (Steiner et al., Biostatistics 2000;
1:441). In these units the charts of a group have about the same chance to exceed a limit by
chance, so one limit serves all of them; :mod:`pcrnet.monitoring.limit` sets it by simulation.

Shapes: n patients, or (runs, n) of simulated ones; c charts.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from pcrnet.applicability.baseline import Baseline
from pcrnet.cohort.outcome import Head
from pcrnet.models.rivals.ridge import FloatArray

Group = Literal["inputs", "predicted prevalence", "calibration", "observed prevalence", "strangers"]

POINTS = 0.10
"""The change of prevalence that is looked for."""
INPUT_SHIFT = 0.5
"""The shift of a score that inputs are watched for, in its standard deviations."""
_ERRORS = 7.0
"""A shift of fewer standard errors of the baseline is not looked for: the baseline itself may be
off by a good part of it, and no limit would keep a chart from crying wolf for ever."""
ODDS_RATIO = 2.0
"""The miscalibration that is looked for: odds that are twice, or half, what is said."""
USUAL_STRANGERS, MANY_STRANGERS = 0.05, 0.20
MAIN_HEAD: Head = "yT0yN0"


@dataclass(frozen=True)
class Chart:
    """One question.

    Attributes:
        name: Of what is watched.
        group: What kind of change it would be.
        up: Whether a rise is looked for, else a fall.
        size: How large a change is looked for: standard deviations, points, or log-odds.
    """

    name: str
    group: Group
    up: bool
    size: float

    @property
    def words(self) -> str:
        """What it would mean."""
        way = "risen" if self.up else "fallen"
        match self.group:
            case "inputs":
                covariate = self.name.removeprefix("covariate.")
                kind = "score" if covariate == self.name else "covariate"
                return f"the {kind} {covariate} has {way}"
            case "predicted prevalence":
                return f"the predicted prevalence of {MAIN_HEAD} has {way}"
            case "observed prevalence":
                return f"the observed prevalence of {MAIN_HEAD} has {way}"
            case "calibration":
                return f"{self.name} responds {'more' if self.up else 'less'} often than predicted"
            case "strangers":
                return "more patients are unlike those of training"


def charts_of(baseline: Baseline, *, outcomes: bool) -> tuple[Chart, ...]:
    """The charts of a bundle.

    Args:
        baseline: Of its training cohort.
        outcomes: Whether outcomes are known of any patient.
    """
    charts: list[Chart] = []
    least = _ERRORS / math.sqrt(max(baseline.patients, 1))
    for name, deviation in zip(baseline.names, baseline.deviation, strict=True):
        if name == f"prob_{MAIN_HEAD}":
            size = max(POINTS / float(deviation), least)
            charts += [Chart(name, "predicted prevalence", up, size) for up in (True, False)]
        elif not name.startswith("prob_"):
            size = max(INPUT_SHIFT, least)
            charts += [Chart(name, "inputs", up, size) for up in (True, False)]
    charts.append(Chart("unlike", "strangers", up=True, size=MANY_STRANGERS - USUAL_STRANGERS))
    if outcomes:
        size = math.log(ODDS_RATIO)
        charts += [Chart(MAIN_HEAD, "calibration", up, size) for up in (True, False)]
        if math.isfinite(baseline.prevalence[MAIN_HEAD]):
            charts += [
                Chart(f"label_{MAIN_HEAD}", "observed prevalence", up, POINTS)
                for up in (True, False)
            ]
    return tuple(charts)


def increments(
    charts: Sequence[Chart], baseline: Baseline, streams: Mapping[str, FloatArray]
) -> FloatArray:
    """What each patient adds to each chart, shape (..., n, c); 0 where a patient says nothing.

    Args:
        charts: c charts.
        baseline: Means and deviations.
        streams: Series by name (..., n), with ``unlike`` (0 or 1) and ``label_<head>``; NaN is
            unknown.
    """
    index = {name: place for place, name in enumerate(baseline.names)}
    found = []
    for chart in charts:
        sign = 1.0 if chart.up else -1.0
        match chart.group:
            case "inputs" | "predicted prevalence":
                place = index[chart.name]
                z = (streams[chart.name] - baseline.mean[place]) / baseline.deviation[place]
                ratio = sign * chart.size * z - chart.size**2 / 2
            case "calibration":
                label, prob = streams[f"label_{chart.name}"], streams[f"prob_{chart.name}"]
                odds = sign * chart.size
                ratio = label * odds - np.log1p(prob * math.expm1(odds))
            case "observed prevalence":
                rate = baseline.prevalence[MAIN_HEAD]
                moved = min(max(rate + sign * chart.size, 0.01), 0.99)
                ratio = _of_rate(streams[chart.name], rate, moved)
            case "strangers":
                ratio = _of_rate(streams[chart.name], USUAL_STRANGERS, MANY_STRANGERS)
        found.append(np.nan_to_num(ratio))
    return np.stack(found, axis=-1)


def _of_rate(events: FloatArray, usual: float, moved: float) -> FloatArray:
    return np.asarray(
        events * math.log(moved / usual) + (1.0 - events) * math.log((1.0 - moved) / (1.0 - usual))
    )


def cumulate(steps: FloatArray) -> FloatArray:
    """Page's statistic (n, c) from what each patient adds (n, c)."""
    level = np.zeros(steps.shape[1])
    path = np.empty_like(steps)
    for row, step in enumerate(steps):
        level = np.maximum(0.0, level + step)
        path[row] = level
    return path


def count_alarms(steps: FloatArray, limit: float) -> FloatArray:
    """Alarms (runs,) in runs (runs, n, c) of steps in nats; after one all charts begin anew.

    ``limit`` is in nats as well: a chart that exceeds it alarms.
    """
    level = np.zeros((steps.shape[0], steps.shape[2]))
    alarms = np.zeros(steps.shape[0])
    for patient in range(steps.shape[1]):
        level = np.maximum(0.0, level + steps[:, patient])
        over = (level > limit).any(axis=1)
        alarms += over
        level[over] = 0.0
    return alarms


def first_alarm(steps: FloatArray, limit: float) -> FloatArray:
    """The patient (runs,) at whom a run first exceeds ``limit``, in nats; infinite if never."""
    level = np.zeros((steps.shape[0], steps.shape[2]))
    first = np.full(steps.shape[0], np.inf)
    for patient in range(steps.shape[1]):
        level = np.maximum(0.0, level + steps[:, patient])
        new = (level > limit).any(axis=1) & np.isinf(first)
        first[new] = patient + 1
    return first

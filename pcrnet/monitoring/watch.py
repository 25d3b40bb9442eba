"""From a log to what has changed: every chart of a bundle, its alarms, and since when."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pcrnet.applicability.baseline import Baseline
from pcrnet.cohort.outcome import HEADS
from pcrnet.errors import PcrnetError
from pcrnet.models.rivals.ridge import FloatArray
from pcrnet.monitoring.charts import MAIN_HEAD, Chart, charts_of, cumulate, increments
from pcrnet.monitoring.limit import PATIENTS, find_limits
from pcrnet.monitoring.log import Prediction, UseLog
from pcrnet.monitoring.reach import RUNS, WITHIN, Reach, find_reach


@dataclass(frozen=True, eq=False)
class Watched:
    """One chart over the patients of daily use.

    Attributes:
        chart: What is asked.
        path: (n,) its statistic after each patient.
        limit: Which it exceeds by chance as seldom as was promised.
        alarm: Number of the patient, from 1, at whom it first exceeded the limit; None.
        since: Number of the patient from whom on the change is estimated to be there; None
            without an alarm.
        estimate: How large the change is since then, in the measure of the chart's size.
    """

    chart: Chart
    path: FloatArray
    limit: float
    alarm: int | None
    since: int | None
    estimate: float


@dataclass(frozen=True, eq=False)
class Watch:
    """What a log says of one bundle.

    Attributes:
        bundle: Digest.
        baseline: Of its training cohort.
        predictions: n patients in order of time.
        charts: Every question.
        outcomes: How many patients have a known outcome of the main head.
        refused: How many were refused, by any bundle of the log.
        summary: Series to its mean in training, its mean now, and the difference in standard
            deviations.
        reach: What these charts would notice, and how soon.
    """

    bundle: str
    baseline: Baseline
    predictions: tuple[Prediction, ...]
    charts: tuple[Watched, ...]
    outcomes: int
    refused: int
    summary: Mapping[str, tuple[float, float, float]]
    reach: tuple[Reach, ...]

    @property
    def alarms(self) -> tuple[Watched, ...]:
        """The charts that have exceeded the limit, the first alarm first."""
        found = [one for one in self.charts if one.alarm is not None]
        return tuple(sorted(found, key=lambda one: (one.alarm or 0, -float(one.path.max()))))


def watch(log: UseLog, bundle: str | None = None) -> Watch:
    """Look at the predictions of one bundle.

    Args:
        log: As read.
        bundle: Its digest, or the beginning of it; by default the one that predicted last.

    Raises:
        PcrnetError: The log has no such bundle, no baseline of it, or no prediction by it.
    """
    digest = _chosen(log, bundle)
    baseline = log.baselines.get(digest)
    if baseline is None or not baseline.names:
        raise PcrnetError(
            "the log says nothing of what the bundle's training cohort was like",
            field="baseline",
            remedy="predict with a bundle of this version and --log, which writes it down",
        )
    own = tuple(one for one in log.predictions if one.bundle == digest)
    streams = _streams(own, baseline)
    known = int(np.isfinite(streams[f"label_{MAIN_HEAD}"]).sum())
    charts = charts_of(baseline, outcomes=known > 0)
    limits = find_limits(baseline, charts)
    steps = increments(charts, baseline, streams)
    paths = cumulate(steps)
    return Watch(
        bundle=digest,
        baseline=baseline,
        predictions=own,
        charts=tuple(
            _watched(chart, paths[:, place], float(limits[place]), baseline, streams)
            for place, chart in enumerate(charts)
        ),
        outcomes=known,
        refused=log.refused,
        summary=_summary(baseline, streams),
        reach=find_reach(baseline, charts, limits),
    )


def to_json(found: Watch) -> dict[str, Any]:
    """The watch as plain JSON."""
    return {
        "bundle": found.bundle,
        "patients": len(found.predictions),
        "outcomes": found.outcomes,
        "refused": found.refused,
        "false_alarms_expected_in_patients": PATIENTS,
        "alarms": [_alarm_record(one, found) for one in found.alarms],
        "charts": [
            {
                "series": one.chart.name,
                "group": one.chart.group,
                "looks_for": "rise" if one.chart.up else "fall",
                "size": round(one.chart.size, 4),
                "limit": round(one.limit, 4),
                "now": round(float(one.path[-1]), 4) if len(one.path) else 0.0,
                "highest": round(float(one.path.max(initial=0.0)), 4),
            }
            for one in found.charts
        ],
        "series": {
            name: {"training": then, "now": _or_none(now), "difference_sd": _or_none(apart)}
            for name, (then, now, apart) in found.summary.items()
        },
        "would_notice": [_reach_record(one) for one in found.reach],
    }


def _reach_record(one: Reach) -> dict[str, Any]:
    return {
        "change": one.change,
        "median_patients": _or_none(one.median),
        f"within_{WITHIN}": round(one.within, 4),
        f"within_{WITHIN}_interval": [round(one.low, 4), round(one.high, 4)],
        "simulated_runs": RUNS,
        "least_patients_of_any_rule": _or_none(round(one.bound, 1)),
    }


def _alarm_record(one: Watched, found: Watch) -> dict[str, Any]:
    alarm, since = one.alarm or 1, one.since or 1
    return {
        "what": one.chart.words,
        "group": one.chart.group,
        "series": one.chart.name,
        "at_patient": alarm,
        "at_time": found.predictions[alarm - 1].time,
        "since_patient": since,
        "since_time": found.predictions[since - 1].time,
        "estimate": _or_none(one.estimate),
    }


def _or_none(value: float) -> float | None:
    return round(value, 5) if math.isfinite(value) else None


def _chosen(log: UseLog, bundle: str | None) -> str:
    if not log.predictions:
        raise PcrnetError(
            "the log holds no prediction yet",
            remedy="predict with --log, then look again",
        )
    if bundle is None:
        return log.predictions[-1].bundle
    wanted = bundle.strip().lower()
    matching = {one.bundle for one in log.predictions if wanted and one.bundle.startswith(wanted)}
    if len(matching) != 1:
        there = ", ".join(sorted({one.bundle[:12] for one in log.predictions}))
        raise PcrnetError(
            f"{len(matching)} bundles of the log begin like this",
            field="--bundle-sha256",
            remedy=f"the log has: {there}",
        )
    return matching.pop()


def _streams(predictions: Sequence[Prediction], baseline: Baseline) -> dict[str, FloatArray]:
    streams = {
        name: np.array([one.series.get(name, math.nan) for one in predictions])
        for name in baseline.names
    }
    for head in HEADS:
        labels = [one.label.get(head, math.nan) for one in predictions]
        streams[f"label_{head}"] = np.array(labels)
        prob = [one.series.get(f"prob_{head}", math.nan) for one in predictions]
        streams[f"prob_{head}"] = np.array(prob)
    streams["unlike"] = np.array([float(bool(one.unlike)) for one in predictions])
    return streams


def _watched(
    chart: Chart,
    path: FloatArray,
    limit: float,
    baseline: Baseline,
    streams: Mapping[str, FloatArray],
) -> Watched:
    over = np.flatnonzero(path > limit)
    if not over.size:
        return Watched(chart, path, limit, None, None, math.nan)
    alarm = int(over[0])
    still = np.flatnonzero(path[: alarm + 1] == 0.0)
    since = int(still[-1]) + 1 if still.size else 0
    estimate = _estimate(chart, baseline, streams, since, alarm)
    return Watched(chart, path, limit, alarm + 1, since + 1, estimate)


def _estimate(
    chart: Chart,
    baseline: Baseline,
    streams: Mapping[str, FloatArray],
    since: int,
    alarm: int,
) -> float:
    """Mean difference from training between the change and the alarm."""
    part = slice(since, alarm + 1)
    match chart.group:
        case "inputs":
            place = baseline.names.index(chart.name)
            apart = (streams[chart.name] - baseline.mean[place]) / baseline.deviation[place]
        case "predicted prevalence":
            apart = streams[chart.name] - baseline.mean[baseline.names.index(chart.name)]
        case "calibration":
            apart = streams[f"label_{chart.name}"] - streams[f"prob_{chart.name}"]
        case "observed prevalence":
            apart = streams[chart.name] - baseline.prevalence[MAIN_HEAD]
        case "strangers":
            apart = streams[chart.name]
    known = apart[part][np.isfinite(apart[part])]
    return float(known.mean()) if known.size else math.nan


def _summary(
    baseline: Baseline, streams: Mapping[str, FloatArray]
) -> dict[str, tuple[float, float, float]]:
    found = {}
    for place, name in enumerate(baseline.names):
        known = streams[name][np.isfinite(streams[name])]
        then, deviation = float(baseline.mean[place]), float(baseline.deviation[place])
        now = float(known.mean()) if known.size else math.nan
        found[name] = (then, now, (now - then) / deviation)
    return found

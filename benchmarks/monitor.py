"""How soon the control charts notice a change, and how often they cry wolf.

The series of a finished run are the population. In every replica a baseline is made of as many
patients drawn from it as the run had, and daily use is drawn from it again: neither is Gaussian,
and the baseline is as uncertain as it is. The limit is the one that ``pcrnet monitor`` would set.

    python -m benchmarks.monitor runs/simulated --out benchmarks/results/monitor.json
"""

from __future__ import annotations

import argparse
import csv
import math
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from benchmarks.harness import describe_machine, publish
from pcrnet.applicability.baseline import Baseline, series_of_patient
from pcrnet.applicability.covariate_ranges import CovariateRange
from pcrnet.applicability.reference import CohortReference, Usual, modelled_names
from pcrnet.cohort.outcome import HEADS
from pcrnet.config.layers import load_experiment
from pcrnet.evaluation.statistics.intervals import wilson_interval
from pcrnet.evaluation.tables.predictions import read_predictions
from pcrnet.monitoring.charts import (
    MAIN_HEAD,
    POINTS,
    USUAL_STRANGERS,
    Chart,
    charts_of,
    count_alarms,
    first_alarm,
    increments,
)
from pcrnet.monitoring.limit import PATIENTS, find_limits
from pcrnet.monitoring.reach import least_patients, nats_of_mean, nats_of_rate

_WITHIN = 100
_LEAD_IN = 50
_SUBJECTS = ("uptake", "enhancement", "ADC", "signal", "shape", "change", "nodes")


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path, help="a finished run")
    parser.add_argument("--replicas", type=int, default=60)
    parser.add_argument("--seed", type=int, default=5)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    rows, labels = population(options.run)
    baseline = _baseline(rows, labels)
    limits = {}
    groups = {}
    for outcomes in (False, True):
        charts = charts_of(baseline, outcomes=outcomes)
        limits[outcomes] = find_limits(baseline, charts)
        groups[outcomes] = {
            chart.group: round(float(limit), 2)
            for chart, limit in zip(charts, limits[outcomes], strict=True)
        }
    result = {
        "machine": describe_machine(),
        "replicas": options.replicas,
        "seed": options.seed,
        "unchanged_patients_before_a_change": _LEAD_IN,
        "training_patients": baseline.patients,
        "series": len(baseline.names),
        "score_deviations": {
            name: round(float(deviation), 3)
            for name, deviation in zip(baseline.names, baseline.deviation, strict=True)
        },
        "limits_without_outcomes": groups[False],
        "limits_with_outcomes": groups[True],
        "false_alarms_in_2000": {
            "without outcomes": _false_alarms(rows, labels, limits[False], False, options),
            "with outcomes": _false_alarms(rows, labels, limits[True], True, options),
        },
        "changes": _changes(rows, labels, baseline, limits, options),
        "operating_curve": _curve(rows, labels, options),
        "least_patients_of_any_rule": _bounds(baseline),
    }
    publish(result, options.out)


def population(run: Path) -> tuple[list[dict[str, float]], np.ndarray]:
    """The series of every patient of a run, and the outcome of the main head (n,)."""
    experiment = load_experiment([str(run / "config.yaml")])
    data, imaging = experiment.data, experiment.imaging
    measured = _table(run / "quantities.csv")
    predictions = read_predictions(run / "predictions.csv")
    patients = _table(run / "patients.csv")
    names = modelled_names(data, imaging)
    values = np.array(
        [[_number(measured[p].get(n, "")) for n in names] for p in predictions.patient_id]
    )
    least = np.maximum(0.5 * np.nanstd(values, axis=0), 1e-6)
    usual = Usual.fit(names, values, least, predictions.site or [""] * len(values))
    covariates = tuple(
        found
        for name in ("age", "hr_status", "grade", "cT", "cN")
        if (
            found := CovariateRange.fit(
                name, [patients[p].get(name) for p in predictions.patient_id]
            )
        )
    )
    reference = CohortReference({}, usual, covariates, len(values))
    rows = []
    for row, patient in enumerate(predictions.patient_id):
        tensor: Any = SimpleNamespace(
            quantities=SimpleNamespace(values=dict(zip(names, values[row], strict=True)))
        )
        prob = {head: float(predictions.prob[head][row]) for head in HEADS}
        who: Any = SimpleNamespace(
            covariates={c.name: patients[patient].get(c.name) for c in covariates}
        )
        rows.append(series_of_patient(who, tensor, prob, reference, data, imaging))
    return rows, np.asarray(predictions.label[MAIN_HEAD])


def _table(path: Path) -> dict[str, dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as stream:
        return {row["patient_id"]: row for row in csv.DictReader(stream)}


def _number(text: str) -> float:
    return float(text) if text else math.nan


def _baseline(rows: list[dict[str, float]], labels: np.ndarray) -> Baseline:
    share = float(np.nanmean(labels))
    return Baseline.fit(rows, {head: share if head == MAIN_HEAD else math.nan for head in HEADS})


def _streams(
    rows: list[dict[str, float]],
    names: tuple[str, ...],
    drawn: np.ndarray,
    rng: np.random.Generator,
    added: Mapping[str, float],
    points: float,
    calibrated: bool,
) -> dict[str, np.ndarray]:
    """Daily use: patients of the population, with a change; outcomes as the probabilities say."""
    streams = {}
    for name in names:
        values = np.array([row.get(name, math.nan) for row in rows])
        streams[name] = values[drawn] + added.get(name, 0.0)
    main = f"prob_{MAIN_HEAD}"
    before = streams[main] - added.get(main, 0.0)
    streams[main] = np.clip(streams[main], 0.01, 0.99)
    truth = streams[main] if calibrated else before
    happens = rng.random(drawn.shape) < np.clip(truth + points, 0.0, 1.0)
    streams[f"label_{MAIN_HEAD}"] = happens.astype(float)
    streams["unlike"] = (rng.random(drawn.shape) < USUAL_STRANGERS).astype(float)
    return streams


def _replicas(
    rows: list[dict[str, float]],
    labels: np.ndarray,
    outcomes: bool,
    options: argparse.Namespace,
    patients: int,
    added_sd: Mapping[str, float] | None = None,
    points: float = 0.0,
) -> list[np.ndarray]:
    """Steps (1, patients, c) of every replica."""
    rng = np.random.default_rng(options.seed)
    found = []
    for _ in range(options.replicas):
        chosen = rng.integers(len(rows), size=len(rows))
        baseline = _baseline([rows[i] for i in chosen], labels[chosen])
        # Outcomes of training come from the probabilities, too: what is wanted is a sound model.
        prob = np.array([rows[i][f"prob_{MAIN_HEAD}"] for i in chosen])
        share = float((rng.random(len(prob)) < prob).mean())
        baseline = Baseline.from_dict(
            baseline.to_dict() | {"prevalence": dict.fromkeys(HEADS, share)}
        )
        charts = charts_of(baseline, outcomes=outcomes)
        whole = _baseline(rows, labels)
        deviation = dict(zip(whole.names, whole.deviation, strict=True))
        added = {n: s * float(deviation[n]) for n, s in (added_sd or {}).items() if n in deviation}
        drawn = rng.integers(len(rows), size=(1, patients))
        args = (rows, whole.names, drawn, rng)
        streams = _streams(*args, added, points, calibrated=points == 0.0)
        found.append(increments(charts, baseline, streams))
    return found


def _false_alarms(
    rows: list[dict[str, float]],
    labels: np.ndarray,
    limit: np.ndarray,
    outcomes: bool,
    options: argparse.Namespace,
) -> dict[str, object]:
    """Mean number, with the 95 % interval of a mean: alarms of one baseline hang together."""
    counts = np.array(
        [
            count_alarms(steps / limit, 1.0)[0]
            for steps in _replicas(rows, labels, outcomes, options, PATIENTS)
        ]
    )
    mean, half = float(counts.mean()), 1.96 * float(counts.std(ddof=1)) / math.sqrt(len(counts))
    return {
        "mean": round(mean, 3),
        "interval": [round(max(mean - half, 0.0), 3), round(mean + half, 3)],
        "replicas": len(counts),
    }


def _scenarios(baseline: Baseline) -> dict[str, tuple[dict[str, float], float]]:
    deviation = dict(zip(baseline.names, baseline.deviation, strict=True))
    main = f"prob_{MAIN_HEAD}"
    found = {
        "predicted prevalence up 10 points": ({main: POINTS / float(deviation[main])}, 0.0),
        "predicted prevalence down 10 points": ({main: -POINTS / float(deviation[main])}, 0.0),
        "true prevalence up 10 points, probabilities as before": ({}, POINTS),
        "true prevalence down 10 points, probabilities as before": ({}, -POINTS),
    }
    for subject in _SUBJECTS:
        if subject in deviation:
            found[f"every quantity of {subject} by 0.3 SD"] = (
                {subject: 0.3 / float(deviation[subject])},
                0.0,
            )
    found["every quantity by 0.3 SD"] = (
        {s: 0.3 / float(deviation[s]) for s in _SUBJECTS if s in deviation},
        0.0,
    )
    found["one series alone (age) by 0.3 SD"] = ({"covariate.age": 0.3}, 0.0)
    found["one score alone (uptake) by 0.3 of its own SD"] = ({"uptake": 0.3}, 0.0)
    return found


def _changes(
    rows: list[dict[str, float]],
    labels: np.ndarray,
    baseline: Baseline,
    limits: Mapping[bool, np.ndarray],
    options: argparse.Namespace,
) -> dict[str, dict[str, object]]:
    found = {}
    for name, (added, points) in _scenarios(baseline).items():
        outcomes = points != 0.0
        limit = limits[outcomes]
        quiet = _replicas(rows, labels, outcomes, options, _LEAD_IN)
        moved = _replicas(rows, labels, outcomes, options, 1000, added, points)
        delays = np.array(
            [
                _delay(np.concatenate([before, after], axis=1), limit)
                for before, after in zip(quiet, moved, strict=True)
            ]
        )
        delays = delays[delays > 0]
        median = float(np.median(delays))
        found[name] = {
            "n": len(delays),
            "median_delay": median if math.isfinite(median) else None,
            **_share("found_within_100", delays <= _WITHIN),
        }
    return found


def _share(name: str, found: np.ndarray) -> dict[str, object]:
    """A share with its 95 % interval (Wilson)."""
    low, high = wilson_interval(int(found.sum()), len(found))
    return {name: round(float(found.mean()), 3), "interval": [round(low, 3), round(high, 3)]}


def _delay(steps: np.ndarray, limit: np.ndarray) -> float:
    """Patients from the change to the alarm; not positive where it came before."""
    return float(first_alarm(steps / limit, 1.0)[0] - _LEAD_IN)


def _curve(
    rows: list[dict[str, float]], labels: np.ndarray, options: argparse.Namespace
) -> list[dict[str, object]]:
    """False alarms against what is found of a true change of prevalence, limit by limit."""
    unchanged = _replicas(rows, labels, True, options, PATIENTS)
    baseline = _baseline(rows, labels)
    charts: tuple[Chart, ...] = charts_of(baseline, outcomes=True)
    own = [i for i, chart in enumerate(charts) if chart.group == "observed prevalence"]
    up = _replicas(rows, labels, True, options, _WITHIN, {}, POINTS)
    found = []
    for limit in (1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0):
        alarms = [count_alarms(steps[..., own], limit)[0] for steps in unchanged]
        seen = np.array([first_alarm(steps[..., own], limit)[0] <= _WITHIN for steps in up])
        found.append(
            {
                "limit": limit,
                "false_alarms_in_2000": round(float(np.mean(alarms)), 2),
                **_share("found_within_100", seen),
            }
        )
    return found


def _bounds(baseline: Baseline) -> dict[str, dict[str, float]]:
    """Lorden's bound: about ln(2000) over what one patient says, from the worst moment on."""
    rate = baseline.prevalence[MAIN_HEAD]
    deviation = dict(zip(baseline.names, baseline.deviation, strict=True))
    nats = {
        f"outcomes, {rate:.0%} up 10 points": nats_of_rate(rate, rate + POINTS),
        f"outcomes, {rate:.0%} down 10 points": nats_of_rate(rate, rate - POINTS),
        "predicted prevalence by 10 points": nats_of_mean(
            POINTS / float(deviation[f"prob_{MAIN_HEAD}"])
        ),
        "one series by 0.3 SD": nats_of_mean(0.3),
    }
    return {
        name: {"nats_a_patient": round(of, 5), "patients": round(least_patients(of), 1)}
        for name, of in nats.items()
    }


if __name__ == "__main__":
    main()

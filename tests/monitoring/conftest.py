"""A baseline of four series, and a log of daily use."""

import numpy as np
import pytest

from pcrnet.applicability.baseline import Baseline
from pcrnet.monitoring.log import Prediction, append, baseline_record, prediction_record

HEADS = ("yT0", "yN0", "yT0yN0")


@pytest.fixture(scope="session")
def baseline():
    names = ("prob_yT0yN0", "uptake", "change", "covariate.age")
    correlation = np.eye(4)
    correlation[1, 2] = correlation[2, 1] = 0.4
    return Baseline(
        names=names,
        mean=np.array([0.4, 0.0, 0.1, 50.0]),
        deviation=np.array([0.2, 0.7, 0.6, 10.0]),
        correlation=correlation,
        patients=240,
        prevalence=dict.fromkeys(HEADS, 0.4),
    )


@pytest.fixture
def write_log(baseline, tmp_path):
    """Write a log of n patients whose series are shifted by so many deviations."""

    def write(n, shift=None, labels=None, bundle="b" * 64, seed=0, definition="ypT0"):
        generator = np.random.default_rng(seed)
        z = generator.multivariate_normal(np.zeros(4), baseline.correlation, n)
        z += [(shift or {}).get(name, 0.0) for name in baseline.names]
        values = baseline.mean + baseline.deviation * z
        records = [baseline_record(bundle, baseline, definition)]
        for number, row in enumerate(values):
            series = dict(zip(baseline.names, map(float, row), strict=True))
            series["prob_yT0yN0"] = float(np.clip(series["prob_yT0yN0"], 0.01, 0.99))
            label = {} if labels is None else {"yT0yN0": labels(generator, series["prob_yT0yN0"])}
            one = Prediction(
                f"2026-01-01T00:00:{number % 60:02d}+00:00",
                bundle,
                f"P{number:04d}",
                "",
                series,
                (),
                label,
            )
            records.append(prediction_record(one))
        path = tmp_path / "use.jsonl"
        append(path, records)
        return path

    return write

"""Page's statistic, the ratios that it adds up, and its run length by Siegmund's formula."""

import math

import numpy as np
import pytest

from pcrnet.monitoring.charts import (
    Chart,
    charts_of,
    count_alarms,
    cumulate,
    first_alarm,
    increments,
)


def test_the_statistic_adds_up_and_never_falls_below_nothing():
    path = cumulate(np.array([[1.0], [-3.0], [2.0], [0.5]]))
    assert path.ravel() == pytest.approx([1.0, 0.0, 2.0, 2.5])


def test_the_run_length_of_a_gaussian_chart_is_siegmunds():
    size, limit = 0.5, 4.0
    generator = np.random.default_rng(0)
    z = generator.standard_normal((300, 4000, 1))
    first = first_alarm(size * z - size**2 / 2, limit)
    # Siegmund 1985, (2.57): the limit moved by 1.166 steps for the overshoot.
    moved = limit + 1.166 * size
    expected = (math.exp(moved) - moved - 1) / (size**2 / 2)
    assert np.minimum(first, 4000).mean() == pytest.approx(
        expected * (1 - math.exp(-4000 / expected)), rel=0.15
    )


def test_alarms_are_counted_anew_after_each():
    steps = np.ones((1, 10, 1))
    assert count_alarms(steps, 2.5)[0] == 3
    assert first_alarm(steps, 2.5)[0] == 3


def test_a_ratio_is_that_of_two_likelihoods(baseline):
    streams = {
        "prob_yT0yN0": np.array([0.3, 0.7]),
        "label_yT0yN0": np.array([1.0, 0.0]),
        "uptake": np.array([0.7, np.nan]),
        "unlike": np.array([0.0, 1.0]),
    }
    odds = Chart("yT0yN0", "calibration", True, math.log(2))
    moved = 2 * streams["prob_yT0yN0"] / (1 + streams["prob_yT0yN0"])
    expected = [math.log(moved[0] / 0.3), math.log((1 - moved[1]) / 0.3)]
    found = increments([odds, Chart("uptake", "inputs", True, 0.4)], baseline, streams)
    assert found[:, 0] == pytest.approx(expected)
    assert found[0, 1] == pytest.approx(0.4 * 1.0 - 0.08)  # one deviation up
    assert found[1, 1] == 0.0  # unknown


def test_without_a_change_every_ratio_falls_on_average(baseline):
    generator = np.random.default_rng(1)
    prob = generator.uniform(0.05, 0.95, 20000)
    streams = {
        "prob_yT0yN0": prob,
        "label_yT0yN0": (generator.random(20000) < prob).astype(float),
        "unlike": (generator.random(20000) < 0.05).astype(float),
    }
    for name in ("uptake", "change", "covariate.age"):
        place = baseline.names.index(name)
        z = generator.standard_normal(20000)
        streams[name] = baseline.mean[place] + baseline.deviation[place] * z
    charts = [
        c
        for c in charts_of(baseline, outcomes=True)
        if c.group in ("inputs", "calibration", "strangers")
    ]
    assert (increments(charts, baseline, streams).mean(axis=0) < 0).all()


def test_charts_of_outcomes_are_drawn_only_where_there_are_any(baseline):
    groups = {chart.group for chart in charts_of(baseline, outcomes=False)}
    assert groups == {"inputs", "predicted prevalence", "strangers"}
    assert {chart.group for chart in charts_of(baseline, outcomes=True)} - groups == {
        "calibration",
        "observed prevalence",
    }
    assert all(chart.words for chart in charts_of(baseline, outcomes=True))

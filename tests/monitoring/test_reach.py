"""What would be noticed agrees with what is known of cumulative sums, and with Lorden's bound."""

import dataclasses
import math

import numpy as np
import pytest
from scipy.stats import entropy

from pcrnet.applicability.baseline import Baseline
from pcrnet.monitoring.charts import Chart, charts_of
from pcrnet.monitoring.limit import find_limits
from pcrnet.monitoring.reach import find_reach, least_patients, nats_of_mean, nats_of_rate


@pytest.fixture(scope="module")
def found(baseline):
    charts = charts_of(baseline, outcomes=True)
    limits = find_limits(baseline, charts, runs=60)
    return {one.change: one for one in find_reach(baseline, charts, limits, runs=60)}


def test_information_is_that_of_scipy():
    assert nats_of_rate(0.52, 0.62) == pytest.approx(entropy([0.62, 0.38], [0.52, 0.48]))
    x = np.linspace(-12, 12, 200_001)
    usual, moved = np.exp(-(x**2) / 2), np.exp(-((x - 0.3) ** 2) / 2)
    assert nats_of_mean(0.3) == pytest.approx(entropy(moved, usual), rel=1e-6)
    assert least_patients(nats_of_mean(0.3)) == pytest.approx(math.log(2000) / 0.045)
    assert math.isnan(least_patients(math.nan))


def test_every_kind_of_change_is_told_and_larger_ones_are_found_sooner(found):
    assert len(found) == 7
    small, large = found["one input by 0.3 SD"], found["one input by 1 SD"]
    assert large.median < small.median
    assert large.within >= small.within
    assert found["every input by 0.3 SD"].median < small.median
    for one in found.values():
        assert one.low <= one.within <= one.high


def test_no_outcome_can_tell_of_ten_points_within_a_hundred_patients(found):
    for way in ("up", "down"):
        one = found[f"true prevalence {way} by 10 points, predictions as before"]
        assert one.bound > 300
        assert one.within < 0.5


def test_the_delay_of_one_chart_is_that_of_siegmund():
    """Siegmund 1985, equation 2.57: the mean delay of a Gaussian cumulative sum."""
    shift, limit = 0.5, 8.0
    alone = Baseline(
        ("uptake",), np.zeros(1), np.ones(1), np.eye(1), 10**9, dict.fromkeys(("yT0yN0",), 0.4)
    )
    chart = Chart("uptake", "inputs", up=True, size=shift)
    found = find_reach(alone, (chart,), np.array([limit]), runs=400)
    one = next(each for each in found if each.change == "one input by 1 SD")
    drift, height = 1.0 - shift / 2, limit / shift + 2 * 0.583
    expected = (math.exp(-2 * drift * height) + 2 * drift * height - 1) / (2 * drift**2)
    assert one.median == pytest.approx(expected, rel=0.1)


def test_a_rate_that_cannot_rise_further_is_left_out(baseline):
    often = dataclasses.replace(baseline, prevalence=dict.fromkeys(baseline.prevalence, 0.95))
    charts = charts_of(often, outcomes=True)
    limits = np.full(len(charts), 9.0)
    changes = {one.change for one in find_reach(often, charts, limits, runs=5)}
    assert "true prevalence down by 10 points, predictions as before" in changes
    assert "true prevalence up by 10 points, predictions as before" not in changes

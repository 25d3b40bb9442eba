"""The limit keeps its promise on streams that it was not set on."""

import numpy as np
import pytest

from pcrnet.monitoring.charts import charts_of, count_alarms, first_alarm, increments
from pcrnet.monitoring.limit import PATIENTS, Shift, find_limits, simulate_use


@pytest.fixture(scope="module")
def limits(baseline):
    return find_limits(baseline, charts_of(baseline, outcomes=False), runs=60)


def test_unchanged_patients_raise_at_most_about_one_alarm_in_two_thousand(baseline, limits):
    charts = charts_of(baseline, outcomes=False)
    steps = increments(charts, baseline, simulate_use(baseline, 60, PATIENTS, seed=99))
    assert count_alarms(steps / limits, 1.0).mean() < 1.2


def test_a_shift_of_predicted_prevalence_by_ten_points_is_found_within_a_hundred(baseline, limits):
    charts = charts_of(baseline, outcomes=False)
    moved = Shift({"prob_yT0yN0": 0.10 / 0.2})
    steps = increments(charts, baseline, simulate_use(baseline, 60, 300, 7, moved))
    assert np.median(first_alarm(steps / limits, 1.0)) <= 100


def test_a_smaller_training_cohort_asks_for_a_higher_limit(baseline, limits):
    import dataclasses

    small = dataclasses.replace(baseline, patients=40)
    higher = find_limits(small, charts_of(small, outcomes=False), runs=60)
    assert (higher[:-1] > limits[:-1]).all()  # of strangers nothing is learned from the cohort


def test_simulated_use_has_the_moments_of_the_baseline(baseline):
    streams = simulate_use(baseline, 200, 50, seed=1)
    assert streams["uptake"].mean() == pytest.approx(0.0, abs=0.03)
    assert streams["uptake"].std() == pytest.approx(0.7, rel=0.05)
    assert streams["label_yT0yN0"].mean() == pytest.approx(0.4, abs=0.02)

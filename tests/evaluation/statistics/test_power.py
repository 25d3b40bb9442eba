from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from pcrnet.evaluation.statistics.power import (
    CoprimaryDesign,
    binomial_power,
    design_power,
    required_successes,
    smallest_trial,
)

TRIAL = CoprimaryDesign(0.5, 0.70, 0.70, 0.80, 0.80)


def test_the_planned_trial_has_power_0_939_for_each_endpoint() -> None:
    planned = design_power(TRIAL, 460)
    assert planned.responders == 230
    assert planned.sensitivity == pytest.approx(0.939, abs=5e-4)
    assert planned.specificity == pytest.approx(0.939, abs=5e-4)
    assert planned.both == pytest.approx(0.8814, abs=5e-4)


@pytest.mark.parametrize(("n", "null"), [(20, 0.5), (230, 0.7), (97, 0.85), (3, 0.9)])
def test_required_successes_is_where_the_lower_limit_of_statsmodels_passes(
    n: int, null: float
) -> None:
    lower, _ = proportion_confint(np.arange(n + 1), n, alpha=0.05, method="beta")
    passing = np.flatnonzero(np.nan_to_num(lower) > null)
    expected = passing[0] if passing.size else n + 1
    assert required_successes(n, null, 0.025) == expected


def test_power_agrees_with_simulated_trials() -> None:
    successes = np.random.default_rng(0).binomial(100, 0.83, 200_000)
    share = np.mean(successes >= required_successes(100, 0.7, 0.025))
    assert binomial_power(100, 0.7, 0.83, 0.025) == pytest.approx(share, abs=0.004)


def test_level_is_kept_when_the_null_is_true() -> None:
    n = np.arange(5, 400)
    assert binomial_power(n, 0.7, 0.7, 0.025).max() <= 0.025


def test_random_number_of_responders_averages_over_the_binomial() -> None:
    small = CoprimaryDesign(0.4, 0.5, 0.6, 0.8, 0.9, alpha=0.05)
    expected = sum(
        stats.binom.pmf(k, 30, 0.4)
        * float(binomial_power(k, 0.5, 0.8, 0.05))
        * float(binomial_power(30 - k, 0.6, 0.9, 0.05))
        for k in range(31)
    )
    assert design_power(small, 30).both_random == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("power", [0.8, 0.9])
def test_smallest_trial_holds_the_power_from_there_on_and_not_before(power: float) -> None:
    smallest = smallest_trial(TRIAL, power)
    assert smallest is not None
    later = [design_power(TRIAL, n).both for n in range(smallest, smallest + 300)]
    assert min(later) >= power
    assert design_power(TRIAL, smallest - 1).both < power


def test_no_trial_is_large_enough_for_a_truth_at_the_null() -> None:
    assert smallest_trial(CoprimaryDesign(0.5, 0.7, 0.7, 0.705, 0.705), 0.9) is None

"""Intervals against published tables, scipy and statsmodels."""

from __future__ import annotations

import json
import warnings

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

from pcrnet.evaluation.statistics import intervals
from pcrnet.evaluation.statistics.intervals import (
    Estimate,
    bca_interval,
    bootstrap_counts,
    bootstrap_estimate,
    clopper_pearson_interval,
    clopper_pearson_lower,
    clopper_pearson_upper,
    logit_wald_interval,
    newcombe_difference,
    normal_quantile,
    proportion,
    wilson_interval,
)

COUNTS = [(0, 10), (1, 29), (3, 10), (10, 10), (81, 263), (15, 148), (1, 1), (0, 1)]


def mean_of(values):
    return lambda counts: counts @ values / counts.sum(axis=1)


def test_published_proportion_intervals(reference):
    for case in reference.cases["proportion_ci_95"]:
        x, n = case["x"], case["n"]
        tolerance = 6e-5 if n > 10 else 1e-6
        assert wilson_interval(x, n) == pytest.approx(case["wilson"], abs=tolerance)
        corrected = wilson_interval(x, n, continuity=True)
        assert corrected == pytest.approx(case["wilson_cc"], abs=tolerance)
        if "clopper_pearson" in case:
            exact = clopper_pearson_interval(x, n)
            assert exact == pytest.approx(case["clopper_pearson"], abs=tolerance)


@pytest.mark.parametrize(("x", "n"), COUNTS)
@pytest.mark.parametrize("confidence", [0.5, 0.8, 0.95, 0.99])
def test_proportion_intervals_agree_with_scipy_and_statsmodels(x, n, confidence):
    test = stats.binomtest(x, n)
    for ours, theirs in (
        (wilson_interval(x, n, confidence), "wilson"),
        (wilson_interval(x, n, confidence, continuity=True), "wilsoncc"),
        (clopper_pearson_interval(x, n, confidence), "exact"),
    ):
        interval = test.proportion_ci(confidence, method=theirs)
        assert ours == pytest.approx((interval.low, interval.high), abs=1e-10)
    beta = proportion_confint(x, n, alpha=1 - confidence, method="beta")
    assert clopper_pearson_interval(x, n, confidence) == pytest.approx(beta, abs=1e-12)


@pytest.mark.parametrize(("x", "n"), COUNTS)
def test_exact_one_sided_limits_are_binomial_tails(x, n):
    lower, upper = (
        clopper_pearson_lower(x, n, alpha=0.025),
        clopper_pearson_upper(x, n, alpha=0.025),
    )
    if x > 0:
        assert stats.binom.sf(x - 1, n, lower) == pytest.approx(0.025)
    else:
        assert lower == 0.0
    if x < n:
        assert stats.binom.cdf(x, n, upper) == pytest.approx(0.025)
    else:
        assert upper == 1.0


def test_wilson_touches_0_and_1_exactly_at_the_ends():
    assert wilson_interval(0, 7)[0] == 0.0
    assert wilson_interval(7, 7)[1] == 1.0
    assert wilson_interval(1, 30, continuity=True)[0] > 0.0


@pytest.mark.parametrize(("x", "n"), [(-1, 5), (6, 5), (0, 0)])
def test_impossible_counts_are_refused(x, n):
    for interval in (wilson_interval, clopper_pearson_interval):
        with pytest.raises(ValueError, match="successes"):
            interval(x, n)


def test_published_difference_intervals(reference):
    for case in reference.cases["proportion_diff_indep_newcombe10"]:
        interval = newcombe_difference(case["x1"], case["n1"], case["x2"], case["n2"])
        assert interval == pytest.approx(case["ci"], abs=6e-5)


@pytest.mark.parametrize("counts", [(56, 70, 48, 80), (9, 10, 3, 10), (5, 56, 0, 29)])
@pytest.mark.parametrize("confidence", [0.8, 0.95])
def test_difference_interval_agrees_with_statsmodels(counts, confidence):
    theirs = confint_proportions_2indep(
        *counts, method="newcomb", compare="diff", alpha=1 - confidence
    )
    assert newcombe_difference(*counts, confidence) == pytest.approx(theirs, abs=1e-12)


def test_logit_wald_is_wald_on_the_logit_scale():
    low, high = logit_wald_interval(0.8, 0.05, 0.9)
    centre, half = np.log(4.0), 1.6448536269514722 * 0.05 / 0.16
    assert (low, high) == pytest.approx(
        (1 / (1 + np.exp(-(centre - half))), 1 / (1 + np.exp(-(centre + half))))
    )
    mirrored = logit_wald_interval(0.2, 0.05, 0.9)
    assert (1 - mirrored[1], 1 - mirrored[0]) == pytest.approx((low, high))
    assert logit_wald_interval(0.8, 0.05) == logit_wald_interval(0.8, 0.05, 0.95)


@pytest.mark.parametrize("value", [0.0, 1.0, np.nan])
def test_logit_scale_refuses_its_ends(value):
    message = r"^the logit scale needs a value strictly between 0 and 1$"
    with pytest.raises(ValueError, match=message):
        logit_wald_interval(value, 0.1)


def test_quantile_is_two_sided():
    assert normal_quantile(0.95) == pytest.approx(1.959963984540054)


def test_proportion_is_an_estimate_with_its_denominator():
    for confidence in (0.8, 0.95):
        limits = wilson_interval(3, 10, confidence)
        assert proportion(3, 10, confidence, of="patient") == Estimate(0.3, *limits, 10, "Wilson")
    assert proportion(3, 10, of="patient") == proportion(3, 10, 0.95, of="patient")
    nobody = Estimate.undefined("no patient", n=0, method="Wilson")
    assert proportion(0, 0, of="patient") == nobody


def test_estimate_is_never_nan_and_never_silent():
    for broken in (np.nan, np.inf):
        with pytest.raises(ValueError, match="finite"):
            Estimate(broken, None, None, 1, "m")
        with pytest.raises(ValueError, match="finite"):
            Estimate(0.5, 0.1, broken, 1, "m")
    with pytest.raises(ValueError, match=r"^an undefined estimate needs its reason$"):
        Estimate(None, None, None, 1, "m")


def test_estimate_as_json():
    assert Estimate(0.5, 0.4, 0.6, 9, "m").to_json() == {
        "value": 0.5,
        "low": 0.4,
        "high": 0.6,
        "n": 9,
        "method": "m",
    }
    text = json.dumps(Estimate.undefined("why", n=0, method="m").to_json(), allow_nan=False)
    assert json.loads(text) == {
        "value": None,
        "low": None,
        "high": None,
        "n": 0,
        "method": "m",
        "reason": "why",
    }


def test_draws_keep_the_size_of_every_stratum_and_depend_on_the_seed_alone():
    strata = np.array([0.0, 1.0, 1.0, 0.0, 1.0, 2.0])

    def drawn(seed):
        return np.concatenate(list(bootstrap_counts(strata, 500, np.random.default_rng(seed))))

    counts = drawn(3)
    assert counts.shape == (500, 6)
    for stratum in (0.0, 1.0, 2.0):
        inside = strata == stratum
        assert (counts[:, inside].sum(axis=1) == inside.sum()).all()
    np.testing.assert_allclose(counts[:, :5].mean(axis=0), 1.0, atol=0.2)
    np.testing.assert_array_equal(counts, drawn(3))
    assert (counts != drawn(4)).any()


def test_blocks_bound_the_memory_and_change_no_number(monkeypatch):
    values = np.random.default_rng(0).exponential(size=30)

    def estimate():
        return bootstrap_estimate(
            mean_of(values), np.zeros(30), draws=205, generator=np.random.default_rng(1)
        )

    whole = estimate()
    monkeypatch.setattr(intervals, "BLOCK_ELEMENTS", 240)
    assert estimate() == whole
    blocks = list(bootstrap_counts(np.zeros(30), 205, np.random.default_rng(1)))
    assert [len(block) for block in blocks] == [8] * 25 + [5]
    assert (np.concatenate(blocks).sum(axis=1) == 30).all()


def test_bca_agrees_with_scipy_on_a_skewed_mean():
    values = np.random.default_rng(0).exponential(size=40)
    ours = bootstrap_estimate(
        mean_of(values), np.zeros(40), draws=20_000, generator=np.random.default_rng(1)
    )
    theirs = stats.bootstrap(
        (values,), np.mean, n_resamples=20_000, method="BCa", rng=np.random.default_rng(2)
    ).confidence_interval
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=0.02)
    # Skewed to the right, as the percentile interval is not enough.
    assert ours.high - ours.value > ours.value - ours.low


def test_bca_without_bias_and_skew_is_the_percentile_interval():
    samples = np.linspace(-1, 1, 10_001)
    jackknife = np.array([-1.0, 1.0])
    assert bca_interval(0.0, samples, jackknife) == pytest.approx((-0.95, 0.95), abs=1e-6)
    assert bca_interval(0.0, samples, np.zeros(2)) == pytest.approx((-0.95, 0.95), abs=1e-6)


def test_bca_correction_has_the_published_sign():
    # Samples mostly below the value: the statistic is biased downwards, the limits move upwards.
    samples = np.linspace(-1, 1, 10_001)
    assert bca_interval(0.5, samples, np.zeros(2))[0] > -0.95
    # Efron 1987: acceleration Σ(mean − θ₍ᵢ₎)³ / 6(Σ(mean − θ₍ᵢ₎)²)^1.5.
    jackknife = np.array([-2.0, 1.0, 1.0])
    acceleration = 6 / (6 * 6**1.5)
    z = 1.959963984540054
    level = stats.norm.cdf(z / (1 - acceleration * z))
    assert bca_interval(0.0, samples, jackknife)[1] == pytest.approx(2 * level - 1, abs=1e-3)


@pytest.mark.parametrize("side", [-1, 1])
def test_value_beyond_all_samples_counts_as_half_a_sample_from_the_end(side):
    samples = np.linspace(-1, 1, 101)
    bias = side * stats.norm.ppf(1 - 0.5 / 101)
    levels = stats.norm.cdf(2 * bias + 1.959963984540054 * np.array([-1, 1]))
    limits = bca_interval(side * 2.0, samples, np.zeros(2))
    assert limits == pytest.approx(tuple(np.quantile(samples, levels)), abs=1e-9)


def test_influence_is_taken_within_strata():
    strata = np.repeat([0.0, 1.0], [8, 12])
    values = np.random.default_rng(4).exponential(size=20) + 5 * strata
    generator = np.random.default_rng(0)
    estimate = bootstrap_estimate(mean_of(values), strata, draws=400, generator=generator)
    counts = np.concatenate(list(bootstrap_counts(strata, 400, np.random.default_rng(0))))
    left_out = np.array([np.delete(values, patient).mean() for patient in range(20)])
    means = np.array([left_out[strata == stratum].mean() for stratum in strata])
    expected = bca_interval(values.mean(), mean_of(values)(counts), left_out - means)
    assert (estimate.low, estimate.high) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("value", [1.0, 0.0, -3.0])
def test_constant_statistic_is_flagged_degenerate(value):
    estimate = bootstrap_estimate(
        mean_of(np.full(5, value)), np.zeros(5), draws=200, generator=np.random.default_rng(0)
    )
    reason = "degenerate: all draws agree"
    assert estimate == Estimate(value, value, value, 5, "BCa bootstrap, 200 draws", reason)


def test_mostly_undefined_statistic_has_no_interval():
    values = np.array([1.0, 0.0, 0.0, 0.0])
    estimate = bootstrap_estimate(
        lambda counts: np.where(counts[:, 0] == 1, counts @ values, np.nan),
        np.zeros(4),
        draws=400,
        generator=np.random.default_rng(0),
    )
    reason = "no interval: most draws leave it undefined"
    assert estimate == Estimate(1.0, None, None, 4, "BCa bootstrap, 400 draws", reason)


def test_half_of_the_draws_are_enough_for_an_interval():
    def first_half(counts):
        share = np.arange(len(counts)) / len(counts)
        return np.where(share < 0.5, mean_of(np.arange(4.0))(counts), np.nan)

    estimate = bootstrap_estimate(
        first_half, np.zeros(4), draws=200, generator=np.random.default_rng(0)
    )
    assert estimate.low < estimate.value < estimate.high


def test_less_confidence_gives_the_narrower_interval_of_the_same_draws():
    values = np.random.default_rng(0).exponential(size=30)
    wide, narrow = (
        bootstrap_estimate(
            mean_of(values),
            np.zeros(30),
            draws=400,
            generator=np.random.default_rng(1),
            confidence=confidence,
        )
        for confidence in (0.95, 0.5)
    )
    default = bootstrap_estimate(
        mean_of(values), np.zeros(30), draws=400, generator=np.random.default_rng(1)
    )
    assert default == wide
    assert wide.low < narrow.low < narrow.high < wide.high
    assert (wide.n, wide.method, wide.reason) == (30, "BCa bootstrap, 400 draws", None)


def test_few_undefined_draws_and_jackknife_values_are_left_out():
    label = np.array([1.0, 1.0, 1.0, 1.0, 0.0, 0.0])
    values = np.arange(6.0)

    def statistic(counts):
        others = counts @ (1 - label)
        return counts @ (values * label) / (counts @ label) + 0 * (1 / others)

    with warnings.catch_warnings():
        # What a draw leaves undefined is expected, and not worth a warning.
        warnings.simplefilter("error")
        estimate = bootstrap_estimate(
            statistic, np.zeros(6), draws=500, generator=np.random.default_rng(0), within="nothing"
        )
    assert estimate.value == 1.5
    assert 0 <= estimate.low < estimate.high <= 3
    assert estimate.method == "BCa bootstrap within nothing, 500 draws"


def test_bootstrap_covers_a_skewed_mean():
    generator = np.random.default_rng(5)
    inside = 0
    for _ in range(300):
        values = generator.exponential(size=50)
        estimate = bootstrap_estimate(mean_of(values), np.zeros(50), draws=400, generator=generator)
        inside += estimate.low <= 1.0 <= estimate.high
    assert 0.90 <= inside / 300 <= 0.98


def test_wilson_covers_on_average_and_clopper_pearson_always():
    n = 40
    x = np.arange(n + 1)
    wilson = np.array([wilson_interval(k, n) for k in x])
    exact = np.array([clopper_pearson_interval(k, n) for k in x])
    truths = np.linspace(0.02, 0.98, 97)
    coverage = [
        [stats.binom.pmf(x, n, p)[(limits[:, 0] <= p) & (p <= limits[:, 1])].sum() for p in truths]
        for limits in (wilson, exact)
    ]
    assert np.mean(coverage[0]) == pytest.approx(0.95, abs=0.01)
    assert min(coverage[1]) >= 0.95 - 1e-12


def test_stratum_without_which_nothing_is_defined_has_no_influence_on_the_skew():
    values, strata = np.append(np.random.default_rng(3).exponential(size=12), 5.0), np.zeros(13)
    strata[12] = 1.0

    def statistic(counts):
        # Undefined without the last patient, whom every draw holds.
        return mean_of(values)(counts) / (counts[:, 12] > 0)

    estimate = bootstrap_estimate(statistic, strata, draws=400, generator=np.random.default_rng(0))
    assert estimate.low < estimate.value < estimate.high


def test_leaving_out_groups_gives_the_limits_of_leaving_out_one(monkeypatch):
    values = np.random.default_rng(4).exponential(size=1500) ** 2
    strata = np.repeat([0.0, 1.0], [500, 1000])

    def estimate():
        generator = np.random.default_rng(1)
        return bootstrap_estimate(mean_of(values), strata, draws=2000, generator=generator)

    alone = estimate()
    monkeypatch.setattr(intervals, "_MOST_LEFT_OUT", 300)
    together = estimate()
    width = alone.high - alone.low
    assert together.low == pytest.approx(alone.low, abs=0.02 * width)
    assert together.high == pytest.approx(alone.high, abs=0.02 * width)
    monkeypatch.setattr(intervals, "_jackknife", lambda statistic, strata, most: np.zeros(1))
    symmetric = estimate()
    assert abs(symmetric.high - alone.high) > 0.02 * width


def test_without_draws_a_mean_has_the_normal_interval_of_its_standard_error():
    values = np.random.default_rng(3).normal(size=40)
    estimate = bootstrap_estimate(
        mean_of(values), np.zeros(40), draws=0, generator=np.random.default_rng(0)
    )
    error = values.std(ddof=1) / np.sqrt(40)
    assert estimate.value == pytest.approx(values.mean())
    assert estimate.high - estimate.value == pytest.approx(1.959963985 * error, rel=1e-6)
    assert estimate.value - estimate.low == pytest.approx(1.959963985 * error, rel=1e-6)


def test_without_draws_what_does_not_vary_has_no_interval():
    estimate = bootstrap_estimate(
        mean_of(np.ones(5)), np.zeros(5), draws=0, generator=np.random.default_rng(0)
    )
    assert (estimate.value, estimate.low) == (1.0, None)
    assert "nothing varies" in estimate.reason

"""Calibration of one head, against R's glm and rms and against statsmodels."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from scipy.special import expit, logit
from statsmodels.nonparametric.smoothers_lowess import lowess

from pcrnet.evaluation.statistics.calibration import reliability
from pcrnet.evaluation.statistics.calibration.reliability import (
    calibration_in_the_large,
    calibration_line,
    smooth_calibration,
    smooth_calibration_with_errors,
    spiegelhalter_test,
)
from pcrnet.evaluation.statistics.curves import draw_weights

Z = 1.959963984540054


def simulate(n, seed=0, slope=1.0, shift=0.0):
    generator = np.random.default_rng(seed)
    score = 1.3 * generator.normal(size=n)
    label = (generator.random(n) < expit(slope * score + shift)).astype(float)
    return expit(score), label


def no_draws(n):
    return np.ones((1, n))


def test_published_slope_intercept_and_calibration_in_the_large(val_prob):
    prob, label, case = val_prob
    slope, intercept = calibration_line(prob, label)
    large = calibration_in_the_large(prob, label, robust=False)
    assert large.value == calibration_in_the_large(prob, label).value
    for estimate, name in ((slope, "slope"), (intercept, "intercept"), (large, "citl")):
        error = case[f"{name}_se"]
        assert estimate.value == pytest.approx(case[name], abs=1e-7)
        assert (estimate.high - estimate.low) / (2 * Z) == pytest.approx(error, abs=1e-5)
        assert (estimate.high + estimate.low) / 2 == pytest.approx(case[name], abs=1e-7)
        assert estimate.n == 500


def test_published_slope_error_is_that_of_glm_one_step_before_convergence(val_prob):
    # glm in R stops when the deviance does, and reports the weights of the step before.
    prob, label, case = val_prob
    design = np.column_stack([logit(prob), np.ones(500)])
    fitted, deviance = (label + 0.5) / 2, np.inf
    for _ in range(25):
        weight = fitted * (1 - fitted)
        information = (design * weight[:, None]).T @ design
        working = weight * logit(fitted) + label - fitted
        fitted = expit(design @ np.linalg.solve(information, design.T @ working))
        before, deviance = deviance, -2 * np.log(np.where(label == 1, fitted, 1 - fitted)).sum()
        if abs(deviance - before) / (abs(deviance) + 0.1) < 1e-8:
            break
    assert np.sqrt(np.linalg.inv(information)[0, 0]) == pytest.approx(case["slope_se"], abs=1e-12)
    converged = sm.Logit(label, design).fit(disp=0, tol=1e-12).bse[0]
    slope, _ = calibration_line(prob, label)
    assert (slope.high - slope.low) / (2 * Z) == pytest.approx(converged, abs=1e-9)


def test_estimates_agree_with_statsmodels():
    prob, label = simulate(90, seed=1, slope=0.6, shift=0.4)
    theirs = sm.Logit(label, sm.add_constant(logit(prob))).fit(disp=0, tol=1e-12)
    intervals = theirs.conf_int()
    slope, intercept = calibration_line(prob, label)
    for ours, k in ((intercept, 0), (slope, 1)):
        assert ours.value == pytest.approx(theirs.params[k], abs=1e-9)
        assert (ours.low, ours.high) == pytest.approx(tuple(intervals[k]), abs=1e-7)
    model = sm.GLM(label, np.ones(90), family=sm.families.Binomial(), offset=logit(prob))
    for robust, kind in ((True, "HC0"), (False, "nonrobust")):
        offset = model.fit(cov_type=kind)
        large = calibration_in_the_large(prob, label, robust=robust)
        assert large.value == pytest.approx(offset.params[0], abs=1e-8)
        assert (large.low, large.high) == pytest.approx(tuple(offset.conf_int()[0]), abs=1e-6)
        assert large.method.endswith("robust") == robust


def test_logistic_model_on_its_own_training_data_is_calibrated():
    prob, label = simulate(80, seed=2)
    design = sm.add_constant(np.column_stack([logit(prob), prob**2]))
    fitted = sm.Logit(label, design).fit(disp=0, tol=1e-13).predict()
    slope, intercept = calibration_line(fitted, label)
    assert slope.value == pytest.approx(1.0, abs=1e-6)
    assert intercept.value == pytest.approx(0.0, abs=1e-6)
    assert calibration_in_the_large(fitted, label).value == pytest.approx(0.0, abs=1e-6)


def test_relabelling_mirrors_intercepts_and_keeps_the_slope():
    prob, label = simulate(100, seed=3, shift=0.5)
    slope, intercept = calibration_line(prob, label)
    other_slope, other_intercept = calibration_line(1 - prob, 1 - label)
    assert other_slope.value == pytest.approx(slope.value)
    assert other_intercept.value == pytest.approx(-intercept.value)
    large, other = (
        calibration_in_the_large(prob, label),
        calibration_in_the_large(1 - prob, 1 - label),
    )
    assert (other.low, other.high) == pytest.approx((-large.high, -large.low))


@pytest.mark.parametrize(
    ("prob", "label", "reason"),
    [
        ([0.2, 0.5, 0.7], [1, 1, 1], "one class only"),
        ([0.2, 1.0, 0.7], [0, 1, 1], "has no logit"),
        ([0.0, 0.5, 0.7], [0, 1, 0], "has no logit"),
        ([0.2, np.nan, 0.7], [0, 1, 1], "finite"),
    ],
)
def test_undefined_calibration_is_named(prob, label, reason):
    prob, label = np.array(prob), np.array(label, dtype=float)
    for estimate in (*calibration_line(prob, label), calibration_in_the_large(prob, label)):
        assert estimate.value is None
        assert reason in estimate.reason


def test_slope_alone_is_undefined_without_spread_or_under_separation():
    label = np.array([0.0, 1.0, 1.0, 1.0])
    same = np.full(4, 0.5)
    assert "equal" in calibration_line(same, label)[0].reason
    assert calibration_in_the_large(same, label).value == pytest.approx(np.log(3))
    for prob in ([0.1, 0.4, 0.6, 0.8], [0.9, 0.4, 0.3, 0.2], [0.4, 0.4, 0.6, 0.8]):
        assert "separation" in calibration_line(np.array(prob), label)[0].reason
        assert calibration_in_the_large(np.array(prob), label).value is not None
    assert calibration_line(np.array([0.3, 0.2, 0.6, 0.8]), label)[0].value is not None


@pytest.mark.parametrize("n", [60, 460])
def test_intervals_cover(n):
    inside = np.zeros(3)
    for seed in range(400):
        prob, label = simulate(n, seed=seed)
        slope, intercept = calibration_line(prob, label)
        large = calibration_in_the_large(prob, label)
        truths = (1.0, 0.0, 0.0)
        inside += [
            e.low <= t <= e.high for e, t in zip((slope, intercept, large), truths, strict=True)
        ]
    assert ((inside / 400 > 0.925) & (inside / 400 < 0.98)).all()


def test_published_spiegelhalter_test(val_prob):
    prob, label, case = val_prob
    z, p = spiegelhalter_test(prob, label)
    assert z.value == pytest.approx(case["spiegelhalter_z"], abs=1e-9)
    assert p.value == pytest.approx(case["spiegelhalter_p"], abs=1e-9)
    assert (z.n, z.low, z.high) == (p.n, p.low, p.high) == (500, None, None)
    assert z.reason == p.reason == "a test: no interval"


def test_spiegelhalters_z_is_the_brier_score_against_its_expectation():
    prob, label = simulate(150, seed=6, slope=0.5)
    draws = (np.random.default_rng(0).random((20_000, 150)) < prob).astype(float)
    scores = ((draws - prob) ** 2).mean(axis=1)
    expected = (((label - prob) ** 2).mean() - scores.mean()) / scores.std()
    assert spiegelhalter_test(prob, label)[0].value == pytest.approx(expected, abs=0.05)


@pytest.mark.parametrize(
    ("prob", "label", "reason"),
    [([0.5, 0.5], [0, 1], "variance"), ([0.5, np.nan], [0, 1], "finite")],
)
def test_spiegelhalter_without_variance_or_numbers_is_named(prob, label, reason):
    for estimate in spiegelhalter_test(np.array(prob), np.array(label, dtype=float)):
        assert estimate.value is None
        assert reason in estimate.reason


def test_smooth_curve_is_lowess():
    prob, label = simulate(150, seed=4, slope=0.6)
    curve = smooth_calibration(prob, label, no_draws(150))
    theirs = lowess(label, prob, frac=2 / 3, it=0, delta=0.0, xvals=curve.x)
    np.testing.assert_allclose(curve.y, np.clip(theirs, 0, 1), atol=1e-6)
    assert (curve.x[0], curve.x[-1]) == (prob.min(), prob.max())


def test_smooth_curve_gives_the_published_errors_of_val_prob(val_prob):
    prob, label, case = val_prob
    curve = smooth_calibration(prob, label, no_draws(500))
    error = np.abs(np.interp(prob, curve.x, curve.y) - prob)
    published = case["rms_val_prob"]
    # R's lowess interpolates over 1 % of the range, which moves the third digit.
    assert error.max() == pytest.approx(published["Emax"], abs=2e-3)
    assert error.mean() == pytest.approx(published["Eavg"], abs=1e-3)
    assert np.quantile(error, 0.9) == pytest.approx(published["E90"], abs=2e-3)


def test_doubled_patients_and_doubled_weights_are_the_same():
    prob, label = simulate(40, seed=5)
    weights = np.random.default_rng(0).integers(1, 4, size=(1, 40)).astype(float)
    one = smooth_calibration(prob, label, weights)
    np.testing.assert_allclose(one.low, one.high)
    assert np.abs(one.low - one.y).max() > 1e-3
    same = smooth_calibration(prob, label, np.full((1, 40), 2.0))
    np.testing.assert_allclose(same.low, same.y, atol=1e-12)


def test_band_covers_the_diagonal_of_a_calibrated_model():
    prob, label = simulate(300, seed=6)
    weights = np.random.default_rng(1).multinomial(300, np.full(300, 1 / 300), size=500)
    curve = smooth_calibration(prob, label, weights.astype(float))
    assert ((curve.low <= curve.y) & (curve.y <= curve.high)).all()
    assert np.mean((curve.low <= curve.x) & (curve.x <= curve.high)) > 0.8
    narrow = smooth_calibration(prob, label, weights.astype(float), confidence=0.5)
    assert ((narrow.high - narrow.low) < (curve.high - curve.low)).mean() > 0.95


def test_curve_stays_between_0_and_1_and_survives_ties():
    prob = np.repeat([0.1, 0.9], 30)
    label = np.repeat([0.0, 1.0], 30)
    label[:3] = 1.0
    curve = smooth_calibration(prob, label, no_draws(60))
    assert ((curve.y >= 0) & (curve.y <= 1)).all()
    assert curve.y[0] == pytest.approx(0.1)
    assert curve.y[-1] == pytest.approx(1.0)
    clumped = np.append(np.full(50, 0.5), np.linspace(0.1, 0.4, 10))
    found = smooth_calibration(clumped, np.tile([0.0, 1.0], 30), no_draws(60))
    assert np.isfinite(found.y).all()
    assert found.y[-1] == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize(
    ("prob", "label"),
    [
        (np.linspace(0.1, 0.9, 9), np.tile([0.0, 1.0], 5)[:9]),
        (np.full(20, 0.5), np.tile([0.0, 1.0], 10)),
        (np.linspace(0.1, 0.9, 20), np.ones(20)),
        (np.array([]), np.array([])),
    ],
)
def test_no_curve_where_nothing_can_be_said(prob, label):
    assert smooth_calibration(prob, label, no_draws(len(prob))) is None


def test_calibration_in_the_large_is_found_from_afar():
    # Newton's method from 0 oscillates between the two groups of predictions.
    prob = np.repeat([0.99, 0.01], [25, 18])
    label = np.append(np.zeros(42), 1.0)
    estimate = calibration_in_the_large(prob, label)
    fitted = expit(logit(prob) + estimate.value)
    assert fitted.mean() == pytest.approx(label.mean())
    assert estimate.low < estimate.value < estimate.high


def test_probabilities_too_extreme_for_a_variance_are_named():
    prob = np.array([1e-300, 1e-300, 1 - 1e-16, 1 - 1e-16, 1 - 1e-16])
    label = np.array([0.0, 1, 1, 1, 0])
    estimate = calibration_in_the_large(np.repeat([1e-300, 1e-30], [3, 2]), label)
    assert estimate.value is not None
    large = calibration_in_the_large(prob, np.array([0.0, 0, 1, 1, 1]))
    assert (large.low, large.reason) == (
        None,
        "no interval: the probabilities leave it without a finite variance",
    )
    indistinct = np.array([0.3, np.nextafter(0.3, 1), 0.3, 0.3, 0.3])
    slope, _ = calibration_line(indistinct, label)
    assert slope.value is None or np.isfinite(slope.value)


def test_a_fit_that_does_not_converge_is_named(monkeypatch):
    def fails(*_):
        raise ArithmeticError

    monkeypatch.setattr(reliability, "minimise", fails)
    slope, intercept = calibration_line(np.array([0.1, 0.6, 0.4, 0.9]), np.array([0.0, 0, 1, 1]))
    assert slope == intercept
    assert (slope.value, slope.reason) == (None, "the logistic fit does not converge")


def test_without_draws_distances_stand_without_an_interval():
    prob, label = simulate(120)
    curve, errors = smooth_calibration_with_errors(prob, label, np.ones((0, 120)))
    assert np.isnan(curve.low).all()
    assert errors["ici"].value is not None
    assert errors["ici"].low is None
    assert "no draws" in errors["ici"].reason


@pytest.mark.parametrize(("slope", "true", "least"), [(1.0, 0.0, 0.5), (0.6, 0.07, 0.9)])
def test_the_interval_of_a_distance_holds_it_and_often_the_truth(slope, true, least):
    covered = []
    for seed in range(40):
        prob, label = simulate(120, seed=seed, slope=slope)
        weights = draw_weights(120, 100, seed=seed)
        found = smooth_calibration_with_errors(prob, label, weights)[1]["ici"]
        assert 0 <= found.low <= found.value <= found.high
        covered.append(found.low <= true <= found.high)
    assert np.mean(covered) >= least

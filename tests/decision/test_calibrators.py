"""Calibrators of the joint outcome."""

from __future__ import annotations

import json

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import expit, logit

from pcrnet.cohort.outcome import CELLS, Outcome
from pcrnet.config.evaluation import (
    ChainCalibration,
    IsotonicCalibration,
    NoCalibration,
    TemperatureCalibration,
)
from pcrnet.decision import chain_fit
from pcrnet.decision.calibrators import (
    ChainCalibrator,
    IdentityCalibrator,
    IsotonicCalibrator,
    TemperatureCalibrator,
    calibrator_from_dict,
    check_enough_patients,
    fit_calibrator,
    head_probabilities,
    joint_cells,
)
from pcrnet.decision.isotonic import FEWEST_PATIENTS, MonotoneCurve
from pcrnet.errors import BundleError, PredictionsError

FITTED = (ChainCalibration(), TemperatureCalibration())
EVERY = (*FITTED, NoCalibration())


def simulate(n: int, seed: int, truth: ChainCalibrator | None = None):
    """Logits and the observed cell of each patient as allowed cells (n, 4)."""
    generator = np.random.default_rng(seed)
    logits = generator.normal(size=(n, 3)) * 1.5
    truth = truth or ChainCalibrator((0.7, 0.6, 0.8), (0.2, -0.3, 0.1))
    edges = truth.cells(logits).cumsum(axis=1)
    cell = (generator.random(n)[:, None] > edges[:, :3]).sum(axis=1)
    return logits, np.eye(4, dtype=bool)[cell]


def partly_known(allowed: np.ndarray) -> np.ndarray:
    """A third knows yT0 alone, a third yN0 alone."""
    known = allowed.copy()
    for i, row in enumerate(allowed):
        t, n = CELLS[int(row.argmax())]
        if i % 3 == 0:
            known[i] = Outcome(yT0=t).allowed_cells
        elif i % 3 == 1:
            known[i] = Outcome(yN0=n).allowed_cells
    return known


def rising_curves(steps: np.ndarray, shifts: np.ndarray):
    """Three monotone curves, of two knots each and with levels 0 and 1 among them."""
    return tuple(
        MonotoneCurve((shift, shift + 0.1 + step), (expit(min(shift, step)), expit(step)))
        for shift, step in zip(shifts[:3], steps, strict=True)
    )


def test_cells_of_known_logits_are_the_products_of_the_chain():
    q, r, s = 0.6, 0.9, 0.25
    cells = joint_cells(logit(np.array([[q, r, s]])))
    np.testing.assert_allclose(cells[0], [q * r, q * (1 - r), (1 - q) * s, (1 - q) * (1 - s)])
    heads = head_probabilities(cells)
    assert heads["yT0"][0] == pytest.approx(q)
    assert heads["yN0"][0] == pytest.approx(q * r + (1 - q) * s)
    assert heads["yT0yN0"][0] == pytest.approx(q * r)


@settings(max_examples=250, deadline=None)
@given(
    logits=arrays(np.float64, (40, 3), elements=st.floats(-1e3, 1e3)),
    slopes=arrays(np.float64, 3, elements=st.floats(0, 50)),
    shifts=arrays(np.float64, 4, elements=st.floats(-50, 50)),
)
def test_every_calibrator_is_coherent_in_ten_thousand_cases(logits, slopes, shifts):
    for cells in (
        joint_cells(logits),
        ChainCalibrator(tuple(slopes), tuple(shifts[:3])).cells(logits),
        TemperatureCalibrator(slopes[0], tuple(shifts)).cells(logits),
        IsotonicCalibrator(rising_curves(slopes, shifts)).cells(logits),
        IdentityCalibrator().cells(logits),
    ):
        assert (cells >= 0).all()
        np.testing.assert_allclose(cells.sum(axis=1), 1.0, atol=1e-12)
        heads = head_probabilities(cells)
        joint, breast, nodes = heads["yT0yN0"], heads["yT0"], heads["yN0"]
        assert (joint <= breast).all()
        assert (joint <= nodes).all()
        assert (joint >= breast + nodes - 1 - 1e-12).all()
        assert all(((prob >= 0) & (prob <= 1)).all() for prob in heads.values())


@pytest.fixture
def cells_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the share of the heads each link of the chain is a regression of its own."""
    monkeypatch.setattr(chain_fit, "_OF_HEADS", 0.0)


def test_untied_chain_equals_logistic_regression_with_one_further_patient(cells_alone):
    # A log-F(1, 1) prior is data: half a responder and half a non-responder at the place where the
    # prior acts (Greenland & Mansournia 2015), so a weighted GLM must give the same fit.
    logits, allowed = simulate(150, seed=1)
    fitted = fit_calibrator(ChainCalibration(shrinkage=1e6), logits, allowed)
    x = (logits[:, 0] - logits[:, 0].mean()) / logits[:, 0].std()
    design = np.vstack([np.column_stack([x, np.ones(150)]), [[1, 0], [1, 0], [0, 1], [0, 1]]])
    label = np.append(allowed[:, :2].any(axis=1).astype(float), [1, 0, 1, 0])
    weights = np.append(np.ones(150), [0.5] * 4)
    glm = sm.GLM(label, design, family=sm.families.Binomial(), freq_weights=weights).fit(tol=1e-14)
    slope = glm.params[0] / logits[:, 0].std()
    assert fitted.slopes[0] == pytest.approx(slope, rel=1e-7)
    assert fitted.intercepts[0] == pytest.approx(
        glm.params[1] - slope * logits[:, 0].mean(), abs=1e-7
    )


def test_untied_chain_approaches_plain_logistic_regression_as_patients_grow(cells_alone):
    logits, allowed = simulate(20_000, seed=2)
    fitted = fit_calibrator(ChainCalibration(shrinkage=1e6), logits, allowed)
    responder = allowed[:, :2].any(axis=1)
    for k, rows in enumerate((np.ones(20_000, dtype=bool), responder, ~responder)):
        positive = (responder, allowed[:, 0], allowed[:, 2])[k][rows]
        plain = sm.Logit(positive.astype(float), sm.add_constant(logits[rows, k])).fit(disp=0)
        assert fitted.slopes[k] == pytest.approx(plain.params[1], abs=1e-3)
        assert fitted.intercepts[k] == pytest.approx(plain.params[0], abs=1e-3)


@pytest.mark.parametrize("config", FITTED, ids=lambda config: config.kind)
def test_slope_is_zero_on_a_score_that_points_the_wrong_way(config):
    logits, allowed = simulate(200, seed=5, truth=ChainCalibrator((1.0, 1.0, 1.0), (0, 0, 0)))
    fitted = fit_calibrator(config, -logits, allowed)
    slope = fitted.to_dict().get("slopes", [fitted.to_dict().get("inverse_temperature")])[0]
    assert slope == 0.0
    assert np.ptp(head_probabilities(fitted.cells(-logits))["yT0"]) == pytest.approx(0.0, abs=0.2)


def test_tight_tie_makes_the_slopes_equal_and_a_loose_one_leaves_them():
    truth = ChainCalibrator((0.4, 1.6, 0.4), (0.0, 0.0, 0.0))
    logits, allowed = simulate(400, seed=6, truth=truth)
    tight = fit_calibrator(ChainCalibration(shrinkage=1e-3), logits, allowed)
    loose = fit_calibrator(ChainCalibration(shrinkage=1e3), logits, allowed)
    assert tight.slopes[1] - tight.slopes[0] == pytest.approx(0.0, abs=1e-2)
    assert loose.slopes[1] - loose.slopes[0] > 0.8


@pytest.mark.parametrize("config", FITTED, ids=lambda config: config.kind)
def test_mean_prediction_equals_the_observed_rate_up_to_one_further_patient(config):
    logits, allowed = simulate(300, seed=7)
    heads = head_probabilities(fit_calibrator(config, logits, allowed).cells(logits))
    rates = {"yT0": allowed[:, :2], "yN0": allowed[:, [0, 2]], "yT0yN0": allowed[:, :1]}
    for head, columns in rates.items():
        assert heads[head].mean() == pytest.approx(columns.any(axis=1).mean(), abs=0.01)


@pytest.mark.parametrize("config", FITTED, ids=lambda config: config.kind)
@pytest.mark.parametrize("scale", [0.0, 1e-6, 1e-3, 1.0, 30.0, 300.0])
@pytest.mark.parametrize("n", [1, 2, 9, 14])
def test_tiny_separated_and_badly_scaled_data_give_finite_moderate_fits(config, scale, n):
    generator = np.random.default_rng(n)
    for trial in range(3):
        logits = scale * (generator.normal(size=(n, 3)) + generator.normal())
        cell = [np.zeros(n, dtype=int), generator.integers(4, size=n), (logits[:, 0] < 0) * 3][
            trial
        ]
        fitted = fit_calibrator(config, logits, np.eye(4, dtype=bool)[cell])
        cells = fitted.cells(logits)
        assert np.isfinite(cells).all()
        assert cells.max() < 0.999


def test_one_class_gives_the_rule_of_succession_for_half_a_patient_each(cells_alone):
    logits = np.zeros((9, 3))
    allowed = np.tile(Outcome(yT0=True, yN0=True).allowed_cells, (9, 1))
    heads = head_probabilities(fit_calibrator(ChainCalibration(), logits, allowed).cells(logits))
    assert heads["yT0"][0] == pytest.approx(9.5 / 10)


@pytest.mark.parametrize("config", FITTED, ids=lambda config: config.kind)
def test_fit_does_not_depend_on_the_order_of_patients(config):
    logits, allowed = simulate(60, seed=8)
    order = np.random.default_rng(0).permutation(60)
    one = fit_calibrator(config, logits, partly_known(allowed))
    other = fit_calibrator(config, logits[order], partly_known(allowed)[order])
    np.testing.assert_allclose(one.cells(logits), other.cells(logits), atol=1e-8)


@pytest.mark.parametrize("config", FITTED, ids=lambda config: config.kind)
def test_scale_and_shift_of_the_logits_do_not_matter_when_slopes_are_free(config):
    logits, allowed = simulate(100, seed=9)
    if config.kind == "chain":
        config = ChainCalibration(shrinkage=1e6)
        moved = logits * 40 + 7
        one, other = (fit_calibrator(config, x, allowed).cells(x) for x in (logits, moved))
        np.testing.assert_allclose(one, other, atol=1e-6)


@pytest.mark.parametrize("config", FITTED, ids=lambda config: config.kind)
def test_patients_of_unknown_outcome_change_nothing(config):
    logits, allowed = simulate(60, seed=10)
    more = np.vstack([logits, np.full((5, 3), 9.0)])
    unknown = np.vstack([allowed, np.ones((5, 4), dtype=bool)])
    one, other = fit_calibrator(config, logits, allowed), fit_calibrator(config, more, unknown)
    assert one == other


def test_partly_known_outcomes_sharpen_the_fit():
    logits, allowed = simulate(3000, seed=11)
    full = fit_calibrator(ChainCalibration(), logits, allowed)
    part = fit_calibrator(ChainCalibration(), logits, partly_known(allowed))
    np.testing.assert_allclose(full.slopes, part.slopes, atol=0.15)


@pytest.mark.parametrize("config", EVERY, ids=lambda config: config.kind)
def test_calibrator_survives_json_bit_for_bit(config):
    logits, allowed = simulate(60, seed=12)
    fitted = fit_calibrator(config, logits, allowed)
    restored = calibrator_from_dict(json.loads(json.dumps(fitted.to_dict())))
    assert restored == fitted
    np.testing.assert_array_equal(restored.cells(logits), fitted.cells(logits))


def everyone_knows(n: int) -> np.ndarray:
    """Cells of patients of whom a quarter lies in each."""
    return np.eye(4, dtype=bool)[np.arange(n) % 4]


def test_isotonic_is_refused_below_its_limit_with_both_numbers():
    limit = FEWEST_PATIENTS
    allowed = everyone_knows(2 * limit)
    logits = np.random.default_rng(0).normal(size=(2 * limit, 3))
    fitted = fit_calibrator(IsotonicCalibration(), logits, allowed)
    assert isinstance(fitted, IsotonicCalibrator)
    with pytest.raises(PredictionsError, match=f"at least {limit} .* yT0 is 1.* are {limit - 1}"):
        fit_calibrator(IsotonicCalibration(), logits[1:], allowed[1:])
    unknown = allowed.copy()
    unknown[-1] = True
    with pytest.raises(PredictionsError, match=rf"yT0 is 0.* are {limit - 1}[\s\S]*kind=chain"):
        check_enough_patients(IsotonicCalibration(), unknown)
    check_enough_patients(ChainCalibration(), allowed[:1])


def test_isotonic_follows_a_bend_that_the_chain_cannot():
    generator = np.random.default_rng(3)
    logits = generator.normal(size=(4000, 3)) * 1.5
    bent = joint_cells(1.6 * np.tanh(1.5 * logits))
    cell = (generator.random(4000)[:, None] > bent.cumsum(axis=1)[:, :3]).sum(axis=1)
    allowed = np.eye(4, dtype=bool)[cell]
    losses = [
        -(bent * np.log(fit_calibrator(config, logits, allowed).cells(logits))).sum(axis=1).mean()
        for config in (ChainCalibration(), IsotonicCalibration())
    ]
    assert losses[1] < losses[0] - 0.005


def test_isotonic_survives_json_bit_for_bit():
    n = 2 * FEWEST_PATIENTS
    logits = np.random.default_rng(1).normal(size=(n, 3))
    fitted = fit_calibrator(IsotonicCalibration(), logits, everyone_knows(n))
    restored = calibrator_from_dict(json.loads(json.dumps(fitted.to_dict())))
    assert restored == fitted
    np.testing.assert_array_equal(restored.cells(logits), fitted.cells(logits))


def test_none_is_the_network_itself():
    logits, allowed = simulate(20, seed=13)
    fitted = fit_calibrator(NoCalibration(), logits, allowed)
    np.testing.assert_array_equal(fitted.cells(logits), joint_cells(logits))


@pytest.mark.parametrize(
    "record",
    [
        {},
        {"kind": "isotonic"},
        {"kind": "isotonic", "curves": []},
        {"kind": "isotonic", "curves": [{"logits": [0], "probs": [0.5]}] * 2},
        {"kind": "isotonic", "curves": [{"logits": [], "probs": []}] * 3},
        {"kind": "isotonic", "curves": [{"logits": [0, 1], "probs": [0.5]}] * 3},
        {"kind": "isotonic", "curves": [{"logits": [0, 1], "probs": [0.5, 0.4]}] * 3},
        {"kind": "isotonic", "curves": [{"logits": [0, 0], "probs": [0.5, 0.6]}] * 3},
        {"kind": "isotonic", "curves": [{"logits": [0, 1], "probs": [0.5, 1.1]}] * 3},
        {"kind": "isotonic", "curves": [{"logits": [0], "probs": [0.5], "more": 1}] * 3},
        {"kind": "none", "extra": 1},
        {"kind": "chain", "slopes": [1, 1, 1], "intercepts": [0, 0]},
        {"kind": "chain", "slopes": [1, -1, 1], "intercepts": [0, 0, 0]},
        {"kind": "chain", "slopes": [1, 1, 1], "intercepts": [0, 0, float("nan")]},
        {"kind": "chain", "slopes": "abc", "intercepts": [0, 0, 0]},
        {"kind": "chain", "slopes": 1, "intercepts": [0, 0, 0]},
        {"kind": "temperature", "inverse_temperature": "1", "biases": [0, 0, 0, 0]},
        {"kind": "temperature", "inverse_temperature": -1, "biases": [0, 0, 0, 0]},
    ],
)
def test_a_record_that_is_no_calibrator_is_refused(record):
    with pytest.raises(BundleError):
        calibrator_from_dict(record)


def test_nan_logits_contradictory_and_unknown_outcomes_are_named():
    logits, allowed = simulate(10, seed=14)
    broken = logits.copy()
    broken[3, 1] = np.nan
    with pytest.raises(PredictionsError, match="row 3"):
        fit_calibrator(ChainCalibration(), broken, allowed)
    with pytest.raises(PredictionsError, match="row 3"):
        joint_cells(broken)
    with pytest.raises(PredictionsError, match="contradicts"):
        fit_calibrator(ChainCalibration(), logits, allowed & False)
    with pytest.raises(PredictionsError, match="no patient with a known outcome"):
        fit_calibrator(ChainCalibration(), logits, allowed | True)
    with pytest.raises(ValueError, match="allowed"):
        fit_calibrator(ChainCalibration(), logits, allowed[:5])
    with pytest.raises(ValueError, match="expected"):
        joint_cells(logits[:, :2])


def test_half_precision_logits_are_calibrated_in_double():
    logits = np.array([[0.5, -0.25, 1.0]], dtype=np.float32)
    np.testing.assert_allclose(joint_cells(logits).sum(), 1.0, atol=1e-15)
    assert joint_cells(logits)[0, 0] == expit(0.5) * expit(-0.25)

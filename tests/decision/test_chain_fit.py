"""Fits of the calibrators against scipy's optimisers and finite differences."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import check_grad, minimize

from pcrnet.cohort.outcome import CELLS, Outcome
from pcrnet.decision import chain_fit
from pcrnet.decision.calibrators import ChainCalibrator, head_probabilities, joint_cells
from pcrnet.decision.chain_fit import fit_chain, fit_temperature, log_cells
from pcrnet.evaluation.statistics.calibration.reliability import calibration_line


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


KNOWN = {"full": lambda allowed: allowed, "partly": partly_known}


def chain_objective(parameters, logits, allowed, shrinkage, prior_patients=0):
    """The penalised likelihood written down a second time, from the docstring."""
    a, c = parameters[:3], parameters[3:]
    cells = joint_cells(a * (logits - logits.mean(axis=0)) + c)
    likelihood = 0.0
    for probs, may in zip(cells, allowed, strict=True):
        p1, p2, p3, _ = probs
        scores = []
        for positive, p in ((may[:2], p1 + p2), (may[[0, 2]], p1 + p3), (may[:1], p1)):
            if positive.sum() == may.sum():
                scores.append(np.log(p))
            elif not positive.any():
                scores.append(np.log(1 - p))
        whole = np.log(probs[may].sum())
        likelihood -= (0.05 * whole + 0.95 * np.mean(scores)) if scores else whole
    drawn = np.append(c, a[0] * logits[:, 0].std())
    prior = (np.log1p(np.exp(drawn)) - drawn / 2).sum()
    prior += ((a[1:] - a[0]) ** 2).sum() / (2 * shrinkage**2)
    q, r, s = 1 / (1 + np.exp(-logits.T))
    for logit, p, away, concerned in zip(logits.T, (q, r, s), a - 1, (1, q, 1 - q), strict=True):
        information = np.mean(concerned * p * (1 - p) * (logit - logit.mean()) ** 2)
        prior += prior_patients * information * away**2 / 2
    return likelihood + prior


@pytest.mark.parametrize("prior_patients", [0.0, 60.0])
@pytest.mark.parametrize("known", KNOWN.values(), ids=KNOWN)
def test_chain_is_the_optimum_that_scipy_finds(known, prior_patients):
    logits, allowed = simulate(80, seed=3)
    allowed = known(allowed)
    a, b = fit_chain(logits, allowed, 0.25, prior_patients)
    ours = np.append(a, b + a * logits.mean(axis=0))
    theirs = min(
        (
            minimize(
                chain_objective,
                start,
                args=(logits, allowed, 0.25, prior_patients),
                bounds=[(0, None)] * 3 + [(None, None)] * 3,
                options={"ftol": 1e-14, "gtol": 1e-9},
            )
            for start in ([1, 1, 1, 0, 0, 0], [0.2] * 6, [3, 1, 0, 1, -1, 0])
        ),
        key=lambda result: result.fun,
    )
    assert chain_objective(ours, logits, allowed, 0.25, prior_patients) <= theirs.fun + 1e-9
    np.testing.assert_allclose(ours, theirs.x, atol=2e-4)


def test_belief_in_the_models_slopes_fades_with_patients_and_leaves_the_level():
    truth = ChainCalibrator((0.4, 0.4, 0.4), (1.0, 0.0, 0.0))
    away = {}
    for n in (60, 6000):
        logits, allowed = simulate(n, seed=7, truth=truth)
        free, believed = (fit_chain(logits, allowed, 0.25, worth) for worth in (0.0, 60.0))
        away[n] = believed[0][0] - free[0][0]
        level = head_probabilities(ChainCalibrator(*map(tuple, believed)).cells(logits))["yT0"]
        assert level.mean() == pytest.approx(allowed[:, :2].any(axis=1).mean(), abs=0.03)
    assert away[60] > 0.1
    assert 0.0 < away[6000] < 0.01


def test_the_joint_is_less_timid_where_outcomes_depend_on_more_than_each_link_is_shown(
    monkeypatch,
):
    """ℓ₂ misses what ℓ₁ knows of the nodes: fitted to cells alone, P(yT0yN0) is too timid."""
    generator = np.random.default_rng(5)
    logits = generator.normal(size=(20_000, 3))
    hidden = logits.copy()
    hidden[:, 1:] += 0.5 * logits[:, :1]
    edges = ChainCalibrator((1.0, 1.0, 1.0), (0.0, 0.0, 0.0)).cells(hidden).cumsum(axis=1)
    cell = (generator.random(20_000)[:, None] > edges[:, :3]).sum(axis=1)

    def slope():
        slopes, intercepts = fit_chain(logits, np.eye(4, dtype=bool)[cell], 1.0)
        heads = head_probabilities(ChainCalibrator(tuple(slopes), tuple(intercepts)).cells(logits))
        return calibration_line(heads["yT0yN0"], 1.0 * (cell == 0))[0].value

    reported = slope()
    monkeypatch.setattr(chain_fit, "_OF_HEADS", 0.0)
    assert 1.1 < reported < slope() - 0.05


def temperature_objective(parameters, logits, allowed):
    log_prob = np.log(joint_cells(logits))
    mean = log_prob.mean(axis=0)
    at_mean = np.append(parameters[1:], 0.0)
    score = parameters[0] * (log_prob - mean) + at_mean
    log_cells = score - np.log(np.exp(score).sum(axis=1, keepdims=True))
    likelihood = -np.log((np.exp(log_cells) * allowed).sum(axis=1)).sum()
    further = np.log(np.exp(at_mean).sum()) - at_mean.mean()
    drawn = parameters[0] * np.sqrt(((log_prob - mean) ** 2).mean())
    return likelihood + further + np.log1p(np.exp(drawn)) - drawn / 2


@pytest.mark.parametrize("known", KNOWN.values(), ids=KNOWN)
def test_temperature_is_the_optimum_that_scipy_finds(known):
    logits, allowed = simulate(80, seed=4)
    allowed = known(allowed)
    slope, biases = fit_temperature(logits, allowed)
    at_mean = biases + slope * np.log(joint_cells(logits)).mean(axis=0)
    assert at_mean[3] == pytest.approx(0.0, abs=1e-12)
    ours = np.append(slope, at_mean[:3])
    theirs = minimize(
        temperature_objective,
        [1.0, 0.0, 0.0, 0.0],
        args=(logits, allowed),
        bounds=[(0, None)] + [(None, None)] * 3,
        options={"ftol": 1e-14, "gtol": 1e-9},
    )
    assert temperature_objective(ours, logits, allowed) <= theirs.fun + 1e-9
    np.testing.assert_allclose(ours, theirs.x, atol=2e-4)


@pytest.mark.parametrize("known", KNOWN.values(), ids=KNOWN)
@pytest.mark.parametrize("fit", [lambda *data: fit_chain(*data, 0.25, 40.0), fit_temperature])
def test_derivatives_are_exact_and_vanish_at_the_fit(known, fit, monkeypatch):
    logits, allowed = simulate(40, seed=20)
    seen = {}

    def remember(objective, starts, lower):
        seen["objective"], seen["found"] = objective, minimise(objective, starts, lower)
        return seen["found"]

    minimise = chain_fit.minimise
    monkeypatch.setattr(chain_fit, "minimise", remember)
    fit(logits, known(allowed))
    objective, found = seen["objective"], seen["found"]
    assert np.abs(objective(found)[1]).max() < 1e-8
    for shift in (0.0, 0.3, -0.4):
        point = found + shift
        assert check_grad(lambda x: objective(x)[0], lambda x: objective(x)[1], point) < 1e-5
        for k in range(len(point)):
            slope = (
                objective(point + 1e-5 * np.eye(len(point))[k])[1]
                - objective(point - 1e-5 * np.eye(len(point))[k])[1]
            ) / 2e-5
            np.testing.assert_allclose(objective(point)[2][k], slope, atol=1e-6)


def test_log_cells_are_the_logs_of_the_cells_and_finite_where_those_vanish():
    logits = np.random.default_rng(0).normal(size=(50, 3)) * 5
    np.testing.assert_allclose(log_cells(logits), np.log(joint_cells(logits)), rtol=1e-10)
    assert np.isfinite(log_cells(np.array([[1e4, -1e4, 1e4]]))).all()


@pytest.mark.parametrize("seed", range(40))
def test_the_chain_is_fitted_whatever_the_scales_of_the_three_logits(seed):
    generator = np.random.default_rng(seed)
    n = int(generator.integers(8, 200))
    scales = 10.0 ** generator.uniform(-7, 2, 3)
    logits = generator.normal(size=(n, 3)) * scales + generator.normal(size=3) * 3
    allowed = np.eye(4, dtype=bool)[generator.integers(0, 4, n)]
    slopes, intercepts = fit_chain(logits, allowed, 0.25)
    assert np.isfinite(slopes).all()
    assert np.isfinite(intercepts).all()
    assert (slopes >= 0).all()

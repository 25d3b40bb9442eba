"""Isotonic curves along the chain, against scikit-learn and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.isotonic import IsotonicRegression

from pcrnet.cohort.outcome import Outcome
from pcrnet.decision.isotonic import MonotoneCurve, curve_sizes, fit_isotonic


def simulate(n: int, seed: int = 0, decimals: int = 6) -> tuple[np.ndarray, np.ndarray]:
    """Rounded logits, so that some are tied, and the cell of each patient."""
    generator = np.random.default_rng(seed)
    logits = generator.normal(size=(n, 3)).round(decimals)
    breast, given_breast, given_none = (generator.random((n, 3)) < 0.3 + 0.4 * (logits > 0)).T
    cell = np.where(breast, np.where(given_breast, 0, 1), np.where(given_none, 2, 3))
    return logits, np.eye(4, dtype=bool)[cell]


@pytest.mark.parametrize("decimals", [6, 1])
def test_each_curve_is_that_of_scikit_learn_and_one_further_patient(decimals: int) -> None:
    logits, allowed = simulate(150, decimals=decimals)
    breast, nodes = allowed[:, :2].any(axis=1), allowed[:, [0, 2]].any(axis=1)
    grid = np.linspace(-4, 4, 401)
    for k, (rows, event) in enumerate(((breast | True, breast), (breast, nodes), (~breast, nodes))):
        theirs = IsotonicRegression(out_of_bounds="clip").fit(logits[rows, k], event[rows])
        n = int(rows.sum())
        expected = (n * theirs.predict(grid) + 0.5) / (n + 1)
        np.testing.assert_allclose(fit_isotonic(logits, allowed)[k](grid), expected, atol=1e-12)


@settings(max_examples=100, deadline=None)
@given(n=st.integers(8, 40), seed=st.integers(0, 1000), decimals=st.integers(0, 3))
def test_curves_rise_and_never_reach_0_or_1(n: int, seed: int, decimals: int) -> None:
    logits, allowed = simulate(n, seed, decimals)
    allowed[:4] = np.eye(4, dtype=bool)
    for curve in fit_isotonic(logits, allowed):
        prob = curve(np.linspace(-9, 9, 200))
        assert (np.diff(prob) >= 0).all()
        assert 0 < prob.min() <= prob.max() < 1


def test_a_curve_is_linear_between_its_knots_and_flat_outside_them() -> None:
    curve = MonotoneCurve((-1.0, 1.0), (0.2, 0.6))
    np.testing.assert_allclose(curve(np.array([-5.0, 0.0, 0.5, 9.0])), [0.2, 0.4, 0.5, 0.6])


def test_a_curve_of_one_level_keeps_its_ends_alone() -> None:
    logits = np.arange(12.0)[:, None].repeat(3, axis=1)
    constant = fit_isotonic(logits, np.eye(4, dtype=bool)[[0] * 6 + [2] * 6])
    assert constant[0].logits == (0.0, 11.0)
    assert constant[1].logits == (0.0, 5.0)
    assert constant[1].probs == (6.5 / 7, 6.5 / 7)


def test_only_patients_whose_outcome_decides_a_curve_carry_it() -> None:
    outcomes = [
        Outcome(yT0=True, yN0=True),
        Outcome(yT0=True, yN0=False),
        Outcome(yT0=True),
        Outcome(yT0=False, yN0=True),
        Outcome(yT0=False),
        Outcome(yN0=True),
        Outcome(),
    ]
    allowed = np.array([outcome.allowed_cells for outcome in outcomes])
    assert [n for _, n in curve_sizes(allowed)] == [5, 2, 1]
    logits = np.zeros((7, 3))
    q, r, s = (curve(np.zeros(1))[0] for curve in fit_isotonic(logits, allowed))
    assert q == pytest.approx(3.5 / 6)
    assert r == pytest.approx(1.5 / 3)
    assert s == pytest.approx(1.5 / 2)

"""Newton's method under bounds."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import rosen, rosen_der, rosen_hess

from pcrnet.evaluation.statistics.calibration.newton import minimise

FREE = np.array([-np.inf, -np.inf])


def rosenbrock(point):
    return float(rosen(point)), rosen_der(point), rosen_hess(point)


def test_curved_valley_is_followed_to_its_end():
    np.testing.assert_allclose(minimise(rosenbrock, [np.array([-1.2, 1.0])], FREE), [1, 1])


def test_bound_that_cuts_the_optimum_off_is_held():
    found = minimise(rosenbrock, [np.array([2.0, 2.0])], np.array([1.5, -np.inf]))
    np.testing.assert_allclose(found, [1.5, 2.25], atol=1e-10)


def test_start_outside_the_bounds_is_brought_inside():
    found = minimise(rosenbrock, [np.array([-3.0, 0.0])], np.array([1.5, -np.inf]))
    np.testing.assert_allclose(found, [1.5, 2.25], atol=1e-10)


def test_best_of_several_optima_wins():
    def double_well(point):
        x = point[0]
        return (
            (x**2 - 1) ** 2 + 0.1 * x,
            np.array([4 * x**3 - 4 * x + 0.1]),
            np.array([[12 * x**2 - 4]]),
        )

    starts = [np.array([1.0]), np.array([-1.0])]
    assert minimise(double_well, starts, np.array([-np.inf]))[0] == pytest.approx(-1.0125, abs=1e-3)


def test_flat_direction_stays_where_it_started():
    def valley(point):
        return point[0] ** 2, np.array([2 * point[0], 0.0]), np.diag([2.0, 0.0])

    np.testing.assert_allclose(minimise(valley, [np.array([3.0, 7.0])], FREE), [0.0, 7.0])


def test_concave_start_goes_downhill():
    def bell(point):
        x = point[0]
        e = np.exp(-(x**2) / 2)
        return -e, np.array([x * e]), np.array([[(1 - x**2) * e]])

    assert minimise(bell, [np.array([1.6])], np.array([-np.inf]))[0] == pytest.approx(0.0, abs=1e-8)


def test_objective_without_minimum_is_an_error():
    def slope(point):
        return float(point[0]), np.array([1.0]), np.array([[1.0]])

    with pytest.raises(ArithmeticError, match="converge"):
        minimise(slope, [np.array([0.0])], np.array([-np.inf]))


def test_wrong_gradient_is_an_error():
    def wrong(point):
        return float(point[0] ** 2), np.array([-2 * point[0] - 1.0]), np.array([[2.0]])

    with pytest.raises(ArithmeticError, match="converge"):
        minimise(wrong, [np.array([1.0])], np.array([-np.inf]))

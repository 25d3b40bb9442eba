"""What is missing is its conditional mean; what lies far out is drawn in."""

import numpy as np
import pytest

from pcrnet.models.rivals.imputation import Imputation, Standardisation


@pytest.fixture
def gaussian():
    generator = np.random.default_rng(1)
    root = generator.normal(size=(4, 4))
    return Imputation(generator.normal(size=4), root @ root.T + np.eye(4))


def test_the_conditional_mean_is_its_closed_form(gaussian):
    mean, inverse = gaussian.mean, np.linalg.inv(gaussian.covariance)
    row = np.array([1.0, np.nan, -2.0, np.nan])
    hidden, there = [1, 3], [0, 2]
    # By the precision matrix: the other of the two ways to write it.
    expected = mean[hidden] - np.linalg.solve(
        inverse[np.ix_(hidden, hidden)], inverse[np.ix_(hidden, there)] @ (row - mean)[there]
    )
    found = gaussian.complete(row[None])[0]
    np.testing.assert_allclose(found[hidden], expected, rtol=1e-10)
    np.testing.assert_array_equal(found[there], row[there])


def test_what_is_complete_stays_as_it_is(gaussian):
    values = np.random.default_rng(2).normal(size=(5, 4))
    np.testing.assert_array_equal(gaussian.complete(values), values)


def test_who_has_nothing_gets_the_mean_and_who_has_it_is_not_touched_by_the_others(gaussian):
    values = np.array([[np.nan] * 4, [1.0, 2.0, 3.0, np.nan]])
    found = gaussian.complete(values)
    np.testing.assert_allclose(found[0], gaussian.mean)
    np.testing.assert_array_equal(gaussian.complete(values[1:])[0], found[1])


def test_a_fit_finds_mean_and_covariance_through_the_gaps():
    generator = np.random.default_rng(3)
    covariance = np.array([[1.0, 0.8, 0.0], [0.8, 1.0, 0.3], [0.0, 0.3, 1.0]])
    values = generator.multivariate_normal([0.2, -0.1, 0.0], covariance, size=4000)
    values[generator.random(values.shape) < 0.2] = np.nan
    found = Imputation.fit(values)
    np.testing.assert_allclose(found.mean, [0.2, -0.1, 0.0], atol=0.06)
    np.testing.assert_allclose(found.covariance, covariance, atol=0.06)


def test_more_quantities_than_patients_leave_it_positive_definite():
    values = np.random.default_rng(4).normal(size=(12, 60))
    values[:, 30:] = values[:, :30]
    values[::3, ::2] = np.nan
    found = Imputation.fit(values)
    assert np.linalg.eigvalsh(found.covariance).min() > 0
    assert np.isfinite(found.complete(values)).all()


@pytest.mark.parametrize("shape", [(0, 3), (5, 0), (0, 0)])
def test_nobody_or_nothing_is_no_error(shape):
    values = np.empty(shape)
    assert Imputation.fit(values).complete(values).shape == shape
    assert Standardisation.fit(values).apply(values).shape == shape


def test_standardised_values_have_mean_0_and_spread_1_and_keep_their_gaps():
    values = np.random.default_rng(5).normal(7.0, 3.0, size=(200, 2))
    values[:40, 1] = np.nan
    found = Standardisation.fit(values).apply(values)
    np.testing.assert_allclose(np.nanmean(found, axis=0), 0.0, atol=1e-10)
    np.testing.assert_allclose(np.nanstd(found, axis=0), 1.0, atol=1e-10)
    np.testing.assert_array_equal(np.isnan(found), np.isnan(values))


def test_an_outlier_is_drawn_in_and_hardly_moves_the_others():
    values = np.random.default_rng(6).normal(size=(100, 1))
    spoiled = values.copy()
    spoiled[0] = 1e6
    plain, found = (Standardisation.fit(of).apply(of) for of in (values, spoiled))
    assert found[0, 0] < 4.5
    np.testing.assert_allclose(found[1:], plain[1:], atol=0.2)
    assert Standardisation.fit(values).apply(np.array([[np.inf]]))[0, 0] < 4.5


@pytest.mark.parametrize("values", [np.full(50, 3.0), np.r_[np.arange(7.0), np.full(43, np.nan)]])
def test_a_constant_and_what_hardly_anybody_has_say_nothing(values):
    standardisation = Standardisation.fit(values[:, None])
    np.testing.assert_array_equal(standardisation.apply(np.array([[5.0], [-1e9]])), 0.0)


def test_a_quantity_that_is_one_number_in_most_patients_still_says_something():
    values = np.r_[np.zeros(60), np.ones(20)][:, None]
    found = Standardisation.fit(values).apply(values)
    assert np.ptp(found) > 1.0
    assert np.isfinite(found).all()

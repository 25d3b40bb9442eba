"""Ridge logistic regression against scikit-learn's, and what must hold of its labels."""

import numpy as np
import pytest
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from pcrnet.models.rivals.ridge import PENALTIES, choose_penalty, fit_path, losses, relevance

_INTERCEPT = 0.02  # penalty of the intercept


@pytest.fixture
def data():
    generator = np.random.default_rng(2)
    features = generator.normal(size=(80, 6))
    labels = (generator.random(80) < expit(features[:, 0] - 0.5 * features[:, 1] - 0.4)) * 1.0
    return features, labels, generator.uniform(0.2, 2.0, 80)


def _sklearn(features, labels, weights, penalty):
    """The intercept as a feature so large that it is penalised as lightly as here."""
    size = np.sqrt(penalty / _INTERCEPT)
    design = np.column_stack([features, np.full(len(features), size)])
    model = LogisticRegression(C=1.0 / penalty, fit_intercept=False, tol=1e-10, max_iter=10_000)
    found = model.fit(design, labels, weights).coef_[0]
    return found[:-1], found[-1] * size


@pytest.mark.parametrize("penalty", [1.0, 30.0, 3000.0])
def test_it_is_logistic_regression_of_scikit_learn(data, penalty):
    features, labels, weights = data
    ridge = fit_path(*data, [p for p in PENALTIES if p > penalty] + [penalty])[-1]
    coefficients, intercept = _sklearn(features, labels, weights, penalty)
    np.testing.assert_allclose(ridge.coefficients, coefficients, atol=1e-5)
    assert ridge.intercept == pytest.approx(intercept, abs=1e-5)


def test_a_fractional_label_is_a_patient_of_either_outcome_in_part(data):
    features, _, weights = data
    share = np.random.default_rng(3).random(80)
    found = fit_path(features, share, weights, [5.0])[0]
    twice = np.vstack([features, features])
    coefficients, intercept = _sklearn(
        twice,
        np.repeat([1.0, 0.0], 80),
        np.concatenate([weights * share, weights * (1 - share)]),
        5.0,
    )
    np.testing.assert_allclose(found.coefficients, coefficients, atol=1e-5)
    assert found.intercept == pytest.approx(intercept, abs=1e-5)


def test_the_path_gives_what_each_penalty_gives_alone(data):
    for penalty, ridge in zip(PENALTIES, fit_path(*data, PENALTIES), strict=True):
        alone = fit_path(*data, [penalty])[0]
        np.testing.assert_allclose(ridge.coefficients, alone.coefficients, atol=1e-4)


@pytest.mark.parametrize("label", [0.0, 1.0])
def test_one_class_alone_stays_finite(data, label):
    features, _, weights = data
    ridge = fit_path(features, np.full(80, label), weights, PENALTIES)[-1]
    logits = ridge.logits(features)
    assert np.isfinite(logits).all()
    assert ((logits > 0) == bool(label)).all()


def test_nobody_at_all_gives_even_odds():
    ridge = fit_path(np.empty((0, 3)), np.empty(0), np.empty(0), [10.0])[0]
    np.testing.assert_array_equal(ridge.logits(np.ones((2, 3))), 0.0)


def test_losses_are_the_cross_entropy(data):
    logits, share = data[0][:, 0], np.linspace(0, 1, 80)
    by_hand = -(share * np.log(expit(logits)) + (1 - share) * np.log(expit(-logits)))
    np.testing.assert_allclose(losses(logits, share), by_hand)
    assert np.isfinite(losses(np.array([900.0, -900.0]), np.array([0.0, 1.0]))).all()


def test_noise_gets_a_heavy_penalty_and_signal_a_light_one():
    generator = np.random.default_rng(4)
    features = generator.normal(size=(120, 10))
    folds = [generator.permutation(np.arange(120) % 5) for _ in range(2)]
    noise = (generator.random(120) < 0.5) * 1.0
    signal = (generator.random(120) < expit(features @ np.linspace(-2, 2, 10))) * 1.0
    chosen = [choose_penalty(features, of, np.ones(120), folds) for of in (noise, signal)]
    assert chosen[0] > 300.0
    assert chosen[1] < 30.0


def test_a_penalty_is_chosen_on_labels_that_are_known_alone():
    generator = np.random.default_rng(5)
    features = generator.normal(size=(90, 4))
    labels = (generator.random(90) < expit(3 * features[:, 0])) * 1.0
    fold = np.arange(90) % 5
    expected = choose_penalty(features, labels, np.ones(90), [fold])
    guessed = np.vstack([features, 5 * generator.normal(size=(60, 4))])
    of_all = np.concatenate([labels, np.full(60, 0.5)])
    found = choose_penalty(guessed, of_all, np.ones(150), [np.arange(150) % 5])
    assert found == expected


def test_relevance_is_the_correlation_with_the_labels_one_in_the_mean_square():
    generator = np.random.default_rng(3)
    features = generator.normal(size=(60, 4)) * [1.0, 5.0, 0.2, 1.0] + [0.0, 3.0, 0.0, 0.0]
    labels = (features[:, 1] + generator.normal(size=60) > 3.0).astype(float)
    found = relevance(features, labels, np.ones(60))
    r = np.abs([np.corrcoef(column, labels)[0, 1] for column in features.T]) + 0.02
    np.testing.assert_allclose(found, r / np.sqrt(np.mean(r**2)))
    assert np.mean(found**2) == pytest.approx(1.0)
    squared = relevance(features, labels, np.ones(60), 2.0)
    np.testing.assert_allclose(squared, r**2 / np.sqrt(np.mean(r**4)))


def test_a_feature_that_is_one_number_is_not_relevant_and_no_division_by_nothing():
    features = np.column_stack([np.ones(20), np.arange(20.0)])
    found = relevance(features, (np.arange(20) > 9).astype(float), np.ones(20))
    assert np.isfinite(found).all()
    assert found[0] < 0.05 * found[1]

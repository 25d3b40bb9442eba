"""How much a ridge is drawn in: against integration over its posterior, and patients left out."""

import numpy as np
import pytest
from scipy.special import expit

from pcrnet.models.rivals.moderation import moderated
from pcrnet.models.rivals.ridge import fit_relevant, losses, posterior_covariance, relevance

_PENALTY = 30.0


def _cohort(n, seed, p=12):
    generator = np.random.default_rng(seed)
    features = generator.normal(size=(n, p))
    true_prob = expit(features @ np.linspace(-0.5, 0.5, p) + 0.4)
    labels = (generator.random(n) < true_prob) * 1.0
    return features, labels, generator.uniform(0.5, 1.0, n), true_prob


def _fitted(features, labels, weights, penalty=_PENALTY):
    scale = relevance(features, labels, weights)
    model = fit_relevant(features, labels, weights, [penalty], scale)[0]
    return model, moderated(model, features, weights, penalty, scale), scale


def test_one_number_draws_in_coefficients_and_intercept():
    model, drawn, _ = _fitted(*_cohort(60, 1)[:3])
    factor = drawn.intercept / model.intercept
    assert 0.5 < factor < 0.97
    np.testing.assert_allclose(drawn.coefficients, factor * model.coefficients)


def test_probabilities_are_the_posteriors_mean_of_patients_who_were_left_out():
    features, labels, weights, _ = _cohort(60, 2)
    model, drawn, scale = _fitted(features, labels, weights)
    logits = model.logits(features)
    normal = np.random.default_rng(0).standard_normal((4000, features.shape[1] + 1))
    mean = np.empty(60)
    for patient in range(60):
        # The curvature where the fit stands, without this patient.
        others = np.where(np.arange(60) == patient, 0.0, weights)
        spread = posterior_covariance(features, others, logits, _PENALTY, scale)
        design = np.append(features[patient], 1.0)
        mean[patient] = expit(
            logits[patient] + normal @ np.linalg.cholesky(spread).T @ design
        ).mean()
    unmoderated = np.abs(expit(logits) - mean).mean()
    found = np.abs(expit(drawn.logits(features)) - mean).mean()
    assert found < 0.01
    assert found < unmoderated / 3


def test_few_patients_are_predicted_better_and_many_as_before():
    gained = {}
    for n in (40, 4000):
        gains = []
        for seed in range(20 if n == 40 else 1):
            features, labels, weights, _ = _cohort(n, seed)
            model, drawn, _ = _fitted(features, labels, weights, 1.0)
            others, _, _, true_prob = _cohort(2000, 100 + seed)
            gains.append(
                losses(model.logits(others), true_prob).mean()
                - losses(drawn.logits(others), true_prob).mean()
            )
        gained[n] = np.mean(gains)
    assert gained[40] > 0.02
    assert gained[4000] == pytest.approx(0.0, abs=1e-3)


def test_with_nobody_there_is_nothing_to_draw_in():
    features = np.empty((0, 3))
    model = fit_relevant(features, np.empty(0), np.empty(0), [10.0], np.ones(3))[0]
    assert moderated(model, features, np.empty(0), 10.0, np.ones(3)) is model

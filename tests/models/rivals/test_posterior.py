"""Laplace's covariance: its intervals hold the truth as often as they say."""

import numpy as np
import pytest
from scipy.special import expit

from pcrnet.models.rivals.chain import RidgeChain
from pcrnet.models.rivals.posterior import ChainPosterior


def _cohort(n, p, generator, size=0.4):
    features = generator.normal(size=(n, p))
    breast, nodes = generator.normal(0, size, (2, p))
    first, third = features @ breast, features @ nodes - 0.3
    free = generator.random(n) < expit(first)
    clear = generator.random(n) < expit(third + 0.8 * free)
    cells = np.where(free, np.where(clear, 0, 1), np.where(clear, 2, 3))
    return features, np.eye(4, dtype=bool)[cells], np.column_stack([first, third + 0.8, third])


def test_nine_of_ten_intervals_hold_the_true_logit():
    generator = np.random.default_rng(2)
    held = []
    for _ in range(12):
        features, allowed, truth = _cohort(150, 6, generator)
        chain = RidgeChain.fit(features, allowed, 0)
        spread = ChainPosterior.fit(chain, features, allowed).covariance(features)
        error = np.sqrt(np.einsum("nii->ni", spread))
        held.append(np.abs(chain.logits(features) - truth) <= 1.645 * error)
    breast, *nodes = np.mean(held, axis=(0, 1))
    assert 0.8 <= breast <= 0.98
    # All six features say something here, and what their relevance was learned from is not counted.
    assert all(0.75 <= each <= 0.98 for each in nodes)


def test_more_patients_leave_less_doubt():
    generator = np.random.default_rng(3)
    features, allowed, _ = _cohort(800, 5, generator)
    spreads = []
    for n in (100, 800):
        chain = RidgeChain.fit(features[:n], allowed[:n], 0)
        posterior = ChainPosterior.fit(chain, features[:n], allowed[:n])
        spreads.append(np.trace(posterior.covariance(features[:50]).mean(axis=0)))
    assert spreads[1] < 0.5 * spreads[0]


def test_the_covariance_of_the_logits_is_one_of_numbers_that_go_together():
    generator = np.random.default_rng(4)
    features, allowed, _ = _cohort(120, 5, generator)
    allowed[:20] = True  # of some nothing is known, of others one half
    allowed[20:40, :2] = True
    chain = RidgeChain.fit(features, allowed, 0)
    found = ChainPosterior.fit(chain, features, allowed).covariance(features)
    assert found == pytest.approx(found.transpose(0, 2, 1))
    assert (np.linalg.eigvalsh(found) > -1e-9).all()
    assert found[:, 0, 1:] == pytest.approx(0.0)  # breast and nodes are fitted apart
    assert (found[:, 1, 2] > 0).all()

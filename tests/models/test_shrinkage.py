"""A correction is kept where it helps patients whom nothing has seen, and not else."""

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.special import expit

from pcrnet.models.shrinkage import choose_factors


def _draw(n, seed, strength):
    """A start, what it misses, and outcomes of the two together."""
    generator = np.random.default_rng(seed)
    start, missed = generator.normal(size=(n, 3)), generator.normal(size=(n, 3))
    prob = expit(start + strength * missed)
    breast = generator.random(n) < prob[:, 0]
    nodes = generator.random(n) < np.where(breast, prob[:, 1], prob[:, 2])
    cell = np.where(breast, 0, 2) + np.where(nodes, 0, 1)
    return start, missed, np.eye(4, dtype=bool)[cell], generator


def test_noise_is_left_out():
    """Of a logit's 200 corrections, half as large as the start: 1 to 3 % are kept."""
    kept = np.array(
        [
            choose_factors(start, 0.5 * noise, allowed) > 0
            for start, noise, allowed, _ in (_draw(120, seed, 0.0) for seed in range(200))
        ]
    )
    assert (kept.mean(axis=0) <= 0.05).all()


def test_a_true_correction_is_kept_near_its_best_size():
    start, missed, allowed, _ = _draw(3000, 1, 0.6)
    found = choose_factors(start, missed, allowed)
    np.testing.assert_allclose(found, 0.6, atol=0.16)
    breast = allowed[:, :2].any(axis=1)

    def loss(factor):
        logits = start[:, 0] + factor * missed[:, 0]
        return (np.logaddexp(0, logits) - breast * logits).mean()

    assert found[0] == pytest.approx(minimize_scalar(loss, (0, 1)).x, abs=0.026)


def test_a_correction_that_points_the_wrong_way_is_left_out():
    start, missed, allowed, _ = _draw(1000, 2, 0.8)
    np.testing.assert_array_equal(choose_factors(start, -missed, allowed), 0.0)


def test_a_correction_that_is_too_small_is_not_blown_up():
    start, missed, allowed, _ = _draw(3000, 3, 0.8)
    np.testing.assert_array_equal(choose_factors(start, 0.2 * missed, allowed), 1.0)


def test_a_logit_listens_to_whom_it_concerns_alone():
    start, missed, allowed, generator = _draw(2000, 4, 0.8)
    spoiled = missed.copy()
    breast = allowed[:, :2].any(axis=1)
    spoiled[~breast, 1] = generator.normal(size=(~breast).sum()) * 50
    spoiled[breast, 2] = generator.normal(size=breast.sum()) * 50
    expected = choose_factors(start, missed, allowed)
    np.testing.assert_array_equal(choose_factors(start, spoiled, allowed), expected)
    assert expected.all()


def test_who_is_not_known_whole_plays_no_part():
    start, missed, allowed, _ = _draw(800, 5, 0.8)
    more = np.vstack([allowed, np.ones((100, 4), bool)])
    wild = [np.vstack([of, np.full((100, 3), 30.0)]) for of in (start, missed)]
    np.testing.assert_array_equal(
        choose_factors(*wild, more), choose_factors(start, missed, allowed)
    )


@pytest.mark.parametrize("n", [0, 1])
def test_nobody_to_choose_on_keeps_nothing(n):
    allowed = np.eye(4, dtype=bool)[np.zeros(n, int)]
    np.testing.assert_array_equal(choose_factors(np.zeros((n, 3)), np.ones((n, 3)), allowed), 0.0)

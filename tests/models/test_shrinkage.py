"""A correction is kept where it helps patients whom nothing has seen, and not else."""

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.special import expit

from pcrnet.models.shrinkage import choose_factors, is_promising


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


def _looked_at(n, seed, strength, part, noise):
    """A third of the patients, and a correction of what was missed with noise on it."""
    start, missed, allowed, generator = _draw(n, seed, strength)
    added = strength * missed + noise * generator.normal(size=missed.shape)
    rows = slice(0, n * part // 3)
    return start[rows], added[rows], allowed[rows]


def test_few_corrections_that_are_noise_are_worth_a_second_network():
    """A gain of mean 0 passes the bar 28 times in 100; noise costs likelihood, and passes less."""
    going = [is_promising(*_looked_at(192, seed, 0.0, 1, 0.3), 1 / 3, 1.0) for seed in range(200)]
    assert 0.02 < np.mean(going) < 0.2


def test_most_corrections_that_would_be_kept_are_worth_a_second_network():
    kept, going = [], []
    for seed in range(200):
        kept.append(choose_factors(*_looked_at(192, seed, 0.6, 3, 0.3)).any())
        going.append(is_promising(*_looked_at(192, seed, 0.6, 1, 0.3), 1 / 3, 1.0))
    assert np.mean(kept) > 0.6
    assert np.mean(np.array(going)[kept]) > 0.9


def test_the_bar_is_in_standard_errors_of_the_gain_among_all():
    """Among four times as many patients like these the gain has half the error."""
    start, added, allowed = _looked_at(300, 7, 0.3, 3, 0.3)
    breast = allowed[:, :2].any(axis=1)
    nodes = allowed[:, [0, 2]].any(axis=1)

    def loss(factor):
        logits = start + factor * added
        each = np.logaddexp(0, logits) - np.column_stack([breast, nodes, nodes]) * logits
        return each[:, 0] + np.where(breast, each[:, 1], each[:, 2])

    best = min(np.linspace(0, 1, 21), key=lambda factor: loss(factor).mean())
    gain = loss(0.0) - loss(best)
    z = gain.mean() / (gain.std(ddof=1) / np.sqrt(len(gain)))
    assert z > 0
    for share in (1.0, 0.25):
        carried_on = z / np.sqrt(share)
        assert is_promising(start, added, allowed, share, carried_on - 0.01)
        assert not is_promising(start, added, allowed, share, carried_on + 0.01)


def test_nothing_gained_holds_no_promise_and_a_bar_of_nothing_asks_nothing():
    start, missed, allowed, _ = _draw(90, 8, 0.8)
    assert not is_promising(start, -missed, allowed, 1 / 3, 1e-9)
    assert is_promising(start, -missed, allowed, 1 / 3, 0.0)


def test_patients_of_unknown_outcome_say_nothing_of_a_promise():
    start, missed, allowed, _ = _draw(90, 9, 0.8)
    nobody = np.ones_like(allowed)
    assert not is_promising(start, missed, nobody, 1 / 3, 1.0)

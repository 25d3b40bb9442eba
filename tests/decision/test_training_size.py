from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from pcrnet.decision.training_size import (
    brought_to_scale,
    noise_shares,
    pair_key,
    steeper_in_all,
    steeper_in_single,
)

PATIENTS, SIGNAL = 60_000, 1.0


def made_up(folds: int, sample: float, seed: float, growth: float = 0.0):
    """Logits of single and pair fits by the model itself: s(m)·(μ + errors of folds + of seeds)."""
    generator = np.random.default_rng(folds)
    fold = np.arange(PATIENTS) % folds
    shared = generator.normal(scale=np.sqrt(SIGNAL), size=(PATIENTS, 1))
    errors = generator.normal(scale=np.sqrt(sample), size=(folds, PATIENTS, 1))
    logits = {}
    for left_out in [(i,) for i in range(folds)] + list(combinations(range(folds), 2)):
        kept = [k for k in range(folds) if k not in left_out]
        noise = errors[kept].mean(axis=0) + generator.normal(
            scale=np.sqrt(seed), size=(PATIENTS, 1)
        )
        scale = 1 / (1 + growth / len(kept))
        values = np.repeat(scale * (shared + noise), 3, axis=1)
        values[~np.isin(fold, left_out)] = np.nan
        logits[left_out] = values
    return fold, logits


def slope(folds: int, m: int, sample: float, seed: float, growth: float) -> float:
    """Of μ on the logit of a fit on m folds, up to a factor."""
    return (1 + growth / m) / (SIGNAL + sample / m + seed)


@pytest.mark.parametrize("folds", [3, 5])
@pytest.mark.parametrize(
    ("sample", "seed", "growth"),
    [(2.0, 0.0, 0.0), (0.0, 0.5, 0.0), (2.0, 0.5, 0.0), (1.5, 0.2, 0.3)],
)
def test_sample_seed_and_growth_are_told_apart(
    folds: int, sample: float, seed: float, growth: float
) -> None:
    fold, logits = made_up(folds, sample, seed, growth)
    expected = [slope(folds, m, sample, seed, growth) for m in (folds - 2, folds - 1, folds)]
    single = np.mean([steeper_in_single(logits, fold, i) for i in range(folds)])
    assert single == pytest.approx(expected[1] / expected[0], rel=0.03)
    assert steeper_in_all(logits, fold)[0] == pytest.approx(expected[2] / expected[1], rel=0.03)
    noise = sample / (folds - 1) + seed
    shares = noise_shares(logits, fold)
    assert shares is not None
    total = SIGNAL + noise
    assert shares.of_sample[0] == pytest.approx(sample / (folds - 1) / total, abs=0.03)
    assert shares.of_seeds[0] == pytest.approx(seed / total, abs=0.03)
    apart = seed + sample / (folds - 2) ** 2
    assert shares.differences[0] == pytest.approx(seed / apart, abs=0.05)


def test_nothing_is_told_without_pair_fits_or_of_a_tiny_fold() -> None:
    fold = np.arange(6) % 3
    logits = {key: np.ones((6, 3)) for key in [(0,), (1,), (2,), (0, 1), (0, 2), (1, 2)]}
    assert (steeper_in_all(logits, fold) == 1).all()
    assert noise_shares(logits, fold) is None
    singles = {key: np.ones((60, 3)) for key in [(0,), (1,), (2,)]}
    assert (steeper_in_all(singles, np.arange(60) % 3) == 1).all()
    constant = {key: np.ones((60, 3)) for key in logits}
    assert (steeper_in_single(constant, np.arange(60) % 3, 0) == 1).all()


def test_scaling_keeps_the_mean_and_a_pair_has_one_name() -> None:
    logits = np.random.default_rng(0).normal(size=(20, 3))
    scaled = brought_to_scale(logits, np.array([1.0, 2.0, 4.0]))
    np.testing.assert_allclose(scaled.mean(axis=0), logits.mean(axis=0))
    np.testing.assert_allclose(scaled.std(axis=0), logits.std(axis=0) / [1, 2, 4])
    assert pair_key(3, 1) == pair_key(1, 3) == (1, 3)

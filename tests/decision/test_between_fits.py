"""How far fits differ, against variances that are known by hand."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from pcrnet.decision.between_fits import called_rightly, expected_metrics, levels

N, FOLDS = 300, 5
FOLD = np.arange(N) % FOLDS
PAIRS = tuple(combinations(range(FOLDS), 2))


def rates_of_fits(
    low: float, high: float, seed: int, *, of_responders: bool
) -> tuple[float, float]:
    """Fits that call each patient with a chance of their own."""
    generator = np.random.default_rng(seed)
    label = (np.arange(N) // FOLDS % 2).astype(float)
    shown = {}
    for pair in PAIRS:
        called = generator.random(N) < generator.uniform(low, high)
        shown[pair] = np.where(called, 0.9, 0.1)
    return called_rightly(FOLD, shown, label, 0.5, 1.0, of_responders=of_responders)


@pytest.mark.parametrize("of_responders", [True, False])
def test_what_patients_add_is_taken_out_of_how_much_rates_differ(of_responders: bool) -> None:
    """By hand: chances between 0.5 and 0.9 vary by 0.4²/12, and 30 patients add what is left."""

    def mean(low: float, high: float) -> np.ndarray:
        found = [rates_of_fits(low, high, k, of_responders=of_responders) for k in range(240)]
        return np.mean(found, axis=0)

    between, seen = mean(0.5, 0.9)
    assert between == pytest.approx(0.4**2 / 12, rel=0.15)
    assert seen - between == pytest.approx((0.7 * 0.3 - 0.4**2 / 12) / 30, rel=0.1)
    between, seen = mean(0.7, 0.7)
    assert between < 0.2 * seen
    assert seen == pytest.approx(0.7 * 0.3 / 30, rel=0.1)


def test_without_threshold_or_patients_nothing_differs() -> None:
    shown = {pair: np.linspace(0.1, 0.9, N) for pair in PAIRS}
    label = np.zeros(N)
    assert called_rightly(FOLD, shown, label, np.nan, 1.0, of_responders=False) == (0.0, 0.0)
    assert called_rightly(FOLD, shown, label, 0.5, 1.0, of_responders=True) == (0.0, 0.0)


def test_levels_differ_by_the_shift_of_all_logits() -> None:
    """Fits whose probabilities are 0.5 ± 0.01: ± 0.04 in logits, since p(1 − p) is a quarter."""
    shown = {pair: np.full(N, 0.49 + 0.02 * (sum(pair) % 2)) for pair in PAIRS}
    between, seen = levels(FOLD, shown, np.full(N, 0.5), np.ones(N, dtype=bool))
    expected = np.mean(
        [
            np.var(
                [0.08 * ((outer + inner) % 2) for inner in range(FOLDS) if inner != outer], ddof=1
            )
            for outer in range(FOLDS)
        ]
    )
    assert between == pytest.approx(expected)
    assert seen == pytest.approx(expected)


def test_fits_that_rank_alike_differ_in_nothing_but_their_slopes() -> None:
    score = np.random.default_rng(0).normal(size=N)
    chance = 1 / (1 + np.exp(-score))
    shown = {pair: 1 / (1 + np.exp(-score * (1 + 0.2 * (sum(pair) % 3)))) for pair in PAIRS}
    found = expected_metrics(FOLD, shown, chance)
    assert found["auc"] == found["average_precision"] == 0.0
    slopes = [
        np.var([1 / (1 + 0.2 * ((outer + k) % 3)) for k in range(FOLDS) if k != outer], ddof=1)
        for outer in range(FOLDS)
    ]
    assert found["calibration_slope"] == pytest.approx(np.mean(slopes), rel=1e-6)

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from pcrnet.config.evaluation import EvaluationConfig, YoudenRule
from pcrnet.decision.nested import final_decision, nested_estimate
from pcrnet.decision.shipped import Exchange, Noise, SeenFits, describe_head, describe_shipped

N, FOLDS = 300, 5
CONFIG = EvaluationConfig(folds=FOLDS, operating_point=YoudenRule())


def described(disagreement: float, config: EvaluationConfig = CONFIG):
    """Fits that agree on a signal, but for noise that each has of its own."""
    generator = np.random.default_rng(3)
    fold = np.arange(N) % FOLDS
    cell = generator.integers(0, 4, N)
    signal = np.stack([cell < 2, cell % 2 == 0, cell % 2 == 0], axis=1) - 0.5
    signal = signal + generator.normal(size=(N, 3))
    logits = {}
    for left_out in [(i,) for i in range(FOLDS)] + list(combinations(range(FOLDS), 2)):
        logits[left_out] = signal + disagreement * generator.normal(size=(N, 3))
        logits[left_out][~np.isin(fold, left_out)] = np.nan
    allowed = np.eye(4, dtype=bool)[cell]
    judged = nested_estimate(fold, allowed, logits, config)
    final = final_decision(fold, allowed, logits, config)
    return describe_shipped(fold, allowed, logits, config, judged, final)


def test_fits_that_agree_say_that_nothing_changes_with_the_fit() -> None:
    for known in described(0.0).values():
        assert known.noise_share == pytest.approx(0.0, abs=1e-9)
        assert 0 < known.apparent["calibration_slope"] < 2
        assert known.instability == {"median": 0.0, "ninetieth": 0.0, "changed": 0.0}
        assert max(known.between_fits.values()) == pytest.approx(0.0, abs=1e-12)


def test_fits_that_disagree_say_so_and_a_searched_threshold_flatters_itself() -> None:
    known = described(0.7)["yT0yN0"]
    assert known.noise_share < 0.1  # all of it is noise of seeds, which is not counted twice
    assert known.instability["changed"] > 0.1
    assert known.between_fits["auc"] > 0
    assert known.optimism["sensitivity"] + known.optimism["specificity"] > 0
    assert 0.5 < known.apparent["calibration_slope"] < 2


def test_cross_fitting_tells_nothing() -> None:
    assert described(0.5, CONFIG.model_copy(update={"mode": "crossfit"})) == {}


def rates_of_fits(low: float, high: float, seed: int) -> tuple[float, float]:
    """Between fits that call each responder rightly with a chance of their own, as it is told."""
    generator = np.random.default_rng(seed)
    fold, label = np.arange(N) % FOLDS, (np.arange(N) // FOLDS % 2).astype(float)
    shown = {}
    for pair in combinations(range(FOLDS), 2):
        called = generator.random(N) < generator.uniform(low, high)
        shown[pair] = np.where(called, 0.9, 0.1)
    own = generator.uniform(0.2, 0.8, N)
    others = [[j for j in range(FOLDS) if j != i] for i in range(FOLDS)]
    exchange = Exchange(
        seen=[{j: own[fold == j] for j in others[i]} for i in range(FOLDS)],
        unseen=[dict.fromkeys(others[i], own[fold == i]) for i in range(FOLDS)],
    )
    fits = SeenFits(fold, label, shown, own, Noise(0.0, 1.0, 1.0), exchange)
    known = describe_head(fits, [0.5] * FOLDS, 0.5)
    return known.between_fits["sensitivity"], known.between_seen["sensitivity"]


def test_what_patients_add_is_taken_out_of_how_much_rates_differ_between_fits() -> None:
    """By hand: chances between 0.5 and 0.9 vary by 0.4²/12, and 30 responders add 0.2/30."""
    between, seen = np.mean([rates_of_fits(0.5, 0.9, seed) for seed in range(60)], axis=0)
    assert between == pytest.approx(0.4**2 / 12, rel=0.15)
    assert seen - between == pytest.approx((0.7 * 0.3 - 0.4**2 / 12) / 30, rel=0.1)
    between, seen = np.mean([rates_of_fits(0.7, 0.7, seed) for seed in range(60)], axis=0)
    assert between < 0.2 * seen
    assert seen == pytest.approx(0.7 * 0.3 / 30, rel=0.1)


def test_the_level_that_ships_is_read_where_it_was_fitted() -> None:
    known = described(0.7)["yT0yN0"]
    assert abs(known.apparent["calibration_in_the_large"]) < 0.05
    assert known.optimism["calibration_in_the_large"] == 0.0
    assert known.between_fits["calibration_in_the_large"] < 0.01

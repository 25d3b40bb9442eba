from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from pcrnet.config.evaluation import EvaluationConfig, YoudenRule
from pcrnet.decision.nested import final_decision, nested_estimate
from pcrnet.decision.shipped import describe_shipped

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


def test_the_level_that_ships_is_read_where_it_was_fitted() -> None:
    known = described(0.7)["yT0yN0"]
    assert abs(known.apparent["calibration_in_the_large"]) < 0.05
    assert known.optimism["calibration_in_the_large"] == 0.0
    assert known.between_fits["calibration_in_the_large"] < 0.01

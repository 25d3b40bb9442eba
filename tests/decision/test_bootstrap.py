"""Calibrators of patients drawn anew spread as the theory of logistic regression says."""

import numpy as np
import pytest
from scipy.special import expit

from pcrnet.config.evaluation import ChainCalibration, NoCalibration
from pcrnet.decision.bootstrap import bootstrap_calibrators


def _patients(n, seed=0):
    generator = np.random.default_rng(seed)
    logits = generator.normal(0, 1.5, (n, 3))
    breast = generator.random(n) < expit(logits[:, 0])
    nodes = generator.random(n) < expit(np.where(breast, logits[:, 1], logits[:, 2]))
    cells = np.where(breast, np.where(nodes, 0, 1), np.where(nodes, 2, 3))
    return logits, np.eye(4, dtype=bool)[cells]


def test_the_slope_of_the_breast_spreads_by_its_standard_error():
    logits, allowed = _patients(600)
    drawn = bootstrap_calibrators(ChainCalibration(), logits, allowed, draws=60)
    slopes = [calibrator.slopes[0] for calibrator in drawn]
    prob = expit(logits[:, 0])
    design = np.column_stack([logits[:, 0], np.ones(600)])
    error = np.sqrt(np.linalg.inv((design.T * (prob * (1 - prob))) @ design)[0, 0])
    assert np.std(slopes) == pytest.approx(error, rel=0.4)
    assert np.mean(slopes) == pytest.approx(1.0, abs=4 * error)


def test_the_draws_depend_on_the_seed_alone():
    logits, allowed = _patients(40)
    first, second = (
        bootstrap_calibrators(ChainCalibration(), logits, allowed, draws=3) for _ in range(2)
    )
    assert first == second


def test_where_nothing_is_fitted_nothing_is_drawn():
    assert bootstrap_calibrators(NoCalibration(), *_patients(40), draws=3) == ()


def test_draws_without_a_known_outcome_are_left_out():
    logits, allowed = _patients(6)
    allowed[1:] = True
    drawn = bootstrap_calibrators(ChainCalibration(), logits, allowed, draws=30)
    assert 0 < len(drawn) < 30

"""Slopes of the log-odds: exact for the breast, whose calibrated logit is linear."""

import numpy as np
import pytest

from pcrnet.decision.calibrators import ChainCalibrator, IdentityCalibrator
from pcrnet.explain.target import log_odds, slopes

LOGITS = np.array([0.3, -0.8, 1.1])


def test_the_breasts_log_odds_are_its_calibrated_logit():
    calibrator = ChainCalibrator((0.6, 1.0, 1.0), (0.2, 0.0, 0.0))
    assert log_odds(calibrator, LOGITS[None], "yT0")[0] == pytest.approx(0.6 * 0.3 + 0.2)
    assert slopes(calibrator, LOGITS, "yT0") == pytest.approx([0.6, 0.0, 0.0], abs=1e-7)


def test_the_joint_rises_with_both_of_its_factors():
    found = slopes(IdentityCalibrator(), LOGITS, "yT0yN0")
    assert found[0] > 0
    assert found[1] > 0
    assert found[2] == pytest.approx(0.0, abs=1e-7)


def test_a_certain_probability_has_finite_log_odds():
    assert np.isfinite(log_odds(IdentityCalibrator(), 1000 * np.ones((1, 3)), "yT0")).all()

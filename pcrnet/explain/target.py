"""What maps explain: the log-odds of one calibrated probability."""

from __future__ import annotations

import numpy as np
from scipy.special import logit

from pcrnet.cohort.outcome import Head
from pcrnet.decision.calibrators import Calibrator, head_probabilities
from pcrnet.models.rivals.ridge import FloatArray

_STEP = 1e-4
_LEAST_PROB = 1e-9


def log_odds(calibrator: Calibrator, logits: FloatArray, head: Head) -> FloatArray:
    """Log-odds (n,) of a head's calibrated probability from logits (n, 3)."""
    prob = head_probabilities(calibrator.cells(logits))[head]
    return np.asarray(logit(np.clip(prob, _LEAST_PROB, 1.0 - _LEAST_PROB)))


def slopes(calibrator: Calibrator, logits: FloatArray, head: Head) -> FloatArray:
    """How much the log-odds of a head rise with each logit (3,), at one patient's logits (3,)."""
    ahead = log_odds(calibrator, logits + _STEP * np.eye(3), head)
    behind = log_odds(calibrator, logits - _STEP * np.eye(3), head)
    return np.asarray((ahead - behind) / (2 * _STEP))

"""How far a calibrator might have come out otherwise: the same fit on patients drawn anew."""

from __future__ import annotations

import numpy as np

from pcrnet.config.evaluation import CalibrationConfig, NoCalibration
from pcrnet.decision.calibrators import Calibrator, fit_calibrator
from pcrnet.errors import PredictionsError
from pcrnet.evaluation.statistics.array_types import BoolArray, FloatArray

DRAWS = 200


def bootstrap_calibrators(
    config: CalibrationConfig,
    logits: FloatArray,
    allowed: BoolArray,
    *,
    draws: int = DRAWS,
    seed: int = 0,
) -> tuple[Calibrator, ...]:
    """Calibrators fitted on as many patients drawn with replacement (Efron & Tibshirani 1993).

    A draw on which nothing can be fitted, such as one without a known outcome, is left out.

    Args:
        config: ``evaluation.calibration``.
        logits: (n, 3) that the calibrator itself was fitted on.
        allowed: (n, 4) cells that agree with each outcome.
        draws: How many.
        seed: Of the draws.
    """
    if isinstance(config, NoCalibration) or not len(logits):
        return ()
    generator = np.random.default_rng(seed)
    found = []
    for _ in range(draws):
        rows = generator.integers(len(logits), size=len(logits))
        try:
            found.append(fit_calibrator(config, logits[rows], allowed[rows]))
        except PredictionsError:
            continue
    return tuple(found)

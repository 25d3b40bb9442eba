"""Every calibrator within the graph agrees with numpy's, to the edge of the numbers."""

import numpy as np
import pytest
import torch

from pcrnet.decision.calibrators import (
    ChainCalibrator,
    IdentityCalibrator,
    IsotonicCalibrator,
    TemperatureCalibrator,
)
from pcrnet.decision.isotonic import MonotoneCurve
from pcrnet.deploy.export.decision.calibration import build_calibration

CURVE = MonotoneCurve((-1.5, -0.5, 0.25, 3.0), (0.02, 0.02, 0.6, 0.97))


@pytest.mark.parametrize(
    "calibrator",
    [
        IdentityCalibrator(),
        ChainCalibrator((0.0, 1.3, 0.4), (-0.3, 0.2, 4.0)),
        TemperatureCalibrator(1.4, (0.3, 0.0, -0.2, -0.1)),
        IsotonicCalibrator((CURVE, MonotoneCurve((0.0,), (0.3,)), CURVE)),
    ],
    ids=lambda each: type(each).__name__,
)
def test_it_is_the_calibrator_of_the_bundle(calibrator):
    generator = np.random.default_rng(0)
    logits = np.concatenate(
        [generator.normal(0, 2, (200, 3)), np.full((1, 3), 700.0), np.full((1, 3), -700.0)]
    )
    found = build_calibration(calibrator.to_dict())(torch.from_numpy(logits)).numpy()
    np.testing.assert_allclose(found, calibrator.cells(logits), rtol=0, atol=1e-12)

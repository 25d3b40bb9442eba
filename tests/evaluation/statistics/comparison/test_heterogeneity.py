from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit, logit

from pcrnet.evaluation.statistics.comparison.heterogeneity import heterogeneity
from pcrnet.evaluation.statistics.intervals import Estimate


def site(effect: float, error: float) -> Estimate:
    low, high = (float(expit(effect + side * 1.959963985 * error)) for side in (-1, 1))
    return Estimate(float(expit(effect)), low, high, 50, "DeLong")


def test_it_is_dersimonian_and_laird_of_the_logits():
    # By hand: weights 4, 4, 1; mean 6/9; Q = 5; C = 9 − 33/9.
    effects, errors = [0.0, 1.0, 2.0], [0.5, 0.5, 1.0]
    found = heterogeneity([site(e, s) for e, s in zip(effects, errors, strict=True)])
    assert found is not None
    weight = np.array([4.0, 4.0, 1.0])
    mean = weight @ effects / 9
    q = weight @ (np.array(effects) - mean) ** 2
    between = max((q - 2) / (9 - 33 / 9), 0.0)
    assert found.tau == pytest.approx(np.sqrt(between), rel=1e-6)
    assert found.i_squared == pytest.approx((q - 2) / q, rel=1e-6)
    again = 1 / (1 / weight + between)
    assert logit(found.mean.value) == pytest.approx(again @ effects / again.sum(), rel=1e-6)
    assert found.low < found.mean.low < found.mean.high < found.high


def test_sites_that_agree_have_no_heterogeneity_and_two_are_too_few():
    alike = heterogeneity([site(1.0, 0.3)] * 4 + [Estimate(1.0, 0.8, 1.0, 9, "exact")])
    assert alike is not None
    assert (alike.sites, alike.tau, alike.i_squared) == (4, 0.0, 0.0)
    assert heterogeneity([site(1.0, 0.3)] * 2) is None

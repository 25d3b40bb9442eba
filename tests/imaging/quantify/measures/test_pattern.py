"""How a signal is spread: ratios and variations by hand, one declaration for all signals."""

import numpy as np
import pytest

from pcrnet.imaging.quantify import signal
from pcrnet.imaging.quantify.measures import enhancement, uptake
from pcrnet.imaging.quantify.measures.pattern import (
    VARIATION,
    pattern,
    quantities_of,
    ratio_ln,
    variation_ln,
)


@pytest.fixture(scope="module")
def place(phantom):
    return phantom.place(12.0)


def _ball(place, lesion=6.0, near=1.0):
    return np.where(place.bed, lesion, near).astype(float)


def test_a_ratio_without_a_reference_is_unknown():
    assert ratio_ln(3.0, 1.5) == pytest.approx(np.log(2.05))
    assert np.isnan(ratio_ln(3.0, 0.0))
    assert np.isnan(ratio_ln(3.0, float("nan")))
    assert np.isfinite(ratio_ln(-1.0, 1.0))


def test_a_hollow_lesion_has_a_rim(place):
    even = _ball(place)
    hollow = np.where(place.depth_rank > 0.7, 2.0, even)
    assert pattern(even, place)["rim_to_core_ln"] == pytest.approx(np.log(1.05))
    assert pattern(hollow, place)["rim_to_core_ln"] > 0.3
    assert pattern(hollow, place)["cv_ln"] > pattern(even, place)["cv_ln"]


def test_neither_knows_the_gain_of_the_scanner(place):
    values = _ball(place) * np.random.default_rng(1).uniform(0.5, 1.5, place.bed.shape)
    assert pattern(3.0 * values, place) == pytest.approx(pattern(values, place))


def test_the_variation_is_that_of_numpy_and_unknown_without_a_mean():
    values = np.array([1.0, 2.0, 3.0, 6.0])
    assert variation_ln(values) == pytest.approx(np.log(values.std() / values.mean() + 0.02))
    assert np.isnan(variation_ln(np.array([-1.0, 1.0])))
    assert np.isnan(variation_ln(np.array([])))


def test_what_is_declared_is_what_is_measured_wherever_it_is_declared(place):
    assert {each.name for each in quantities_of("uptake")} == set(pattern(_ball(place), place))
    for module in (uptake, enhancement, signal):
        assert VARIATION in module.QUANTITIES
    assert set(quantities_of("uptake")) < set(uptake.QUANTITIES)

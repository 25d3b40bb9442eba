"""Signal without a unit: only ratios within the scan count."""

import numpy as np
import pytest

from pcrnet.imaging.quantify.quantity import ln
from pcrnet.imaging.quantify.sampled import Sampled
from pcrnet.imaging.quantify.signal import QUANTITIES, measure_signal


@pytest.fixture(scope="module")
def place(phantom):
    return phantom.place(12.0)


def _scan(place, lesion, near):
    values = np.where(place.lesion, lesion, near)
    everywhere = np.ones(values.shape, bool)
    return Sampled(values.astype(float), everywhere, everywhere)


def test_the_scanners_gain_cancels(place):
    found = measure_signal(_scan(place, 300.0, 200.0), place)
    again = measure_signal(_scan(place, 900.0, 600.0), place)
    assert set(found) == {quantity.name for quantity in QUANTITIES}
    assert again == pytest.approx(found)
    assert found["lesion_to_near_ln"] == pytest.approx(np.log(1.5 + 0.05))


def test_the_spread_is_over_the_mean(place):
    scan = _scan(place, 300.0, 200.0)
    rows = np.indices(scan.values.shape)[0] % 2
    scan.values[place.lesion] += 60.0 * (2 * rows[place.lesion] - 1)
    inside = scan.values[place.lesion]
    expected = ln(float(inside.std() / inside.mean()), 0.02)
    assert measure_signal(scan, place)["cv_ln"] == pytest.approx(expected)


def test_a_lesion_that_the_scan_does_not_cover_is_not_measured(place):
    scan = _scan(place, 300.0, 200.0)
    hidden = Sampled(scan.values, ~place.lesion, scan.tissue)
    assert all(np.isnan(value) for value in measure_signal(hidden, place).values())

"""Uptake and diffusion in the same voxels."""

import numpy as np
import pytest

from pcrnet.imaging.quantify.excess import Excess
from pcrnet.imaging.quantify.measures.joint import (
    QUANTITIES,
    correlation,
    measure_joint,
    measure_solid,
)
from pcrnet.imaging.quantify.sampled import Sampled


@pytest.fixture(scope="module")
def place(phantom):
    return phantom.place(12.0)


def _measure(place, uptake, adc):
    everywhere = np.ones(adc.shape, bool)
    return measure_joint(Excess(uptake, 1.0, 4.0, 1.0), Sampled(adc, everywhere, everywhere), place)


def test_correlation_is_pearsons():
    first, second = np.random.default_rng(0).normal(size=(2, 50))
    assert correlation(first, second) == pytest.approx(np.corrcoef(first, second)[0, 1])
    assert correlation(first, np.ones(50)) == 0.0


def test_the_slope_of_two_ramps_decides_the_sign(place):
    x = place.points_mm[0] / 30.0
    for sign in (1, -1):
        found = _measure(place, 3.0 + x, 1.2 + 0.3 * sign * x)
        assert found["correlation_r"] == pytest.approx(sign, abs=0.02)


def test_hot_and_dense_is_the_share_of_the_bed_that_is_both(place):
    left = place.points_mm[0] < 0
    found = _measure(place, np.full(left.shape, 5.0), np.where(left, 0.8, 1.8))
    share = (left & place.bed).sum() / place.bed.sum()
    assert found["hot_dense_fraction"] == pytest.approx(share, abs=0.08)
    cold = _measure(place, np.full(left.shape, 1.0), np.where(left, 0.8, 1.8))
    assert cold["hot_dense_fraction"] == 0.0
    assert np.isnan(cold["weighted_adc_1e3_mm2_s"])


def test_the_weighted_adc_is_that_of_where_the_uptake_is(place):
    left = place.points_mm[0] < 0
    far_left = place.points_mm[0] < -6.0  # away from the blur between the halves
    found = _measure(place, np.where(far_left, 5.0, 1.0), np.where(left, 0.8, 1.8))
    assert found["weighted_adc_1e3_mm2_s"] == pytest.approx(0.8, abs=0.05)


def test_without_adc_nothing_is_said(place):
    found = _measure(place, np.full(place.bed.shape, 5.0), np.zeros(place.bed.shape))
    assert list(found) == [quantity.name for quantity in QUANTITIES]
    assert all(np.isnan(value) for value in found.values())


def test_the_solid_adc_rises_with_the_tumour_where_fat_took_the_place_of_the_rest(place):
    """A tumour of ADC 0.9 shrinks to the left half, whose ADC rises to 1.2; the right turns fat."""
    left = place.points_mm[0] < 0
    everywhere = np.ones(left.shape, bool)

    def solid(uptake, adc):
        field, scan = Excess(uptake, 1.0, 4.0, 1.0), Sampled(adc, everywhere, everywhere)
        return measure_solid(field, scan, place)["solid_adc_1e3_mm2_s"]

    before = solid(np.full(left.shape, 5.0), np.full(left.shape, 0.9))
    after = solid(np.where(left, 5.0, 1.0), np.where(left, 1.2, 0.25))
    assert (before, after) == (pytest.approx(0.9), pytest.approx(1.2))


def test_without_solid_tissue_there_is_no_adc_of_it(place):
    cold = Excess(np.full(place.bed.shape, 1.0), 1.0, 4.0, 1.0)
    everywhere = np.ones(place.bed.shape, bool)
    found = measure_solid(cold, Sampled(np.ones(place.bed.shape), everywhere, everywhere), place)
    assert np.isnan(found["solid_adc_1e3_mm2_s"])

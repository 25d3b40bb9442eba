"""Percent enhancement in its own background; SER as published."""

import numpy as np
import pytest

from pcrnet.imaging.quantify.measures import enhancement
from pcrnet.imaging.quantify.sampled import Sampled


@pytest.fixture(scope="module")
def place(phantom):
    return phantom.place(12.0)


def _scan(values):
    everywhere = np.ones(values.shape, bool)
    return Sampled(values, everywhere, everywhere)


def _phases(place, early_pe, late_pe, gain=1.0):
    """Before contrast, early and late, with that enhancement in the bed and 0.1 around it."""
    pre = np.full(place.lesion.shape, 200.0)
    early, late = (np.where(place.bed, 1.0 + pe, 1.1) * pre for pe in (early_pe, late_pe))
    return [_scan(gain * values) for values in (pre, early, late)]


def _measure(place, *phases):
    pre, early, late = phases
    pe = enhancement.enhancement(pre, early, place)
    excess = enhancement.enhancement_excess(pe, place)
    washout = enhancement.measure_washout(excess, enhancement.enhancement(pre, late, place), place)
    return enhancement.measure_enhancement(excess, place) | washout


def test_pe_is_the_rise_over_the_signal_before_contrast(place):
    found = _measure(place, *_phases(place, 1.4, 1.0))
    assert found["pe_fraction"] == pytest.approx(1.4)


def test_ser_is_early_over_late_enhancement(place):
    assert _measure(place, *_phases(place, 1.4, 1.0))["ser_ratio"] == pytest.approx(1.4)
    assert _measure(place, *_phases(place, 0.9, 0.9))["ser_ratio"] == pytest.approx(1.0)


def test_the_volume_that_enhances_is_that_of_the_bed_or_nothing(place):
    volume = place.bed.sum() * place.voxel_ml
    assert _measure(place, *_phases(place, 1.4, 1.0))["ftv_ml"] == pytest.approx(volume)
    assert _measure(place, *_phases(place, 0.3, 0.3))["ftv_ml"] == 0.0


def test_the_scanners_gain_cancels(place):
    one, other = (_measure(place, *_phases(place, 1.4, 1.0, gain)) for gain in (1.0, 7.0))
    assert other == pytest.approx(one, nan_ok=True)


def test_what_only_one_phase_covers_does_not_enhance(place):
    pre, early, _ = _phases(place, 1.4, 1.0)
    half = place.points_mm[0] > 0
    pe = enhancement.enhancement(Sampled(pre.values, half, pre.tissue), early, place)
    assert not pe.values[~half].any()
    np.testing.assert_array_equal(pe.covered, half)


def test_air_before_contrast_does_not_divide_by_nothing(place):
    pre, early, _ = _phases(place, 1.4, 1.0)
    pre.values[place.lesion] = 0.0
    pe = enhancement.enhancement(pre, early, place)
    assert np.isfinite(pe.values).all()
    assert pe.values.max() <= 5.0

"""Uptake in the patient's own background."""

import numpy as np
import pytest

from pcrnet.imaging.quantify.measures.uptake import (
    measure_uptake,
    peak,
    uptake_excess,
)
from pcrnet.imaging.quantify.sampled import Sampled


@pytest.fixture(scope="module")
def place(phantom):
    return phantom.place(12.0)


def _measure(place, values, far=1.0):
    everywhere = np.ones(values.shape, bool)
    return measure_uptake(uptake_excess(Sampled(values, everywhere, everywhere), place), place, far)


def _ball(place, lesion=6.0, near=1.0):
    return np.where(place.bed, lesion, near).astype(float)


def test_an_even_lesion_has_one_suv_and_the_volume_of_its_bed(place):
    found = _measure(place, _ball(place))
    assert found["suvmax_suv"] == 6.0
    assert found["suvpeak_suv"] == pytest.approx(6.0)
    assert found["mtv_ml"] == pytest.approx(place.bed.sum() * place.voxel_ml)
    assert found["suvmean_ln_suv"] == pytest.approx(np.log(6.0), abs=0.05)


def test_the_peak_is_a_mean_over_a_millilitre_and_not_one_hot_voxel(place):
    values = _ball(place)
    values[tuple(n // 2 for n in values.shape)] = 60.0
    one_voxel_more = 54.0 * place.voxel_ml
    assert peak(values, place) == pytest.approx(6.0 + one_voxel_more, rel=0.25)
    assert _measure(place, values)["suvmax_suv"] == 60.0


def test_what_is_over_near_tissue_does_not_know_the_calibration_of_the_scanner(place):
    one, other = (_measure(place, gain * _ball(place), far=gain) for gain in (1.0, 1.3))
    for name in ("peak_to_near_ln", "mean_to_near_ln", "peak_to_far_ln", "mtv_ml", "cv_ln"):
        assert other[name] == pytest.approx(one[name]), name
    assert other["suvpeak_suv"] == pytest.approx(1.3 * one["suvpeak_suv"])


def test_without_a_far_body_only_what_needs_it_is_missing(place):
    one, other = (_measure(place, _ball(place), far) for far in (1.0, float("nan")))
    assert {n for n in one if np.isnan(other[n]) and not np.isnan(one[n])} == {"peak_to_far_ln"}

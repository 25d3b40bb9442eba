"""ADC over the voxels of the lesion that have one."""

import numpy as np
import pytest

from pcrnet.imaging.quantify.measures.adc import QUANTITIES, measure_adc
from pcrnet.imaging.quantify.sampled import Sampled


@pytest.fixture(scope="module")
def place(phantom):
    return phantom.place(12.0)


def _scan(values):
    everywhere = np.ones(values.shape, bool)
    return Sampled(values, everywhere, everywhere)


def test_the_numbers_are_numpys_over_the_lesion(place):
    values = np.random.default_rng(1).uniform(0.5, 2.0, place.lesion.shape)
    inside = values[place.lesion]
    found = measure_adc(_scan(values), place)
    assert list(found) == [quantity.name for quantity in QUANTITIES]
    assert found["mean_1e3_mm2_s"] == pytest.approx(inside.mean())
    assert found["p50_1e3_mm2_s"] == pytest.approx(np.median(inside))
    p10, p90 = np.percentile(inside, (10, 90))
    assert found["p10_1e3_mm2_s"] == pytest.approx(p10)
    assert found["spread_1e3_mm2_s"] == pytest.approx(p90 - p10)


def test_voxels_without_a_fit_do_not_count(place):
    values = np.full(place.lesion.shape, 1.1)
    values[np.indices(values.shape).sum(axis=0) % 2 == 0] = 0.0
    assert measure_adc(_scan(values), place)["mean_1e3_mm2_s"] == pytest.approx(1.1)


def test_a_lesion_without_any_fit_is_not_measured(place):
    found = measure_adc(_scan(np.zeros(place.lesion.shape)), place)
    assert all(np.isnan(value) for value in found.values())

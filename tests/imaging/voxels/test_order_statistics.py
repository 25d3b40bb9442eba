"""Percentiles and medians are numpy's to the last bit, whatever is asked of whatever values."""

import numpy as np
import pytest

from pcrnet.imaging.voxels.order_statistics import Ranked, evenly_full

_RNG = np.random.default_rng(0)
_VALUES = {
    "even": _RNG.random(90_001, dtype=np.float32),
    "half air": np.maximum(_RNG.normal(size=(60, 50, 40)), 0.0).astype(np.float32),
    "whole numbers": np.rint(_RNG.gamma(1.0, 100.0, (40, 50, 30))).astype(np.float32),
    "one value": np.ones(50_000, np.float32),
    "few": _RNG.random((3, 5, 2), dtype=np.float32),
    "two": np.array([2.0, 1.0], np.float32),
    "in order": np.sort(_RNG.random(60_000, dtype=np.float32)),
    "air of one value": np.repeat(np.array([0.01, 0.7, 0.9], np.float32), 30_000),
}


@pytest.mark.parametrize("name", _VALUES)
@pytest.mark.parametrize("above", [None, 0.5])
def test_percentiles_and_median_are_numpys(name, above):
    values = _VALUES[name]
    counted = values if above is None else values[values > above]
    ranked = Ranked(values, above)
    assert ranked.size == counted.size
    for percent in (0, 1, 10, 37.5, 50, 90, 99, 99.9, 100):
        assert ranked.percentile(percent) == float(np.percentile(counted, percent))
    assert ranked.median() == float(np.median(counted))


def test_a_subsample_that_misleads_costs_time_and_no_digit():
    # Every twentieth value, which is what is looked at first, is far above all others.
    values = np.zeros(80_000, np.float32) + np.arange(80_000, dtype=np.float32)
    values[::20] += 1e6
    assert Ranked(values).percentile(50) == float(np.percentile(values, 50))


def test_values_in_any_layout_are_the_same_values():
    values = _RNG.random((40, 50, 60), dtype=np.float32)
    expected = float(np.percentile(values, 73))
    for view in (values.T, np.flip(values, 1), np.asfortranarray(values)):
        assert Ranked(view).percentile(73) == expected


@pytest.mark.parametrize("name", _VALUES)
@pytest.mark.parametrize("bins", [2, 7, 16])
def test_edges_of_equally_full_bins_are_numpys(name, bins):
    values = _VALUES[name].ravel()
    expected = np.quantile(values, np.linspace(0.0, 1.0, bins + 1)[1:-1])
    np.testing.assert_array_equal(evenly_full(values, bins), expected)


def test_what_was_found_once_is_found_again():
    ranked = Ranked(_VALUES["whole numbers"], 50.0)
    first = ranked.percentile(50), ranked.median(), ranked.percentile(99)
    assert (ranked.percentile(50), ranked.median(), ranked.percentile(99)) == first

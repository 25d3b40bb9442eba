"""A scan on the grids of the first visit."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from pcrnet.imaging.quantify.sampled import Sampled, covers, near_level, sample, smoothed
from pcrnet.imaging.volume import Volume


@pytest.fixture(scope="module")
def place(phantom):
    return phantom.place(12.0)


def _ramp(phantom, extent_mm=160.0):
    """100 plus the position along x in millimetres."""
    grid = phantom.grid(4.0, extent_mm)
    x = grid.affine[0, 0] * np.arange(grid.shape[0]) + grid.affine[0, 3]
    values = np.broadcast_to(100.0 + x[:, None, None], grid.shape)
    return Volume(values.astype(np.float32), grid.affine, "arbitrary")


def test_a_shift_between_the_visits_is_undone(phantom, place):
    to_visit = np.eye(4)
    to_visit[0, 3] = 7.0  # what lies at x in the first visit lies at x + 7 in this one
    here, there = (sample(_ramp(phantom), place.grid, t) for t in (np.eye(4), to_visit))
    np.testing.assert_allclose(there.values - here.values, 7.0, atol=1e-3)
    np.testing.assert_allclose(here.values, 100.0 + place.points_mm[0], atol=1e-3)


def test_a_scan_that_shows_less_than_half_of_the_bed_does_not_cover_it(phantom, place):
    scan = sample(_ramp(phantom), place.grid, np.eye(4))
    assert covers(scan, place)
    half = Sampled(scan.values, place.points_mm[0] > 1.0, scan.tissue)
    assert not covers(half, place)
    assert covers(Sampled(scan.values, place.points_mm[0] > -6.0, scan.tissue), place)


def test_near_tissue_is_the_median_of_the_shell_and_unknown_where_it_shows_none(phantom, place):
    scan = sample(_ramp(phantom), place.grid, np.eye(4))
    assert near_level(scan, place) == pytest.approx(100.0, abs=0.5)
    nothing = Sampled(scan.values, scan.covered, np.zeros_like(scan.tissue))
    assert np.isnan(near_level(nothing, place))


def test_blurring_keeps_the_sum_and_spreads_by_its_sigma(place):
    values = np.zeros(place.grid.shape)
    middle = tuple(n // 2 for n in values.shape)
    values[middle] = 1.0
    blurred = smoothed(values, place, 2 * place.spacing_mm)
    assert blurred.sum() == pytest.approx(1.0, abs=1e-3)
    x = (np.indices(values.shape)[0] - middle[0]) * place.spacing_mm
    assert float((blurred * x**2).sum()) == pytest.approx((2 * place.spacing_mm) ** 2, rel=0.05)


@pytest.mark.parametrize("sigma_mm", [0.7, 2.5, 6.0])
def test_within_the_bed_blurring_is_scipys_to_the_last_bit(place, sigma_mm):
    values = np.random.default_rng(0).normal(size=place.grid.shape)
    whole = gaussian_filter(values, sigma_mm / place.spacing_mm)
    found = smoothed(values, place, sigma_mm)
    np.testing.assert_array_equal(found[place.bed], whole[place.bed])

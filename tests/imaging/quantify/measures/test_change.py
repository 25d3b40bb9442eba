"""Voxel-wise change and residue of fields made to order."""

import numpy as np
import pytest

from pcrnet.imaging.quantify.excess import Excess
from pcrnet.imaging.quantify.measures import change


@pytest.fixture(scope="module")
def place(phantom):
    return phantom.place(20.0)


def _field(values, scale=1.0):
    return Excess(np.asarray(values, dtype=float), 0.0, 1.0, scale)


def test_nothing_changes_between_a_field_and_itself(place):
    first = _field(np.where(place.lesion, 1.0, 0.0))
    found = change.measure_voxelwise(first, first, place)
    for name in ("voxel_p10_ln", "voxel_p50_ln", "voxel_p90_ln", "voxel_spread_ln"):
        assert found[name] == pytest.approx(0.0, abs=1e-12)
    assert found["voxel_pattern_r"] == pytest.approx(1.0)
    assert change.measure_residue(first, first, place)["residue_ln_fraction"] == 0.0


def test_an_even_fall_has_no_spread_and_its_own_logarithm(place):
    first, later = (_field(np.full(place.bed.shape, level)) for level in (1.0, 0.3))
    found = change.measure_voxelwise(first, later, place)
    assert found["voxel_p50_ln"] == pytest.approx(np.log((0.3 + 0.1) / 1.1))
    assert found["voxel_spread_ln"] == pytest.approx(0.0, abs=1e-9)


def test_a_fall_from_the_rim_inwards_correlates_with_depth_and_leaves_a_compact_rest(place):
    first = _field(place.bed)
    core, rim = (
        _field(place.bed & (where(place.depth_rank, 0.7))) for where in (np.greater, np.less)
    )
    shrunk, hollow = (change.measure_voxelwise(first, f, place) for f in (core, rim))
    assert shrunk["voxel_depth_r"] > 0.6
    assert hollow["voxel_depth_r"] < -0.4
    compact, shell = (change.measure_residue(first, f, place) for f in (core, rim))
    assert compact["residue_depth_fraction"] > 0.8
    assert shell["residue_depth_fraction"] < 0.4
    assert compact["residue_gyration_ratio_ln"] < 0.05 < shell["residue_gyration_ratio_ln"]
    assert compact["residue_ln_fraction"] == pytest.approx(np.log(0.3), abs=0.05)


def test_scattered_islands_gyrate_more_than_one_of_their_volume(place):
    first = _field(place.bed)
    points = place.points_mm - place.centre_mm.reshape(3, 1, 1, 1)
    islands = np.zeros_like(place.bed)
    for at in ((14, 0, 0), (-14, 0, 0), (0, 14, 0), (0, -14, 0)):
        islands |= np.linalg.norm(points - np.reshape(at, (3, 1, 1, 1)), axis=0) <= 5.0
    radius = 5.0 * 4 ** (1 / 3)
    one = np.linalg.norm(points, axis=0) <= radius
    scattered, whole = (change.measure_residue(first, _field(x), place) for x in (islands, one))
    name = "residue_gyration_ratio_ln"
    assert scattered[name] - whole[name] > 0.5
    assert scattered["residue_largest_fraction"] == pytest.approx(0.25, abs=0.02)
    assert scattered["residue_components_ln"] == pytest.approx(np.log(4))


def test_difference_of_adc_counts_only_where_both_maps_hold_a_fit(place):
    first = np.full(place.bed.shape, 0.9)
    later = np.full(place.bed.shape, 1.4)
    found = change.measure_voxelwise_difference(first, later, place)
    assert found["voxel_p50_1e3_mm2_s"] == pytest.approx(0.5)
    nothing = change.measure_voxelwise_difference(first, 0.0 * later, place)
    assert np.isnan(nothing["voxel_p50_1e3_mm2_s"])

"""Hot spots of nodal size, and what becomes of them."""

import dataclasses

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from pcrnet.imaging.grid import Grid
from pcrnet.imaging.quantify import nodes
from pcrnet.imaging.quantify.place import REGION_MM, Region, voxel_centres_mm
from pcrnet.imaging.quantify.sampled import Sampled

_HEART_MM = (-40.0, -50.0, 20.0)
_NODE_MM, _OTHER_MM = (60.0, -40.0, 60.0), (20.0, -40.0, 76.0)


@pytest.fixture(scope="module")
def region():
    grid = Grid.centred(np.zeros(3), (REGION_MM,) * 3, (50, 50, 50))
    apart = np.linalg.norm(voxel_centres_mm(grid), axis=0)
    return Region(grid, np.maximum(apart - 15.0, 0.0).astype(np.float32))


def _spots(region, blobs, gain=1.0):
    """Spots of a blurred body of SUV 1 with noise; a blob is its centre, radius and height.

    With a fourth number it is a shell of that thickness.
    """
    values = np.ones(region.grid.shape)
    for centre, radius_mm, height, *thickness_mm in blobs:
        apart = np.linalg.norm(region.points_mm - np.reshape(centre, (3, 1, 1, 1)), axis=0)
        hollow_mm = radius_mm - thickness_mm[0] if thickness_mm else -1.0
        values = values + height * ((apart <= radius_mm) & (apart > hollow_mm))
    noise = 0.03 * np.random.default_rng(5).normal(size=values.shape)
    values = gaussian_filter(values, 0.7) + noise
    everywhere = np.ones(region.grid.shape, dtype=bool)
    return nodes.find_spots(Sampled(gain * values, everywhere, everywhere), region)


def test_a_node_is_found_where_it_lies_and_as_high_as_it_stands_out(region):
    spots = _spots(region, [(_NODE_MM, 8.0, 4.0)])
    found = region.points_mm[:, *spots.peaks[0]]
    assert np.linalg.norm(found - np.array(_NODE_MM)) < 6.0
    strongest = np.exp(nodes.measure_spots(spots)["node_strongest_ln"]) - 0.3
    assert strongest == pytest.approx(4.0, rel=0.3)


def test_heights_are_in_units_of_the_body_so_that_gain_cancels(region):
    blobs = [(_NODE_MM, 8.0, 4.0)]
    found, loud = (nodes.measure_spots(_spots(region, blobs, gain)) for gain in (1.0, 2.5))
    assert loud == pytest.approx(found)


@pytest.mark.parametrize(
    "blob",
    [
        (_NODE_MM, 40.0, 2.0),  # an organ
        (_HEART_MM, 28.0, 4.0, 10.0),  # the wall of a heart
        ((60.0, -60.0, -104.0), 40.0, 3.0),  # the dome of a liver below the field
        ((-30.0, 80.0, 0.0), 8.0, 4.0),  # in front of the breast
        ((0.0, 0.0, -80.0), 8.0, 4.0),  # far below
        ((15.0, 0.0, 0.0), 8.0, 4.0),  # the lesion itself
    ],
)
def test_organs_the_lesion_and_what_lies_elsewhere_are_no_nodes(region, blob):
    spots = _spots(region, [blob])
    assert not spots.peaks
    assert np.exp(nodes.measure_spots(spots)["node_strongest_ln"]) - 0.3 < 0.6


def test_a_node_beside_a_heart_that_is_hotter_is_the_spot_that_counts(region):
    node, heart = (_NODE_MM, 8.0, 4.0), (_HEART_MM, 28.0, 8.0, 10.0)
    alone, beside = (_spots(region, blobs) for blobs in ([node], [node, heart]))
    assert beside.peaks == alone.peaks
    assert nodes.measure_spots(beside) == pytest.approx(nodes.measure_spots(alone), abs=0.1)


@pytest.mark.parametrize("count", [2, 3])
def test_nodes_that_touch_are_still_nodes(region, count):
    steps = (np.array([18.0 * k, 0.0, 0.0]) for k in range(count))
    matted = _spots(region, [(tuple(np.array(_NODE_MM) - step), 9.0, 4.0) for step in steps])
    assert np.exp(nodes.measure_spots(matted)["node_strongest_ln"]) - 0.3 > 2.5


def test_a_wide_foot_takes_no_node_away_that_rises_high_above_it(region):
    muscle = (tuple(np.array(_NODE_MM) - [35.0, 0.0, 0.0]), 40.0, 2.0, 10.0)
    spots = _spots(region, [(_NODE_MM, 8.0, 8.0), muscle])
    found = region.points_mm[:, *spots.peaks[0]]
    assert np.linalg.norm(found - np.array(_NODE_MM)) < 6.0


def test_only_the_half_of_the_body_with_the_lesion_counts_where_both_are_seen():
    grid = Grid.centred(np.array([-70.0, 0.0, 0.0]), (REGION_MM,) * 3, (76, 40, 40))
    apart = np.linalg.norm(voxel_centres_mm(grid), axis=0)
    region = Region(grid, np.maximum(apart - 15.0, 0.0).astype(np.float32))
    other_side = nodes.measure_spots(_spots(region, [((-150.0, -40.0, 40.0), 8.0, 4.0)]))
    same_side = nodes.measure_spots(_spots(region, [((40.0, -40.0, 40.0), 8.0, 4.0)]))
    assert other_side["node_strongest_ln"] < 0.0 < same_side["node_strongest_ln"]


def test_a_node_is_tracked_to_where_it_was_and_not_to_another(region):
    first = _spots(region, [(_NODE_MM, 8.0, 4.0)])
    moved = tuple(np.array(_NODE_MM) + 5.0)
    same = nodes.track_spots(first, _spots(region, [(moved, 8.0, 4.0)]))
    gone = nodes.track_spots(first, _spots(region, [(_OTHER_MM, 8.0, 4.0)]))
    assert same["node_tracked_ln_ratio"] == pytest.approx(0.0, abs=0.2)
    assert gone["node_tracked_ln_ratio"] < -1.5


def test_without_a_node_at_first_nothing_changes(region):
    nothing = _spots(region, [])
    nothing = dataclasses.replace(nothing, height=nothing.height * 0.0)
    assert nodes.track_spots(nothing, _spots(region, [(_NODE_MM, 8.0, 4.0)])) == {
        "node_tracked_ln_ratio": 0.0
    }


def test_a_node_that_the_later_scan_does_not_reach_is_not_taken_for_gone(region):
    first = later = _spots(region, [(_NODE_MM, 8.0, 4.0)])
    beyond = dataclasses.replace(later, covered=later.covered & (region.points_mm[2] < 30.0))
    assert np.isnan(nodes.track_spots(first, beyond)["node_tracked_ln_ratio"])

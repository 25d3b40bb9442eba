"""Hot spots of nodal size, and what becomes of them."""

import dataclasses

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from pcrnet.imaging.grid import Grid
from pcrnet.imaging.quantify import nodes
from pcrnet.imaging.quantify.place import REGION_MM, Region, voxel_centres_mm
from pcrnet.imaging.quantify.sampled import Sampled

_NODE_MM, _OTHER_MM = (60.0, -40.0, 60.0), (20.0, -40.0, 76.0)


@pytest.fixture(scope="module")
def region():
    grid = Grid.centred(np.zeros(3), (REGION_MM,) * 3, (50, 50, 50))
    apart = np.linalg.norm(voxel_centres_mm(grid), axis=0)
    return Region(grid, np.maximum(apart - 15.0, 0.0).astype(np.float32))


def _spots(region, blobs, gain=1.0):
    """Spots of a blurred body of SUV 1 with noise; a blob is its centre, radius and height."""
    values = np.ones(region.grid.shape)
    for centre, radius_mm, height in blobs:
        apart = np.linalg.norm(region.points_mm - np.reshape(centre, (3, 1, 1, 1)), axis=0)
        values = values + height * (apart <= radius_mm)
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
        ((-30.0, 80.0, 0.0), 8.0, 4.0),  # in front of the breast
        ((0.0, 0.0, -80.0), 8.0, 4.0),  # far below
        ((15.0, 0.0, 0.0), 8.0, 4.0),  # the lesion itself
    ],
)
def test_organs_the_lesion_and_what_lies_elsewhere_are_no_nodes(region, blob):
    found = nodes.measure_spots(_spots(region, [blob]))["node_strongest_ln"]
    assert np.exp(found) - 0.3 < 0.5


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

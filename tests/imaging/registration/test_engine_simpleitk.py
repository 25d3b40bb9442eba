from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import map_coordinates
from scipy.spatial.transform import Rotation

from pcrnet.imaging.grid import Grid
from pcrnet.imaging.registration.engine_simpleitk import _coarser, climb, itk_image
from pcrnet.imaging.registration.likeness import prepare_scan


def _grid() -> Grid:
    affine = np.eye(4)
    turn = Rotation.from_euler("xyz", (20, -35, 50), degrees=True).as_matrix()
    affine[:3, :3] = turn * [2.0, 1.5, 3.0]
    affine[:3, 3] = [-7.0, 12.0, 30.0]
    return Grid(affine, (6, 7, 8))


def test_an_image_lies_where_its_grid_says_in_millimetres():
    grid = _grid()
    array = np.random.default_rng(0).random(grid.shape).astype(np.float32)
    image = itk_image(array, grid)
    for index in ((0, 0, 0), (5, 6, 7), (1, 4, 2)):
        place = (grid.affine @ [*index, 1.0])[:3]
        np.testing.assert_allclose(image.TransformIndexToPhysicalPoint(index), place, atol=1e-9)
        assert image[index] == array[index]
    between = (2.3, 4.6, 1.9)
    place = (grid.affine @ [*between, 1.0])[:3]
    expected = map_coordinates(array, np.array(between)[:, None], order=1)[0]
    assert image.EvaluateAtPhysicalPoint(place.tolist()) == pytest.approx(expected, abs=1e-5)


def test_truth_values_become_zero_and_one():
    mask = np.zeros((6, 7, 8), bool)
    mask[1, 2, 3] = True
    image = itk_image(mask, _grid())
    assert image.GetPixelIDTypeAsString() == "8-bit unsigned integer"
    assert (image[1, 2, 3], image[3, 2, 1]) == (1, 0)


def test_a_coarse_copy_is_the_mean_of_the_voxels_and_lies_in_the_same_place(make_visit):
    scan = prepare_scan(make_visit()["t2"])
    fine, _ = _coarser(scan, scan.covered, 1)
    coarse, inside = _coarser(scan, scan.covered, 2)
    assert coarse.GetSpacing() == pytest.approx([2 * scan.spacing_mm] * 3)
    index = [n // 2 for n in coarse.GetSize()]
    place = coarse.TransformIndexToPhysicalPoint(index)
    steps = np.array(list(itertools.product((-0.5, 0.5), repeat=3))) * scan.spacing_mm
    around = [fine.EvaluateAtPhysicalPoint((place + step).tolist()) for step in steps]
    assert coarse[index] == pytest.approx(np.mean(around), rel=0.05)
    assert inside[index] == 1


def test_the_climb_ends_where_a_small_displacement_came_from(make_visit):
    scan = prepare_scan(make_visit()["t2"])
    true = np.eye(4)
    true[:3, :3] = Rotation.from_euler("xyz", (2, -1, 2), degrees=True).as_matrix()
    true[:3, 3] = [3.0, -2.0, 1.5]
    moved = replace(scan, grid=scan.grid.moved(true))
    found = climb(scan, moved, np.eye(4))
    corners = np.array(list(itertools.product((-50.0, 50.0), repeat=3)))
    apart = corners @ (found - true)[:3, :3].T + (found - true)[:3, 3]
    assert np.linalg.norm(apart, axis=1).max() < 1.0

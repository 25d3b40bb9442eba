from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import map_coordinates
from scipy.spatial.transform import Rotation

from pcrnet.imaging.grid import Grid
from pcrnet.imaging.registration.engine_simpleitk import itk_image


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

"""Maps lie on the grid of their scan, where the body was at that visit."""

import numpy as np
import pytest

from pcrnet.explain.native import near_on_crop, occlusion_to_native, to_native
from pcrnet.explain.occlusion import OcclusionMap
from pcrnet.imaging.grid import Grid
from pcrnet.imaging.registration.rigid import left_as_it_came


def _ball(grid, centre, radius):
    from pcrnet.imaging.quantify.place import voxel_centres_mm

    apart = np.linalg.norm(voxel_centres_mm(grid) - centre.reshape(3, 1, 1, 1), axis=0)
    return (apart < radius).astype(np.float32)


def _middle(volume):
    index = np.argwhere(volume.array > 0.5).mean(axis=0)
    return volume.affine[:3, :3] @ index + volume.affine[:3, 3]


@pytest.fixture
def grid(case):
    return Grid.centred(case.lesion_mm, (2.0,) * 3, (31, 31, 31))


def test_a_map_has_the_grid_of_its_scan_and_lies_where_it_was(case, grid):
    native = to_native(_ball(grid, case.lesion_mm, 12.0), grid, case.scans, "a", "pet")
    scan = case.scans.volumes["a"]["pet"]
    assert native.array.shape == scan.array.shape
    np.testing.assert_array_equal(native.affine, scan.affine)
    assert _middle(native) == pytest.approx(case.lesion_mm, abs=0.5)
    volume_ml = (native.array > 0.5).sum() * np.prod(scan.spacing_mm) / 1000
    assert volume_ml == pytest.approx(4 / 3 * np.pi * 1.2**3, rel=0.1)


def test_a_later_visit_that_was_moved_has_its_map_moved(case, grid):
    moved = np.eye(4)
    moved[:3, 3] = [6.0, -9.0, 3.0]
    alignment = case.replace(left_as_it_came("test"), transform=moved)
    scans = case.replace(case.scans, alignments={"b": alignment})
    native = to_native(_ball(grid, case.lesion_mm, 12.0), grid, scans, "b", "pet")
    assert _middle(native) == pytest.approx(case.lesion_mm + moved[:3, 3], abs=0.5)


def test_hot_spots_beyond_the_grid_are_drawn_too(case, grid):
    spot = np.array([45.0, -30.0, 45.0])
    found = OcclusionMap(
        "a", "pet", np.zeros(grid.shape, np.float32), ((spot - 6, spot + 6, 0.8),), grid
    )
    native = occlusion_to_native(found, case.scans)
    assert native.array.max() == pytest.approx(0.8)
    assert _middle(native) == pytest.approx(spot, abs=2.0)


def test_near_tissue_is_a_shell(grid, case):
    near = near_on_crop(grid, case.lesion_mm, 5.0)
    assert not near[15, 15, 15]
    assert near[15 + 8, 15, 15]

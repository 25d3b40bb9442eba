"""Where lesion, bed, shells and body lie."""

import numpy as np
import pytest
from scipy.ndimage import distance_transform_edt

from pcrnet.imaging.quantify.place import lay_region, place_mask
from pcrnet.imaging.volume import Volume


def _ball_ml(radius_mm):
    return 4.0 / 3.0 * np.pi * radius_mm**3 / 1000.0


def test_lesion_bed_and_shell_of_a_ball_have_their_volumes(phantom):
    place = phantom.place(15.0)
    assert place.lesion.sum() * place.voxel_ml == pytest.approx(_ball_ml(15.0), rel=0.02)
    assert place.bed.sum() * place.voxel_ml == pytest.approx(_ball_ml(19.0), rel=0.06)
    expected = _ball_ml(35.0) - _ball_ml(21.0)
    assert place.near.sum() * place.voxel_ml == pytest.approx(expected, rel=0.08)
    assert not (place.near & place.bed).any()


def test_the_middle_of_the_bed_is_as_deep_as_its_radius(phantom):
    place = phantom.place(15.0)
    assert place.depth_mm.max() == pytest.approx(place.bed_radius_mm, abs=place.spacing_mm)
    assert place.bed_radius_mm == pytest.approx(19.0, abs=0.5)
    assert place.centre_mm == pytest.approx(np.zeros(3), abs=0.1)


def test_a_lesion_smaller_than_a_voxel_is_measured_and_a_huge_one_on_a_coarser_grid(phantom):
    dot = Volume(np.ones((1, 1, 1), dtype=np.float32), np.eye(4), "label")
    assert place_mask(dot).lesion.any()
    huge = phantom.place(120.0)
    assert huge.lesion.size < 1_000_000
    assert huge.lesion.sum() * huge.voxel_ml == pytest.approx(_ball_ml(120.0), rel=0.02)


def test_a_mask_stored_in_another_order_of_axes_gives_the_same_place(phantom):
    mask = phantom.ball_mask(11.0, (30.0, -20.0, 5.0))
    turned = Volume(mask.array.transpose(2, 0, 1), mask.affine[:, [2, 0, 1, 3]], "label")
    place, other = place_mask(mask), place_mask(turned)
    np.testing.assert_array_equal(place.lesion, other.lesion)
    np.testing.assert_allclose(place.grid.affine, other.grid.affine)


def test_the_region_is_what_the_scans_show_no_further_than_160_mm(phantom):
    place = phantom.place(10.0)
    long = np.diag([4.0, 4.0, 4.0, 1.0])
    long[:3, 3] = (-60.0, -60.0, -600.0)
    scan = Volume(np.ones((30, 30, 300), dtype=np.float32), long, "SUVbw")
    region = lay_region(place, [scan])
    x, y, z = region.points_mm
    assert x.min() >= -62.0
    assert np.abs(z).max() <= 162.0
    assert region.far.any()
    assert np.linalg.norm([x, y, z], axis=0)[region.far].min() > 30.0


def test_distances_in_the_region_are_true_as_far_as_anybody_asks(phantom):
    place = phantom.place(10.0, (3.0, -5.0, 8.0))
    field = phantom.grid(4.0, 200.0)
    scan = Volume(np.ones(field.shape, dtype=np.float32), field.affine, "SUVbw")
    region = lay_region(place, [scan])
    lesion = region.outside_mm <= 0
    true = np.maximum(distance_transform_edt(~lesion) - 0.5, 0.0) * 4.0
    near = true <= 27.0
    np.testing.assert_allclose(region.outside_mm[near], true[near], rtol=1e-6)
    assert (region.outside_mm[~near] > 27.0).all()
    np.testing.assert_array_equal(region.far, true > 25.0)
    assert np.isinf(region.outside_mm).any()


def test_a_lesion_that_no_scan_shows_has_no_voxel_in_the_region(phantom):
    corner = np.diag([4.0, 4.0, 4.0, 1.0])
    corner[:3, 3] = 100.0
    scan = Volume(np.ones((10, 10, 10), dtype=np.float32), corner, "SUVbw")
    region = lay_region(phantom.place(10.0), [scan])
    assert not (region.outside_mm <= 0).any()

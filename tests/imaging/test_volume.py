"""Where voxels lie in the patient."""

import nibabel as nib
import numpy as np
import pytest
import SimpleITK
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from pcrnet.imaging.volume import Volume, canonical, flip_lps_ras, same_grid, world_corners

_EULER = st.tuples(*[st.floats(-180, 180)] * 3)
_SPACING = st.tuples(*[st.floats(0.3, 8.0)] * 3)
_FLIPS = st.tuples(*[st.sampled_from([-1.0, 1.0])] * 3)


def _affine(euler, spacing, flips, origin=(5.0, -7.0, 11.0)):
    affine = np.eye(4)
    turn = Rotation.from_euler("xyz", euler, degrees=True).as_matrix()
    affine[:3, :3] = turn * np.multiply(spacing, flips)
    affine[:3, 3] = origin
    return affine


def _volume(affine, shape=(3, 4, 5)):
    array = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    return Volume(array, affine, "arbitrary")


@settings(max_examples=60, deadline=None)
@given(_EULER, _SPACING, _FLIPS)
def test_canonical_is_what_nibabel_calls_closest_canonical(euler, spacing, flips):
    volume = _volume(_affine(euler, spacing, flips))
    cosines = np.abs(volume.affine[:3, :3] / volume.spacing_mm)
    if (np.sort(cosines, axis=0)[-1] < 0.75).any():
        return  # about 45° from two axes, either choice is right
    ours = canonical(volume)
    theirs = nib.as_closest_canonical(nib.Nifti1Image(volume.array, volume.affine))
    np.testing.assert_array_equal(ours.array, theirs.get_fdata())
    np.testing.assert_allclose(ours.affine, theirs.affine, atol=1e-9)


@settings(max_examples=30, deadline=None)
@given(_EULER, _SPACING, _FLIPS)
def test_canonical_moves_no_voxel(euler, spacing, flips):
    volume = _volume(_affine(euler, spacing, flips))
    turned = canonical(volume)
    for value in (0.0, 7.0, 59.0):
        places = [v.affine @ [*np.argwhere(v.array == value)[0], 1.0] for v in (volume, turned)]
        np.testing.assert_allclose(*places, atol=1e-9)


def test_flipping_to_lps_agrees_with_itk():
    affine = _affine((20, 30, 40), (1, 2, 3), (1, 1, 1))
    image = SimpleITK.GetImageFromArray(np.zeros((5, 4, 3)))
    lps = flip_lps_ras(affine)
    image.SetOrigin(lps[:3, 3])
    image.SetSpacing((1.0, 2.0, 3.0))
    image.SetDirection((lps[:3, :3] / [1, 2, 3]).ravel())
    point = np.array(image.TransformIndexToPhysicalPoint((2, 3, 4)))
    np.testing.assert_allclose(point * [-1, -1, 1], (affine @ [2, 3, 4, 1])[:3])
    np.testing.assert_array_equal(flip_lps_ras(lps), affine)


def test_corners_are_the_outer_faces():
    corners = world_corners(np.diag([2.0, 2.0, 2.0, 1.0]), (3, 4, 5))
    np.testing.assert_array_equal(corners.min(axis=0), [-1, -1, -1])
    np.testing.assert_array_equal(corners.max(axis=0), [5, 7, 9])
    assert len(np.unique(corners, axis=0)) == 8


@settings(max_examples=30, deadline=None)
@given(_EULER, _SPACING, _FLIPS)
def test_a_grid_is_the_same_when_its_axes_are_turned(euler, spacing, flips):
    volume = _volume(_affine(euler, spacing, flips))
    turned = canonical(volume)
    assert same_grid(volume.affine, (3, 4, 5), turned.affine, turned.array.shape)
    assert same_grid(turned.affine, turned.array.shape, volume.affine, (3, 4, 5))


@pytest.mark.parametrize(
    ("other", "shape"),
    [
        (_affine((0, 0, 0), (1, 1, 1), (1, 1, 1), (5.5, -7, 11)), (3, 4, 5)),
        (_affine((0, 0, 0), (1, 1, 1), (1, 1, 1)), (3, 4, 6)),
        (_affine((0, 0, 0), (1, 1, 1.2), (1, 1, 1)), (3, 4, 5)),
        (_affine((0, 0, 20), (1, 1, 1), (1, 1, 1)), (3, 4, 5)),
        (_affine((0, 0, 0), (1, 1, 1), (-1, 1, 1)), (3, 4, 5)),
    ],
)
def test_other_grids_are_not_the_same(other, shape):
    assert not same_grid(_affine((0, 0, 0), (1, 1, 1), (1, 1, 1)), (3, 4, 5), other, shape)


def test_equal_corners_are_not_enough():
    fine, coarse = np.diag([1.0, 2.0, 1.0, 1.0]), np.diag([2.0, 1.0, 1.0, 1.0])
    coarse[:2, 3] = [0.5, -0.5]
    corners = [
        np.sort(world_corners(a, s), axis=0) for a, s in ((fine, (4, 2, 2)), (coarse, (2, 4, 2)))
    ]
    np.testing.assert_array_equal(*corners)
    assert not same_grid(fine, (4, 2, 2), coarse, (2, 4, 2))

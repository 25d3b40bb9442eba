"""Resampling in millimetres."""

import numpy as np
import pytest
import SimpleITK
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from pcrnet.imaging.grid import Grid, resample
from pcrnet.imaging.nifti.file import read_nifti, write_nifti
from pcrnet.imaging.volume import Volume, flip_lps_ras

_GRADIENT = np.array([0.3, -0.2, 0.5])
_EULER = st.tuples(*[st.floats(-180, 180)] * 3)
_FLIP = st.sampled_from([-1.0, 1.0])


def _affine(euler=(0, 0, 0), spacing=(1, 1, 1), shape=(1, 1, 1), flip=1.0):
    """A volume of this shape whose middle lies at the origin."""
    affine = np.eye(4)
    turn = Rotation.from_euler("xyz", euler, degrees=True).as_matrix()
    affine[:3, :3] = turn * np.multiply(spacing, [1, flip, 1])
    affine[:3, 3] = -affine[:3, :3] @ ((np.array(shape) - 1) / 2)
    return affine


def _places(affine, shape):
    index = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), axis=-1)
    return index @ affine[:3, :3].T + affine[:3, 3]


def _ramp(affine, shape):
    return (_places(affine, shape) @ _GRADIENT).astype(np.float32)


def _letter(affine, shape):
    """A smooth L, no two of whose ends look alike, in millimetres."""
    place = _places(affine, shape)
    blobs = [((0, 0, 0), 1.0), ((18, 0, 0), 0.5), ((0, 12, 0), 0.7), ((0, 6, 15), 0.3)]
    return sum(
        weight * np.exp(-((place - centre) ** 2).sum(-1) / (2 * 7.0**2)) for centre, weight in blobs
    ).astype(np.float32)


@settings(max_examples=25, deadline=None)
@given(_EULER, st.tuples(*[st.floats(1.2, 7.0)] * 3), _FLIP, st.booleans())
def test_a_ramp_is_reproduced_through_any_affine(euler, spacing, flip, oblique):
    shape = tuple(int(100 / mm) for mm in spacing)
    affine = _affine(euler if oblique else (0, 90, 180), spacing, shape, flip)
    volume = Volume(_ramp(affine, shape), affine, "arbitrary")
    grid = Grid.centred(np.array([2.0, -1.0, 0.5]), (4.0, 3.0, 5.0), (8, 10, 6))
    array, coverage = resample(volume, grid)
    assert coverage.all()
    # Axes that drift by less than a thousandth of a voxel count as aligned: 7 mm × 0.6 / mm × 1e-3.
    np.testing.assert_allclose(array, _ramp(grid.affine, grid.shape), atol=5e-3)


@pytest.mark.parametrize("euler", [(0, 0, 0), (90, 0, 180), (3, 0, 0), (40, -50, 60)])
@pytest.mark.parametrize("mm", [1.5, 4.0, 6.5])
def test_a_ramp_is_reproduced_to_the_last_digit(euler, mm):
    shape = (int(100 / mm),) * 3
    affine = _affine(euler, (mm, mm, mm), shape, -1.0)
    grid = Grid.centred(np.array([2.0, -1.0, 0.5]), (4.0, 3.0, 5.0), (8, 10, 6))
    array, _ = resample(Volume(_ramp(affine, shape), affine, "arbitrary"), grid)
    np.testing.assert_allclose(array, _ramp(grid.affine, grid.shape), atol=2e-5)


@settings(max_examples=15, deadline=None)
@given(_EULER, st.tuples(*[st.floats(1.6, 3.5)] * 3), _FLIP)
def test_an_asymmetric_phantom_survives_any_affine_unflipped(
    tmp_path_factory, euler, spacing, flip
):
    shape = tuple(int(120 / mm) for mm in spacing)
    affine = _affine(euler, spacing, shape, flip)
    path = tmp_path_factory.mktemp("phantom") / "letter.nii.gz"
    write_nifti(Volume(_letter(affine, shape), affine, "arbitrary"), path)
    array, read_affine = read_nifti(path)
    grid = Grid.centred(np.array([5.0, 4.0, 3.0]), (2.0, 2.0, 2.0), (26, 24, 22))
    values, coverage = resample(Volume(array, read_affine, "arbitrary"), grid)
    assert coverage.all()
    truth = _letter(grid.affine, grid.shape)
    # Linear interpolation of a Gaussian is off by h² / 8σ² an axis at most: 0.03 at 3.5 mm.
    assert np.abs(values - truth).max() < 0.1
    assert np.abs(np.flip(truth, 0) - truth).max() > 0.3  # a flip would be seen


def _itk_image(volume):
    image = SimpleITK.GetImageFromArray(np.ascontiguousarray(volume.array.T))
    _set_geometry(image, volume.affine)
    return image


def _set_geometry(image, affine):
    lps = flip_lps_ras(affine)
    spacing = np.linalg.norm(lps[:3, :3], axis=0)
    image.SetSpacing(spacing.tolist())
    image.SetOrigin(lps[:3, 3].tolist())
    image.SetDirection((lps[:3, :3] / spacing).ravel().tolist())


def _itk_resample(volume, grid, interpolator):
    reference = SimpleITK.Image(list(grid.shape), SimpleITK.sitkFloat32)
    _set_geometry(reference, grid.affine)
    resampled = SimpleITK.Resample(
        _itk_image(volume), reference, SimpleITK.Transform(), interpolator, 0.0
    )
    return SimpleITK.GetArrayFromImage(resampled).T


@pytest.mark.parametrize("euler", [(0, 0, 0), (0, 0, 90), (7, -20, 33)])
@pytest.mark.parametrize("flip", [1.0, -1.0])
def test_onto_a_finer_grid_it_is_linear_interpolation_as_in_itk(euler, flip):
    shape = (20, 18, 16)
    volume = Volume(
        np.random.default_rng(0).random(shape, dtype=np.float32),
        _affine(euler, (3.0, 4.0, 5.0), shape, flip),
        "arbitrary",
    )
    grid = Grid.centred(np.array([1.0, 2.0, 3.0]), (1.7, 1.7, 1.7), (30, 31, 32))
    array, coverage = resample(volume, grid)
    expected = _itk_resample(volume, grid, SimpleITK.sitkLinear)
    inner = coverage & (expected != 0)
    assert inner.mean() > 0.9
    np.testing.assert_allclose(array[inner], expected[inner], atol=2e-4)


@pytest.mark.parametrize("euler", [(0, 0, 0), (90, 0, 90), (7, -20, 33)])
def test_labels_take_the_nearest_voxel_as_in_itk(euler):
    shape = (20, 18, 16)
    labels = np.random.default_rng(0).integers(0, 3, shape).astype(np.float32)
    volume = Volume(labels, _affine(euler, (3.0, 4.0, 5.0), shape), "label")
    grid = Grid.centred(np.array([1.03, 2.02, 3.01]), (2.1, 2.3, 6.1), (20, 21, 8))
    array, coverage = resample(volume, grid)
    expected = _itk_resample(volume, grid, SimpleITK.sitkNearestNeighbor)
    assert (array[coverage] == expected[coverage]).mean() > 0.999
    assert set(np.unique(array)) <= {0.0, 1.0, 2.0}


def test_onto_a_coarser_grid_it_is_the_mean_over_the_box():
    """Against interpolation at many points of each box, by ITK."""
    shape, spacing, coarse = (40, 40, 40), 1.0, 4.0
    volume = Volume(
        np.random.default_rng(0).random(shape, dtype=np.float32),
        _affine((0, 0, 0), (spacing,) * 3, shape),
        "arbitrary",
    )
    grid = Grid.centred(np.array([0.3, 0.1, -0.2]), (coarse,) * 3, (5, 5, 5))
    width, points = np.sqrt(coarse**2 - spacing**2), 24
    dense_affine = grid.affine.copy()
    dense_affine[:3, :3] /= coarse
    samples = []
    for offset in np.stack(
        np.meshgrid(*[(np.arange(points) + 0.5) / points - 0.5] * 3, indexing="ij"), -1
    ).reshape(-1, 3)[::37]:
        moved = np.eye(4)
        moved[:3, 3] = offset * width
        samples.append(_itk_resample(volume, grid.moved(moved), SimpleITK.sitkLinear))
    array, _ = resample(volume, grid)
    np.testing.assert_allclose(array, np.mean(samples, axis=0), atol=0.03)
    assert array.std() < 0.25 * volume.array.std()  # noise averages out: no aliasing


@pytest.mark.parametrize("degrees", [0.0, 3.0])
def test_what_is_finer_than_the_grid_does_not_alias(degrees):
    shape = (96, 96, 96)
    affine = _affine((degrees,) * 3, (1.0, 1.0, 1.0), shape)
    wave = np.sin(2 * np.pi * _places(affine, shape)[..., 0] / 4.5).astype(np.float32)
    grid = Grid.centred(np.zeros(3), (4.0, 4.0, 4.0), (12, 12, 12))
    array, _ = resample(Volume(wave, affine, "arbitrary"), grid)
    assert np.abs(array).max() < 0.25  # 1.0 if it were only sampled


@pytest.mark.parametrize("degrees", [0.0, 0.001, 2.0])
def test_a_constant_stays_one_up_to_the_faces(degrees):
    shape = (20, 20, 20)
    volume = Volume(
        np.full(shape, 7.0, np.float32), _affine((0, 0, degrees), (2,) * 3, shape), "SUVbw"
    )
    array, coverage = resample(volume, Grid.centred(np.zeros(3), (5.0,) * 3, (12, 12, 12)))
    np.testing.assert_allclose(array[coverage], 7.0, rtol=1e-5)
    assert (array[~coverage] == 0.0).all()


def test_coverage_is_where_the_voxel_centres_lie_within_the_volume():
    volume = Volume(np.ones((4, 4, 4), np.float32), np.eye(4), "arbitrary")
    grid = Grid(np.eye(4) - np.diag([0, 0, 0, 0.0]), (6, 6, 6))
    grid.affine[:3, 3] = [-1.0, -0.4, 2.6]
    _, coverage = resample(volume, grid)
    np.testing.assert_array_equal(coverage.any(axis=(1, 2)), [0, 1, 1, 1, 1, 0])
    np.testing.assert_array_equal(coverage.any(axis=(0, 2)), [1, 1, 1, 1, 0, 0])
    np.testing.assert_array_equal(coverage.any(axis=(0, 1)), [1, 0, 0, 0, 0, 0])


@pytest.mark.parametrize("degrees", [0.0, 10.0])
def test_a_volume_elsewhere_covers_nothing(degrees):
    affine = _affine((degrees,) * 3, (1.0,) * 3, (8, 8, 8))
    affine[:3, 3] += 500.0
    volume = Volume(np.ones((8, 8, 8), np.float32), affine, "arbitrary")
    array, coverage = resample(volume, Grid.centred(np.zeros(3), (2.0,) * 3, (6, 6, 6)))
    assert not coverage.any()
    assert not array.any()


def test_the_fast_and_the_general_way_agree():
    shape = (60, 50, 40)
    grid = Grid.centred(np.zeros(3), (4.0, 4.0, 4.0), (12, 10, 9))
    results = []
    for degrees in (0.0, 0.2):
        affine = _affine((degrees,) * 3, (1.0, 1.3, 2.0), shape)
        results.append(resample(Volume(_letter(affine, shape), affine, "arbitrary"), grid)[0])
    np.testing.assert_allclose(*results, atol=0.03)


def test_the_order_in_memory_does_not_matter():
    shape = (12, 13, 14)
    affine = _affine((3, 2, 1), (2.0,) * 3, shape)
    grid = Grid.centred(np.zeros(3), (3.0,) * 3, (6, 6, 6))
    array = np.random.default_rng(0).random(shape, dtype=np.float32)
    one, other = (
        resample(Volume(np.array(array, order=order), affine, "arbitrary"), grid)[0]
        for order in "CF"
    )
    np.testing.assert_array_equal(one, other)


def test_a_grid_moves_with_a_transform():
    grid = Grid.centred(np.array([1.0, 2.0, 3.0]), (2.0, 2.0, 2.0), (3, 3, 3))
    np.testing.assert_array_equal((grid.affine @ [1, 1, 1, 1])[:3], [1, 2, 3])
    shift = np.eye(4)
    shift[:3, 3] = [10, 0, 0]
    np.testing.assert_array_equal((grid.moved(shift).affine @ [1, 1, 1, 1])[:3], [11, 2, 3])

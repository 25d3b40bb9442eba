import numpy as np
import pytest
from scipy.ndimage import affine_transform
from scipy.spatial.transform import Rotation

from pcrnet.imaging.voxels.interpolation import Interpolator


@pytest.mark.parametrize("order", ["C", "F"])
def test_it_is_scipys_linear_interpolation_where_the_image_reaches(order):
    values = np.array(np.random.default_rng(0).random((20, 24, 15)), np.float32, order=order)
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_euler("xyz", (20, -10, 30), degrees=True).as_matrix() * 0.8
    matrix[:3, 3] = [3.0, -2.0, 4.0]
    shape = (22, 19, 17)
    found = Interpolator(values)(matrix, shape)
    places = matrix[:3, :3] @ np.indices(shape).reshape(3, -1) + matrix[:3, 3:]
    size = np.array(values.shape)[:, None]
    inside = ((places > -0.5) & (places < size - 0.5)).all(axis=0).reshape(shape)
    expected = affine_transform(
        values, matrix[:3, :3], matrix[:3, 3], output_shape=shape, order=1, mode="nearest"
    )
    assert found.dtype == np.float32
    assert 0.2 < inside.mean() < 0.9
    np.testing.assert_allclose(found[inside], expected[inside], atol=1e-6)
    assert not found[~inside].any()


def test_truth_values_are_0_and_1_and_each_question_is_answered_by_itself():
    mask = np.random.default_rng(1).random((9, 7, 8)) > 0.5
    ask, half = Interpolator(mask), np.diag([0.5, 0.5, 0.5, 1.0])
    between = ask(half, (17, 13, 15))
    np.testing.assert_array_equal(between[::2, ::2, ::2], mask)
    np.testing.assert_array_equal(ask(np.eye(4), mask.shape), mask)
    np.testing.assert_array_equal(ask(half, (17, 13, 15)), between)

import numpy as np
import pytest
from scipy.ndimage import binary_erosion

from pcrnet.imaging.voxels.erosion import eroded


@pytest.mark.parametrize("shape", [(20, 15, 12), (6, 9), (1, 5, 5), (2, 2, 2)])
@pytest.mark.parametrize("times", [1, 2, 3])
@pytest.mark.parametrize("order", ["C", "F"])
def test_it_is_scipys_erosion_and_leaves_the_mask_as_it_was(shape, times, order):
    mask = np.array(np.random.default_rng(0).random(shape) > 0.03, order=order)
    before = mask.copy()
    np.testing.assert_array_equal(eroded(mask, times), binary_erosion(mask, iterations=times))
    np.testing.assert_array_equal(mask, before)


def test_nothing_times_is_the_mask():
    mask = np.array([True, False, True])
    np.testing.assert_array_equal(eroded(mask, 0), mask)

import numpy as np
import pytest
from scipy.ndimage import grey_opening

from pcrnet.imaging.quantify.opening import opened_with_ball


@pytest.mark.parametrize("radius", [1.0, 2.5, 3.0])
@pytest.mark.parametrize("shape", [(17, 12, 9), (2, 3, 20)])
def test_it_is_scipys_opening_to_the_last_bit(radius, shape):
    values = np.random.default_rng(0).normal(size=shape)
    reach = int(radius)
    steps = np.ogrid[tuple(slice(-reach, reach + 1) for _ in range(3))]
    ball = sum(step**2 for step in steps) <= radius**2
    np.testing.assert_array_equal(
        opened_with_ball(values, radius), grey_opening(values, footprint=ball)
    )


def test_what_is_as_wide_as_the_ball_stays_and_a_speck_goes():
    values = np.zeros((20, 20, 20))
    values[5:12, 5:12, 5:12] = 1.0
    values[16, 16, 16] = 9.0
    opened = opened_with_ball(values, 3.0)
    assert opened[8, 8, 8] == 1.0
    assert opened[16, 16, 16] == 0.0

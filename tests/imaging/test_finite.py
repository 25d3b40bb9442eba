"""Voxels that are no finite numbers are counted, wherever they lie in memory."""

import numpy as np
import pytest

from pcrnet.errors import ImageError
from pcrnet.imaging.finite import require_finite


@pytest.mark.parametrize("order", ["C", "F"])
def test_the_refusal_counts_them(order):
    values = np.zeros((150, 100, 80), np.float32, order=order)  # more than is looked at at once
    require_finite(values)
    values[0, 0, 0], values[-1, -1, -1], values[75, 3, 9] = np.nan, np.inf, -np.inf
    with pytest.raises(ImageError, match="3 of 1200000 voxels"):
        require_finite(values)


def test_a_view_with_steps_is_looked_at_and_its_gaps_are_not():
    values = np.zeros((6, 6, 6), np.float32)
    values[1, 0, 0] = np.nan
    require_finite(values[::2])
    with pytest.raises(ImageError, match="1 of 108"):
        require_finite(values[1::2])


def test_the_largest_float_is_finite():
    require_finite(np.full(3, np.finfo(np.float32).max))

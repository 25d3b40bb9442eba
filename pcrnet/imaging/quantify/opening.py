"""A grey opening with a ball, from bars: what is narrower than the ball is taken off."""

from __future__ import annotations

import itertools
import math

import numpy as np

from pcrnet.imaging.quantify.quantity import Values


def opened_with_ball(values: Values, radius: float) -> Values:
    """The highest of the lowest values in a ball; the field is mirrored at its faces.

    As ``scipy.ndimage.grey_opening`` with the ball as footprint, which looks at each of its voxels
    by itself: here a ball is a bundle of bars, and bars of one length are made once.

    Args:
        values: Shape (x, y, z).
        radius: In voxels.
    """
    return _over_ball(_over_ball(values, radius, np.minimum), radius, np.maximum)


def _over_ball(values: Values, radius: float, extreme: np.ufunc) -> Values:
    reach = int(radius)
    x, y, z = values.shape
    padded = np.pad(values, reach, mode="symmetric")
    bars = [padded[:, :, reach : reach + z]]
    for half in range(1, reach + 1):
        ends = (padded[:, :, reach + side : reach + side + z] for side in (-half, half))
        bars.append(extreme(bars[-1], extreme(*ends)))
    result = bars[reach][reach : reach + x, reach : reach + y].copy()
    for i, j in itertools.product(range(-reach, reach + 1), repeat=2):
        left = radius**2 - i**2 - j**2
        if left >= 0:
            bar = bars[int(math.sqrt(left))]
            part = bar[reach + i : reach + i + x, reach + j : reach + j + y]
            extreme(result, part, out=result)
    return np.asarray(result)

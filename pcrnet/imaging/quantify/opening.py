"""A grey opening with a ball, from bars: what is narrower than the ball is taken off."""

from __future__ import annotations

import math

import numpy as np

from pcrnet.imaging.quantify.quantity import Values


def opened_with_ball(values: Values, radius: float) -> Values:
    """The highest of the lowest values in a ball; the field is mirrored at its faces.

    As ``scipy.ndimage.grey_opening`` with the ball as footprint, which looks at each of its voxels
    by itself: here a ball is a pile of discs and a disc a bundle of bars, each made once.

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
    # Discs as far before the middle as behind it are one.
    discs = [_disc(bars, radius**2 - i**2, y, extreme) for i in range(reach + 1)]
    result = discs[0][reach : reach + x].copy()
    for i, disc in enumerate(discs[1:], start=1):
        for side in (-i, i):
            extreme(result, disc[reach + side : reach + side + x], out=result)
    return result


def _disc(bars: list[Values], square: float, width: int, extreme: np.ufunc) -> Values:
    """The extremes in a disc, of bars of every length.

    Args:
        bars: Extremes in bars along z by half their length, each (x, y, z) with margins along y.
        square: Of the disc's radius, in voxels.
        width: Of the result along y, without margins.
        extreme: Of two values.
    """
    reach = len(bars) - 1
    disc = bars[int(math.sqrt(square))][:, reach : reach + width].copy()
    for j in range(1, int(math.sqrt(square)) + 1):
        bar = bars[int(math.sqrt(square - j**2))]
        for side in (-j, j):
            extreme(disc, bar[:, reach + side : reach + side + width], out=disc)
    return disc

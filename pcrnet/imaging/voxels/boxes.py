"""The box around something in a volume: what lies farther away need not be looked at."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def box_around(mask: NDArray[np.bool_], margin: int = 0) -> tuple[slice, ...]:
    """The smallest box that holds all of a mask, and some voxels more on each side.

    Args:
        mask: Shape (x, y, z), not empty.
        margin: Voxels more, as far as the mask's array reaches.
    """
    box = []
    for axis in range(mask.ndim):
        others = tuple(other for other in range(mask.ndim) if other != axis)
        places = np.flatnonzero(mask.any(axis=others))
        box.append(slice(max(int(places[0]) - margin, 0), int(places[-1]) + margin + 1))
    return tuple(box)

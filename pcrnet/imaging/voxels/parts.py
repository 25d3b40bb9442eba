"""A scan in parts that a processor's cache holds: asked twice, memory answers once."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

AT_ONCE = 1 << 16
"""Voxels of a part; in single precision a quarter of a common cache."""

Voxels = NDArray[np.float32]


def parts_of(values: Voxels) -> Iterator[Voxels]:
    """Views (n,) that together hold all values once, in the order of memory.

    Args:
        values: Of any shape; copied only where memory has gaps.
    """
    flat = values.ravel(order="K")
    for start in range(0, flat.size, AT_ONCE):
        yield flat[start : start + AT_ONCE]


def extremes(values: Voxels) -> tuple[float, float]:
    """The lowest and the highest of values of any shape, in their unit; both NaN where one is."""
    lows, highs = zip(*((part.min(), part.max()) for part in parts_of(values)), strict=True)
    return float(np.min(lows)), float(np.max(highs))

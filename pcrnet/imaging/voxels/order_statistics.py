"""Percentiles of a scan's values, exact, without sorting what lies far from them.

A subsample tells between which two values an order statistic lies; only what lies between them is
sorted. Where the subsample misleads, all of it is. The numbers are those of ``numpy.percentile``.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Voxels = NDArray[np.float32]

_SMALL = 20_000  # values: sorted as they are
_SUBSAMPLE = 8_000
_DEVIATIONS = 3.0  # of the subsample's rank, which is nearly binomial: seldom beyond


class Ranked:
    """The values of a scan in order, as far as somebody asks.

    Args:
        values: Without NaN, of any shape.
        above: Only values above this, in their unit, count; all by default.

    Attributes:
        size: How many values count.
    """

    def __init__(self, values: Voxels, above: float | None = None) -> None:
        self._values = values.ravel(order="K")
        step = max(1, self._values.size // _SUBSAMPLE)
        self._subsample = np.sort(self._values[::step])
        self._left_out = 0
        if above is not None:
            # As ``values > above``, which compares in the values' own precision.
            self._left_out = int(np.count_nonzero(self._values <= np.float32(above)))
        self.size = self._values.size - self._left_out
        self._found: dict[int, tuple[np.float32, np.float32]] = {}

    def percentile(self, percent: float) -> float:
        """Linear interpolation between the two values next to it, in their unit, as numpy does.

        Args:
            percent: 0 to 100; at least one value must count.
        """
        place = percent / 100 * (self.size - 1)
        below = math.floor(place)
        low, high = self._pair(below + self._left_out)
        share = place - below
        apart = high - low
        if share < 0.5:
            return float(low + apart * np.float32(share))
        return float(high - apart * np.float32(1 - share))

    def median(self) -> float:
        """The middle value, in the values' unit; the mean of both where their number is even."""
        low, high = self._pair((self.size - 1) // 2 + self._left_out)
        return float(low if self.size % 2 else (low + high) / 2)

    def _pair(self, rank: int) -> tuple[np.float32, np.float32]:
        """The value of a rank, from 0, and the next; the last is its own next."""
        if rank not in self._found:
            last = min(rank + 1, self._values.size - 1)
            within, before = self._between(rank, last)
            parted = np.partition(within, (rank - before, last - before))
            self._found[rank] = parted[rank - before], parted[last - before]
        return self._found[rank]

    def _between(self, rank: int, last: int) -> tuple[Voxels, int]:
        """Values that hold those two ranks, and how many lie below all of them."""
        values, subsample = self._values, self._subsample
        if values.size <= _SMALL:
            return values, 0
        share = rank / values.size
        reach = _DEVIATIONS * math.sqrt(subsample.size * share * (1 - share)) + 2
        first, final = (math.floor(share * subsample.size + s * reach) for s in (-1, 1))
        kept = np.ones(values.size, dtype=bool)
        before = 0
        if first >= 0:
            kept = values >= subsample[first]
            before = values.size - int(np.count_nonzero(kept))
        if final < subsample.size:
            kept &= values <= subsample[final]
        if not before <= rank <= last < before + int(np.count_nonzero(kept)):
            return values, 0
        if first >= 0 and final < subsample.size and subsample[first] == subsample[final]:
            return subsample[[first, final]], rank  # one value, such as that of air: none to sort
        # An index is faster than a mask where few are kept.
        return values[np.flatnonzero(kept)], before


def evenly_full(values: Voxels, bins: int) -> NDArray[np.float64]:
    """Edges (bins − 1,) between bins that hold equally many of values (n,), without NaN.

    As ``numpy.quantile``, which looks for each by itself: sorted once, they lie at known places.
    """
    ordered = np.sort(values)
    place = np.linspace(0.0, 1.0, bins + 1)[1:-1] * (ordered.size - 1)
    below = np.floor(place).astype(np.intp)
    low, high = ordered[below], ordered[np.minimum(below + 1, ordered.size - 1)]
    share, apart = place - below, high - low
    return np.where(share < 0.5, low + apart * share, high - apart * (1 - share))

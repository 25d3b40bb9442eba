"""How the scans of one patient bear each other out: in space, and in the levels of one sequence."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from pcrnet.config.imaging import ChannelKind
from pcrnet.imaging.grid import Grid, resample
from pcrnet.imaging.registration.likeness import information_by_chance, mutual_information
from pcrnet.imaging.volume import Volume, world_corners
from pcrnet.imaging.voxels.order_statistics import Ranked, evenly_full

_COMPARING_MM = 6.0
_MOST_VOXELS = 200_000
_BINS = 16
_LEAST_VOXELS = 500

OnGrid = tuple[NDArray[np.float32], NDArray[np.bool_]]


def visit_grid(volumes: Mapping[str, Volume]) -> Grid:
    """A coarse grid over what all scans of a visit show."""
    corners = [world_corners(v.affine, v.array.shape) for v in volumes.values()]
    low = np.max([c.min(axis=0) for c in corners], axis=0)
    high = np.min([c.max(axis=0) for c in corners], axis=0)
    if (high <= low).any():
        low, high = corners[0].min(axis=0), corners[0].max(axis=0)
    extent = high - low
    edge = max(_COMPARING_MM, float((extent.prod() / _MOST_VOXELS) ** (1 / 3)))
    x, y, z = (max(2, int(length / edge)) for length in extent)
    return Grid.centred((low + high) / 2, (edge,) * 3, (x, y, z))


def sample_all(
    volumes: Mapping[str, Volume], grid: Grid, transform: NDArray[np.float64]
) -> dict[str, OnGrid]:
    """Channel to values and coverage (x, y, z) on a grid in the frame of the first visit.

    Args:
        volumes: Channel to volume.
        grid: In RAS millimetres of the first visit.
        transform: (4, 4) millimetres of the first visit to those of the volumes'.
    """
    moved = grid.moved(transform)
    return {channel: resample(volume, moved) for channel, volume in volumes.items()}


class Agreements:
    """How the scans of a patient agree in space; of each scan the ranks are found once.

    Agreement is mutual information of the ranks in nats, less what chance shows. Of ranks, since
    one hot organ would leave all other tissue in one bin.
    """

    def __init__(self) -> None:
        self._ranks: dict[tuple[int, bytes], tuple[OnGrid, NDArray[np.intp]]] = {}

    def __call__(self, one: OnGrid, other: OnGrid) -> tuple[float, float]:
        """Of one with the other and the other with one: the same but for the last digits.

        NaN where little overlaps.

        Args:
            one, other: Values and coverage of two scans on one grid (x, y, z).
        """
        used = one[1] & other[1]
        if np.count_nonzero(used) < _LEAST_VOXELS:
            return math.nan, math.nan
        first, second = self._bins_of(one, used), self._bins_of(other, used)
        cells = np.bincount(_BINS * first + second, minlength=_BINS**2)
        joint = cells.reshape(_BINS, _BINS).astype(np.float64)
        chance = information_by_chance(joint)
        turned = np.ascontiguousarray(joint.T)
        return mutual_information(joint) - chance, mutual_information(turned) - chance

    def _bins_of(self, scan: OnGrid, used: NDArray[np.bool_]) -> NDArray[np.intp]:
        """Bin of each value among as many equally full ones; equal values share a bin."""
        key = id(scan), np.packbits(used).tobytes()
        if key not in self._ranks:
            values = scan[0][used]
            edges = evenly_full(values, _BINS)
            ranks = np.searchsorted(edges, values, side="right")
            # The scan is kept as well, lest another should be given its id.
            self._ranks[key] = scan, _spread(ranks)
        return self._ranks[key][1]


def _spread(ranks: NDArray[np.intp]) -> NDArray[np.intp]:
    """Ranks laid over all bins from the lowest to the highest that there is."""
    low, high = int(ranks.min()), int(ranks.max())
    if low == high:
        return np.full_like(ranks, _BINS // 2)
    edges = np.linspace(low, high, _BINS + 1)
    place = np.minimum(np.searchsorted(edges, np.arange(_BINS), side="right") - 1, _BINS - 1)
    return np.asarray(place[ranks])


def level_ratio_ln(one: OnGrid, other: OnGrid, kinds: tuple[ChannelKind, ChannelKind]) -> float:
    """ln of the ratio of the levels of two phases of one sequence; NaN for any other pair.

    Of the brightest twentieth of the body as well as of all of it nothing but the enhancement is
    left, since the phases share gain and shading.

    Args:
        one, other: Values and coverage of two scans on one grid (x, y, z).
        kinds: What the channels of the two are.
    """
    if kinds != ("dce", "dce"):
        return math.nan
    used = one[1] & other[1]
    if np.count_nonzero(used) < _LEAST_VOXELS:
        return math.nan
    first, second = one[0][used], other[0][used]
    both = first + second
    body = both > 0.1 * Ranked(both).percentile(99)
    if np.count_nonzero(body) < _LEAST_VOXELS:
        return math.nan
    above, below = (Ranked(values[body]).median() for values in (first, second))
    return math.log(max(above, 1e-6) / max(below, 1e-6))

"""What is found by walking through all of a scan once, plane by plane while each is at hand.

Shapes: i, j, k are the axes of the array, s, m, f the same in the order in which memory walks them,
the slowest first.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BLOCKS = 4

Voxels = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Planes:
    """A whole scan in a few numbers.

    Attributes:
        blocks: float64 (4, 4, 4); means of blocks of the values, held between 0 and ``top``. Of
            fewer voxels along an axis, a voxel stands for several.
        empty_fraction: The share of slices that hold one value throughout, along the axis that has
            the most.
        top: What brighter voxels count as.
    """

    blocks: NDArray[np.float64]
    empty_fraction: float
    top: float


def walk_planes(array: Voxels, top: float) -> Planes:
    """Walk through a scan once.

    Args:
        array: Shape (i, j, k), in any order of memory.
        top: What brighter voxels count as.
    """
    order = sorted(range(3), key=lambda axis: -abs(array.strides[axis]))
    ordered = array.transpose(order)
    slow, middle, fast = ordered.shape
    sums = np.zeros((BLOCKS, middle, fast), dtype=np.float32)
    held = np.empty((middle, fast), dtype=np.float32)
    watched = _may_hold_flat_slices(ordered[slow // 2])
    highest, lowest = ordered[0].copy(), ordered[0].copy()
    empty = 0
    edges = _block_edges(slow)
    for place, plane in enumerate(ordered):
        np.clip(plane, 0.0, np.float32(top), out=held)
        for block, (start, stop) in enumerate(edges):
            if start <= place < stop:
                sums[block] += held
        if watched:
            np.maximum(highest, plane, out=highest)
            np.minimum(lowest, plane, out=lowest)
        empty += _is_flat(plane)
    shares = [empty / slow]
    if watched:
        shares += [float((highest.max(axis) == lowest.min(axis)).mean()) for axis in (0, 1)]
    widths = np.array([stop - start for start, stop in edges], dtype=np.float32)
    means = _averaging(middle) @ (sums / widths[:, None, None]) @ _averaging(fast).T
    blocks = means.transpose(np.argsort(order)).astype(np.float64)
    return Planes(blocks=blocks, empty_fraction=max(shares), top=top)


def _may_hold_flat_slices(plane: Voxels) -> bool:
    """Whether a slice across a plane (m, f) may hold one value, to judge by this plane."""
    return any(bool((plane.max(axis) == plane.min(axis)).any()) for axis in (0, 1))


def _is_flat(plane: Voxels) -> bool:
    """Whether a plane (m, f) holds one value; few do along a line, and these alone are searched."""
    line = plane[len(plane) // 2]
    return bool(
        line[0] == line[-1] == line[len(line) // 2]
        and line.max() == line.min()
        and plane.max() == plane.min()
    )


def _block_edges(size: int) -> list[tuple[int, int]]:
    """First voxel and the one after the last of each block along an axis."""
    edges = np.linspace(0, size, BLOCKS + 1).astype(int).tolist()
    starts = [min(edge, size - 1) for edge in edges[:-1]]
    return [(start, max(after, start + 1)) for start, after in zip(starts, edges[1:], strict=True)]


def _averaging(size: int) -> Voxels:
    """(4, size): each row averages over a block of one axis."""
    weights = np.zeros((BLOCKS, size), dtype=np.float32)
    for block, (start, stop) in enumerate(_block_edges(size)):
        weights[block, start:stop] = 1.0 / (stop - start)
    return weights

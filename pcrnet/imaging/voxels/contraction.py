"""A matrix along each axis of an array, such as averages over wider voxels.

Shapes: m new samples along an axis are made of n old ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_BAND_ROWS = 12  # of a matrix at a time: fewer are no faster than the zeros that they save


@dataclass(frozen=True, eq=False)
class Weights:
    """How much each of an array's samples along one axis counts in each new one, m by n.

    Attributes:
        matrix: float32 (m, n), n only from the first sample that counts at all to the last.
        first: Which sample of the array that is.
        starts, stops: (m,) columns of ``matrix`` between which a row is not 0.
    """

    matrix: NDArray[np.float32]
    first: int
    starts: NDArray[np.intp]
    stops: NDArray[np.intp]

    @classmethod
    def of(cls, matrix: NDArray[np.float32]) -> Weights:
        """From the weights (m, all) of all samples of the array."""
        used = np.flatnonzero(matrix.any(axis=0))
        part = np.ascontiguousarray(matrix[:, used[0] : used[-1] + 1])
        weighty = part != 0
        stops = part.shape[1] - weighty[:, ::-1].argmax(axis=1)
        return cls(part, int(used[0]), weighty.argmax(axis=1), stops)

    @property
    def part(self) -> slice:
        """The samples of the array that count."""
        return slice(self.first, self.first + self.matrix.shape[1])


def contract(array: NDArray[np.float32], weights: Sequence[Weights]) -> NDArray[np.float32]:
    """Apply one matrix to each axis, touching only the part of an array that has weight.

    The axis that memory walks slowest comes first: its planes are added up where they lie, and
    the other axes have the fewer left to go through. Zeros beside a matrix's band are left out.

    Args:
        array: Shape (i, j, k).
        weights: Of each axis.

    Returns:
        One sample a row of the matrices along each axis.
    """
    order = sorted(range(3), key=lambda axis: -abs(array.strides[axis]))
    slow, middle, fast = (weights[axis] for axis in order)
    block = array.transpose(order)
    rows = fast.part
    if block.flags.c_contiguous and 2 * fast.matrix.shape[1] > block.shape[2]:
        # Whole rows follow each other in memory, so that nothing need be copied.
        block = block[slow.part, middle.part]
    else:
        block = np.ascontiguousarray(block[slow.part, middle.part, rows])
        rows = slice(None)
    first = _banded(slow, block.reshape(len(block), -1), rows=1).reshape(-1, *block.shape[1:])
    second = _banded(middle, first[..., rows], rows=_BAND_ROWS)
    result = second.reshape(-1, second.shape[-1]) @ np.ascontiguousarray(fast.matrix.T)
    return result.reshape(*second.shape[:-1], -1).transpose(np.argsort(order))


def _banded(weights: Weights, block: NDArray[np.float32], rows: int) -> NDArray[np.float32]:
    """``weights.matrix @ block`` by a few rows at a time, of each only the columns with weight.

    Args:
        weights: Of m by n samples.
        block: (..., n, p).
        rows: How many at a time.

    Returns:
        (..., m, p).
    """
    matrix = weights.matrix
    result = np.empty((*block.shape[:-2], len(matrix), block.shape[-1]), dtype=np.float32)
    for start in range(0, len(matrix), rows):
        some = slice(start, start + rows)
        band = slice(weights.starts[some].min(), weights.stops[some].max())
        np.matmul(matrix[some, band], block[..., band, :], out=result[..., some, :])
    return result

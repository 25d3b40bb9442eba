"""A volume: an array, where it lies in the patient, and what its numbers mean."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Posture = Literal["prone", "supine"]
Unit = Literal["SUVbw", "SUL", "SUVbsa", "1e-3 mm2/s", "HU", "arbitrary", "label"]


@dataclass(frozen=True, eq=False)
class Volume:
    """A scalar image in patient space.

    Attributes:
        array: float32, shape (i, j, k).
        affine: float64, shape (4, 4); voxel index to RAS millimetres at the voxel's centre.
        unit: Physical unit of the array's values.
        posture: How the patient lay, where the file says so.
    """

    array: NDArray[np.float32]
    affine: NDArray[np.float64]
    unit: Unit
    posture: Posture | None = None

    @property
    def spacing_mm(self) -> NDArray[np.float64]:
        """Voxel edge lengths (3,) along i, j and k, in millimetres."""
        return np.asarray(np.linalg.norm(self.affine[:3, :3], axis=0), dtype=np.float64)


def flip_lps_ras(affine: NDArray[np.float64]) -> NDArray[np.float64]:
    """Turn a 4×4 affine into LPS millimetres (DICOM, ITK) into RAS (NIfTI), or back."""
    return np.asarray(np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine, dtype=np.float64)


def world_corners(affine: NDArray[np.float64], shape: Sequence[int]) -> NDArray[np.float64]:
    """The eight outer corners of a grid, half a voxel beyond the corner voxels' centres.

    Returns:
        Shape (8, 3), RAS millimetres.
    """
    corners = np.array(list(itertools.product(*((-0.5, n - 0.5) for n in shape))))
    return np.asarray(corners @ affine[:3, :3].T + affine[:3, 3], dtype=np.float64)


def same_grid(
    affine: NDArray[np.float64],
    shape: Sequence[int],
    other_affine: NDArray[np.float64],
    other_shape: Sequence[int],
) -> bool:
    """Whether two grids have the same voxels, to a quarter of a voxel at the corners.

    The order and direction of their axes may differ.

    Args:
        affine: (4, 4) voxel indices to millimetres.
        shape: Voxels along the three axes.
        other_affine: The other grid's ``affine``.
        other_shape: The other grid's ``shape``.
    """
    index = np.linalg.inv(affine) @ other_affine
    turn = np.abs(np.rint(index[:3, :3])).astype(int)
    if (turn.sum(axis=0) != 1).any() or (turn.sum(axis=1) != 1).any():
        return False
    if tuple(turn @ np.array(other_shape)) != tuple(shape):
        return False
    corners, others = world_corners(affine, shape), world_corners(other_affine, other_shape)
    apart = np.linalg.norm(corners[:, None] - others[None], axis=2).min(axis=1).max()
    return bool(apart < np.linalg.norm(affine[:3, :3], axis=0).min() / 4)


def canonical(volume: Volume) -> Volume:
    """The same volume with its axes permuted and flipped to lie nearest to R, A and S.

    No voxel is interpolated; the array is a view.
    """
    cosines = volume.affine[:3, :3] / volume.spacing_mm
    order = max(
        itertools.permutations(range(3)),
        key=lambda axes: sum(abs(cosines[world, axis]) for world, axis in enumerate(axes)),
    )
    array = volume.array.transpose(order)
    columns = volume.affine[:, [*order, 3]].copy()
    for axis in range(3):
        if columns[axis, axis] < 0:
            array = np.flip(array, axis)
            columns[:3, 3] += columns[:3, axis] * (array.shape[axis] - 1)
            columns[:3, axis] *= -1
    return Volume(array=array, affine=columns, unit=volume.unit)

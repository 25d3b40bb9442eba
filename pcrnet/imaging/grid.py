"""Resampling to a grid in patient space.

Where the grid is coarser than the image, its voxels average the image over their own width, so
that nothing aliases; elsewhere the image is interpolated linearly. Both are one formula: the mean
of the image's linear interpolant over a box, which reproduces a linear ramp exactly.

Shapes: i, j, k are voxels of the image, x, y, z voxels of the grid.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from pcrnet.imaging.volume import Volume
from pcrnet.imaging.voxels.contraction import Weights, contract
from pcrnet.imaging.voxels.interpolation import Interpolator

_ALIGNED_VOXELS = 1e-3  # a drift across the grid that is only rounding of the header
_KNOWN_AXES = 96  # of a patient's scans and the grids that they are brought to


@dataclass(frozen=True, eq=False)
class Grid:
    """A regular grid of voxels.

    Attributes:
        affine: Shape (4, 4); voxel index to RAS millimetres at the voxel's centre.
        shape: Voxels along x, y and z.
    """

    affine: NDArray[np.float64]
    shape: tuple[int, int, int]

    @classmethod
    def centred(
        cls,
        centre_mm: NDArray[np.float64],
        spacing_mm: tuple[float, float, float],
        shape: tuple[int, int, int],
    ) -> Grid:
        """A grid along the RAS axes whose middle lies at ``centre_mm`` (3,)."""
        affine = np.diag([*spacing_mm, 1.0])
        affine[:3, 3] = centre_mm - np.multiply(spacing_mm, np.subtract(shape, 1)) / 2
        return cls(affine=affine, shape=shape)

    def moved(self, transform: NDArray[np.float64]) -> Grid:
        """The grid carried along by a transform (4, 4) of RAS millimetres."""
        return Grid(affine=transform @ self.affine, shape=self.shape)


def resample(volume: Volume, grid: Grid) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Bring a volume onto a grid.

    Images are averaged or interpolated as told above; labels take the nearest voxel. Between its
    outermost voxel centres and its outer faces the volume is continued by its edge voxels.

    Returns:
        Values float32 (x, y, z), 0 where the volume does not reach; and coverage bool (x, y, z):
        whether the centre of the grid's voxel lies within the volume.
    """
    index = np.linalg.inv(volume.affine) @ grid.affine
    axes = _aligned_axes(index, grid.shape)
    label = volume.unit == "label"
    if axes is not None:
        return _resample_aligned(volume.array, index, grid.shape, axes, nearest=label)
    return _resample_oblique(volume.array, index, grid.shape, nearest=label)


def _aligned_axes(
    index: NDArray[np.float64], shape: tuple[int, int, int]
) -> tuple[int, int, int] | None:
    """For each axis of the image the grid axis that runs along it; None where they are oblique."""
    reach = np.abs(index[:3, :3]) * shape
    first, second, third = (int(axis) for axis in reach.argmax(axis=1))
    if {first, second, third} != {0, 1, 2}:
        return None
    reach[[0, 1, 2], [first, second, third]] = 0.0
    return (first, second, third) if reach.max() < _ALIGNED_VOXELS else None


def _resample_aligned(
    array: NDArray[np.float32],
    index: NDArray[np.float64],
    shape: tuple[int, int, int],
    axes: tuple[int, int, int],
    *,
    nearest: bool,
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    # The drift that remains is halved by taking it at the middle of the grid.
    middles = index[:3, :3] @ ((np.array(shape) - 1) / 2) + index[:3, 3]
    known = [
        _aligned_axis(
            float(middles[axis]),
            float(index[axis, along]),
            shape[along],
            array.shape[axis],
            nearest=nearest,
        )
        for axis, along in enumerate(axes)
    ]
    order = np.argsort(axes)
    result = np.ascontiguousarray(contract(array, [of.weights for of in known]).transpose(order))
    x, y, z = (known[axis].inside for axis in order)
    for part in (~x, (slice(None), ~y), (..., ~z)):
        result[part] = 0.0
    return result, x[:, None, None] & y[None, :, None] & z[None, None, :]


@dataclass(frozen=True, eq=False)
class _Axis:
    """An axis of a grid along one of an image: weights, and which samples (m,) lie within it."""

    weights: Weights
    inside: NDArray[np.bool_]


@lru_cache(_KNOWN_AXES)
def _aligned_axis(middle: float, step: float, count: int, size: int, *, nearest: bool) -> _Axis:
    """``count`` samples, ``step`` voxels apart around ``middle``, of an image of ``size`` voxels.

    Kept, since the scans of a visit mostly lie alike.
    """
    centres = middle + step * (np.arange(count, dtype=np.float64) - (count - 1) / 2)
    if nearest:
        matrix = _nearest_weights(centres, size)
    else:
        matrix = _box_weights(centres, math.sqrt(max(0.0, step**2 - 1.0)), size)
    return _Axis(Weights.of(matrix), _within(centres, size))


def _resample_oblique(
    array: NDArray[np.float32],
    index: NDArray[np.float64],
    shape: tuple[int, int, int],
    *,
    nearest: bool,
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Average along the image's own axes where the grid is coarser, then interpolate.

    The averaged image keeps two samples or more for each voxel of the grid, so that the
    interpolation that follows adds little blur of its own.
    """
    from scipy.ndimage import affine_transform

    corners = np.array(np.meshgrid(*([0, n - 1] for n in shape), indexing="ij")).reshape(3, -1)
    reach = index[:3, :3] @ corners + index[:3, 3:]
    to_averaged = np.eye(4)
    weights: list[Weights] = []
    for axis, size in enumerate(array.shape):
        coarseness = float(np.linalg.norm(index[axis, :3]))
        step = 1.0 if nearest else max(1.0, coarseness / 2)
        low = int(np.clip(np.floor(reach[axis].min()) - 1, 0, size - 1))
        high = int(np.clip(np.ceil(reach[axis].max()) + 1, 0, size - 1))
        samples = max(2, math.ceil((high - low) / step) + 1)
        centres = low + step * np.arange(samples, dtype=np.float64)
        width = math.sqrt(coarseness**2 - 1.0) if step > 1.0 else 0.0
        weights.append(Weights.of(_box_weights(centres, width, size)))
        to_averaged[axis, axis] = 1 / step
        to_averaged[axis, 3] = -low / step
    averaged = contract(array, weights)
    matrix = to_averaged @ index
    if nearest:
        parts = matrix[:3, :3], matrix[:3, 3]
        result = np.asarray(
            affine_transform(averaged, *parts, output_shape=shape, order=0, mode="nearest")
        )
    else:
        result = Interpolator(averaged)(matrix, shape)
    x, y, z = np.ogrid[tuple(slice(n) for n in shape)]
    coverage = np.ones(shape, dtype=bool)
    for axis, size in enumerate(array.shape):
        row = index[axis]
        coverage &= _within(row[0] * x + row[1] * y + row[2] * z + row[3], size)
    result[~coverage] = 0.0
    return result, coverage


def _within(centres: NDArray[np.float64], size: int) -> NDArray[np.bool_]:
    return np.asarray((centres > -0.5) & (centres < size - 0.5))


def _nearest_weights(centres: NDArray[np.float64], size: int) -> NDArray[np.float32]:
    """Weights that pick the nearest sample: one 1 a row, shape (centres, size)."""
    nearest = np.clip(np.floor(centres + 0.5), 0, size - 1)
    return np.asarray(nearest[:, None] == np.arange(size), dtype=np.float32)


def _box_weights(centres: NDArray[np.float64], width: float, size: int) -> NDArray[np.float32]:
    """Weights of ``size`` samples in the means of their linear interpolant over boxes.

    A sample's weight is its hat function averaged over [centre − width/2, centre + width/2]; in
    the limit of width 0, the hat itself. Rows sum to 1; beyond its ends the signal is continued
    by its edge samples.

    Returns:
        float32, shape (centres, size).
    """
    if width < 1e-3:
        inside = np.clip(centres, 0.0, size - 1.0)
        return np.maximum(0.0, 1.0 - np.abs(inside[:, None] - np.arange(size))).astype(np.float32)
    low, high = centres - width / 2, centres + width / 2
    samples = np.arange(size)
    weights = _hat_integral(high[:, None] - samples) - _hat_integral(low[:, None] - samples)
    weights[:, 0] = _edge_integral(high) - _edge_integral(low)
    weights[:, -1] = _edge_integral(size - 1 - low) - _edge_integral(size - 1 - high)
    return (weights / width).astype(np.float32)


def _hat_integral(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Integral from −∞ to x of the hat function max(0, 1 − |x|)."""
    x = np.clip(x, -1.0, 1.0)
    return np.asarray(0.5 + x - np.abs(x) * x / 2)


def _edge_integral(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Integral from 0 to x of the first sample's function: 1 before it, then the hat's slope."""
    after = np.clip(x, 0.0, 1.0)
    return np.asarray(np.minimum(x, 0.0) + after - after * after / 2)

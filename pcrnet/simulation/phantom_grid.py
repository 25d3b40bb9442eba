"""The phantom's own grid, regions of it, and smooth random fields on them.

The canonical frame is in millimetres, u lateral, v anterior, w superior, its origin in the middle
of the field of view. Random fields are drawn on lattices that depend on millimetres alone, so that
a finer grid shows the same patient more finely.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatMap = NDArray[np.float32]
Box = tuple[slice, slice, slice]
Point = Sequence[float] | NDArray[np.float64]

FIELD_OF_VIEW_MM = (160.0, 160.0, 130.0)


@dataclass(frozen=True, eq=False)
class PhantomRegion:
    """A cuboid of the phantom grid.

    Attributes:
        box: Its voxels.
        u, v, w: Coordinates of the voxel centres in millimetres, (U, 1, 1), (1, V, 1), (1, 1, W).
        low_mm, high_mm: Its corners as asked for, whatever the spacing.
        spacing_mm: Voxel edge of the grid.
    """

    box: Box
    u: FloatMap
    v: FloatMap
    w: FloatMap
    low_mm: tuple[float, ...]
    high_mm: tuple[float, ...]
    spacing_mm: float

    def ellipsoid_depth(self, centre_mm: Point, radii_mm: Point) -> FloatMap:
        """About the distance (u, v, w) inward from an ellipsoid's surface, negative outside; mm."""
        squares = [
            ((axis - centre) / radius) ** 2
            for axis, centre, radius in zip(
                (self.u, self.v, self.w), centre_mm, radii_mm, strict=True
            )
        ]
        depth = (1.0 - np.sqrt(squares[0] + squares[1] + squares[2])) * min(radii_mm)
        return np.asarray(depth, dtype=np.float32)

    def inner_fraction(self, depth_mm: FloatMap) -> FloatMap:
        """Fraction of each voxel (u, v, w) on the inner side of a surface at depth 0."""
        return np.asarray(np.clip(0.5 + depth_mm / self.spacing_mm, 0.0, 1.0), dtype=np.float32)

    def smooth_field(self, rng: np.random.Generator, length_mm: float) -> FloatMap:
        """Gaussian random field (u, v, w) of zero mean and unit variance.

        Gaussian bumps of standard deviation ``length_mm`` and random height on a lattice as wide.
        """
        kernels = [
            _bumps(axis.ravel(), low, high, length_mm)
            for axis, low, high in zip(
                (self.u, self.v, self.w), self.low_mm, self.high_mm, strict=True
            )
        ]
        heights = rng.standard_normal([kernel.shape[1] for kernel in kernels], dtype=np.float32)
        # Unoptimised einsum keeps out of BLAS, whose sums depend on the number of threads.
        field = np.einsum("ua,abc->ubc", kernels[0], heights)
        field = np.einsum("vb,ubc->uvc", kernels[1], field)
        field = np.einsum("wc,uvc->uvw", kernels[2], field)
        return np.asarray(field, dtype=np.float32)


def _bumps(axis_mm: FloatMap, low_mm: float, high_mm: float, length_mm: float) -> FloatMap:
    """Kernel of each bump at each coordinate, shape (axis, lattice), rows of unit square sum."""
    reach_mm = 2.5 * length_mm
    lattice_mm = np.arange(low_mm - reach_mm, high_mm + reach_mm + length_mm, length_mm)
    kernel = np.exp(-0.5 * ((axis_mm[:, None] - lattice_mm[None, :]) / length_mm) ** 2)
    kernel /= np.sqrt(np.sum(kernel**2, axis=1, keepdims=True))
    return np.asarray(kernel, dtype=np.float32)


@dataclass(frozen=True, eq=False)
class PhantomGrid:
    """Isotropic grid over the field of view.

    Attributes:
        spacing_mm: Voxel edge.
        axes_mm: Coordinates of the voxel centres along u, v and w, float32 (n,) each.
    """

    spacing_mm: float
    axes_mm: tuple[FloatMap, FloatMap, FloatMap]

    @classmethod
    def covering(cls, spacing_mm: float) -> PhantomGrid:
        """The grid of this spacing that covers the field of view."""
        u, v, w = (
            ((np.arange(count) - (count - 1) / 2) * spacing_mm).astype(np.float32)
            for count in (int(np.ceil(extent / spacing_mm)) for extent in FIELD_OF_VIEW_MM)
        )
        return cls(spacing_mm, (u, v, w))

    @property
    def shape(self) -> tuple[int, int, int]:
        """Voxels along u, v and w."""
        u, v, w = self.axes_mm
        return len(u), len(v), len(w)

    @property
    def affine(self) -> NDArray[np.float64]:
        """Voxel index to canonical millimetres, shape (4, 4)."""
        affine = np.diag([self.spacing_mm] * 3 + [1.0])
        affine[:3, 3] = [axis[0] for axis in self.axes_mm]
        return affine

    @property
    def whole(self) -> PhantomRegion:
        """All of the grid."""
        half = max(FIELD_OF_VIEW_MM) / 2
        return self.region((0.0, 0.0, 0.0), half)

    def region(self, centre_mm: Point, reach_mm: float) -> PhantomRegion:
        """What lies within ``reach_mm`` of a point (3,) along each axis, in the field of view."""
        low_mm = tuple(
            max(centre - reach_mm, -extent / 2)
            for centre, extent in zip(centre_mm, FIELD_OF_VIEW_MM, strict=True)
        )
        high_mm = tuple(
            min(centre + reach_mm, extent / 2)
            for centre, extent in zip(centre_mm, FIELD_OF_VIEW_MM, strict=True)
        )
        first, second, third = (
            slice(int(np.searchsorted(axis, low)), int(np.searchsorted(axis, high, side="right")))
            for axis, low, high in zip(self.axes_mm, low_mm, high_mm, strict=True)
        )
        u, v, w = self.axes_mm
        return PhantomRegion(
            box=(first, second, third),
            u=u[first, None, None],
            v=v[None, second, None],
            w=w[None, None, third],
            low_mm=low_mm,
            high_mm=high_mm,
            spacing_mm=self.spacing_mm,
        )

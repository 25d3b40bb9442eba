"""Where things are measured: lesion, bed, near shell and far body, on two grids.

All lies in RAS millimetres of the first visit with scans; later visits are brought there. The
fine grid holds lesion, bed and near shell, the coarse one the body around, with the axilla.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from pcrnet.imaging.grid import Grid, resample
from pcrnet.imaging.quantify.quantity import Mask, Values
from pcrnet.imaging.volume import Volume, world_corners
from pcrnet.imaging.voxels.boxes import box_around

FINE_MM = 2.5
REGION_MM = 4.0
BED_MM = 4.0
NEAR_MM = (6.0, 20.0)
FAR_MM = 25.0
REGION_REACH_MM = 160.0
_MOST_VOXELS = 700_000


@dataclass(frozen=True, eq=False)
class Place:
    """The fine grid and what lies where on it.

    Attributes:
        grid: Isotropic, along RAS.
        lesion: bool (x, y, z).
        outside_mm: Distance to the lesion (x, y, z); 0 inside it.
    """

    grid: Grid
    lesion: Mask
    outside_mm: NDArray[np.float32]

    @property
    def spacing_mm(self) -> float:
        """Voxel edge length."""
        return float(self.grid.affine[0, 0])

    @property
    def voxel_ml(self) -> float:
        """Volume of a voxel."""
        return self.spacing_mm**3 / 1000.0

    @cached_property
    def bed(self) -> Mask:
        """The lesion and 4 mm around it, (x, y, z)."""
        return np.asarray(self.outside_mm <= BED_MM)

    def bed_box(self, margin: int) -> tuple[slice, ...]:
        """The box around the bed and some voxels more, for filters that need no more."""
        return box_around(self.bed, margin)

    @cached_property
    def near(self) -> Mask:
        """The shell (x, y, z) from 6 to 20 mm around the lesion."""
        low, high = NEAR_MM
        return np.asarray((self.outside_mm >= low) & (self.outside_mm <= high))

    @cached_property
    def depth_mm(self) -> Values:
        """How deep each voxel of the bed lies under its surface; float64 (x, y, z), 0 outside."""
        from scipy.ndimage import distance_transform_edt

        box = self.bed_box(0)
        inside = distance_transform_edt(np.pad(self.bed[box], 1))[1:-1, 1:-1, 1:-1]
        depth = np.zeros(self.bed.shape)
        depth[box] = np.maximum(inside - 0.5, 0.0) * self.spacing_mm
        return depth

    @cached_property
    def depth_rank(self) -> Values:
        """Depth (x, y, z) as its rank in the bed, from 0 at its surface to 1; 0 outside."""
        from scipy.stats import rankdata

        ranks = np.zeros(self.bed.shape)
        ranks[self.bed] = (rankdata(self.depth_mm[self.bed]) - 0.5) / self.bed.sum()
        return ranks

    @cached_property
    def points_mm(self) -> Values:
        """Centres of all voxels in RAS millimetres, shape (3, x, y, z)."""
        axes = (
            np.arange(n) * self.spacing_mm + self.grid.affine[a, 3]
            for a, n in enumerate(self.lesion.shape)
        )
        return np.stack(np.meshgrid(*axes, indexing="ij"))

    @cached_property
    def centre_mm(self) -> Values:
        """Middle of the bed, shape (3,)."""
        return np.asarray(self.points_mm[:, self.bed].mean(axis=1))

    @cached_property
    def bed_radius_mm(self) -> float:
        """Radius of a sphere of the bed's volume."""
        return float((3.0 * self.bed.sum() / (4.0 * np.pi)) ** (1 / 3) * self.spacing_mm)


def place_mask(mask: Volume) -> Place:
    """Lay the fine grid around a lesion mask and the shells into it.

    Args:
        mask: Label image in the frame of the first visit; foreground above 0.
    """
    index = np.argwhere(mask.array > 0)
    corners = np.concatenate([index - 0.5, index + 0.5]) @ mask.affine[:3, :3].T
    points = corners + mask.affine[:3, 3]
    low, high = points.min(axis=0), points.max(axis=0)
    extent = high - low + 2 * (NEAR_MM[1] + FINE_MM)
    spacing = max(FINE_MM, float((extent.prod() / _MOST_VOXELS) ** (1 / 3)))
    # An odd number puts a voxel on the centre, so that mirror images are measured alike.
    x, y, z = (int(np.ceil(length / spacing / 2)) * 2 + 1 for length in extent)
    grid = Grid.centred((low + high) / 2, (spacing,) * 3, (x, y, z))
    share, _ = resample(Volume((mask.array > 0).astype(np.float32), mask.affine, "arbitrary"), grid)
    # A lesion smaller than a voxel is the voxel that holds most of it.
    lesion = share >= min(0.5, float(share.max()))
    return Place(grid=grid, lesion=lesion, outside_mm=_outside_mm(lesion, spacing))


@dataclass(frozen=True, eq=False)
class Region:
    """The coarse grid over the body around the lesion.

    Attributes:
        grid: Isotropic, along RAS.
        outside_mm: Distance to the lesion, (x, y, z); infinite well beyond 25 mm.
    """

    grid: Grid
    outside_mm: NDArray[np.float32]

    @cached_property
    def far(self) -> Mask:
        """What lies more than 25 mm from the lesion, (x, y, z)."""
        return np.asarray(self.outside_mm > FAR_MM)

    @cached_property
    def points_mm(self) -> Values:
        """Centres of all voxels in RAS millimetres, shape (3, x, y, z)."""
        return voxel_centres_mm(self.grid)


def voxel_centres_mm(grid: Grid) -> Values:
    """RAS millimetres of all voxels of a grid along RAS, shape (3, x, y, z)."""
    steps = np.meshgrid(*map(np.arange, grid.shape), indexing="ij")
    axes = zip(steps, np.diag(grid.affine), grid.affine[:3, 3], strict=False)
    return np.stack([step * spacing + origin for step, spacing, origin in axes])


def lay_region(place: Place, volumes: list[Volume]) -> Region:
    """The coarse grid: what the scans of the first visit show within 160 mm of the lesion."""
    corners = np.concatenate([world_corners(v.affine, v.array.shape) for v in volumes])
    low = np.maximum(corners.min(axis=0), place.centre_mm - REGION_REACH_MM)
    high = np.minimum(corners.max(axis=0), place.centre_mm + REGION_REACH_MM)
    x, y, z = (max(2, int(np.ceil(length / REGION_MM))) for length in high - low)
    grid = Grid.centred((low + high) / 2, (REGION_MM,) * 3, (x, y, z))
    share, _ = resample(
        Volume(place.lesion.astype(np.float32), place.grid.affine, "arbitrary"), grid
    )
    lesion = share >= min(0.5, max(float(share.max()), 1e-6))
    return Region(grid=grid, outside_mm=_outside_mm(lesion, REGION_MM, FAR_MM))


def _outside_mm(lesion: Mask, spacing_mm: float, reach_mm: float = math.inf) -> NDArray[np.float32]:
    """Distance to the lesion's surface, which lies half a voxel before its outermost centres.

    Infinite where it is greater than ``reach_mm`` by more than a voxel or two.
    """
    from scipy.ndimage import distance_transform_edt

    box: tuple[slice, ...] = (slice(None),) * lesion.ndim
    if math.isfinite(reach_mm) and lesion.any():
        box = box_around(lesion, margin=math.ceil(reach_mm / spacing_mm) + 1)
    voxels = np.full(lesion.shape, np.inf)
    voxels[box] = np.maximum(distance_transform_edt(~lesion[box]) - 0.5, 0.0)
    return np.asarray(voxels * spacing_mm, dtype=np.float32)

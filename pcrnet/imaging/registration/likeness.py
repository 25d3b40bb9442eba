"""Two scans of a body at working resolution, and how well they match under a transform."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

from pcrnet.errors import RegistrationError
from pcrnet.imaging.grid import Grid, resample
from pcrnet.imaging.intensity import above_air, tissue_threshold
from pcrnet.imaging.units import SUV_UNITS, share_of_suvbw
from pcrnet.imaging.volume import Unit, Volume, world_corners
from pcrnet.imaging.voxels.boxes import box_around
from pcrnet.imaging.voxels.erosion import eroded
from pcrnet.imaging.voxels.interpolation import Interpolator
from pcrnet.imaging.voxels.order_statistics import Ranked

Array = NDArray[np.float32]
Transform = NDArray[np.float64]
Sampler = Callable[[Grid], Array]

COMPARING_MM = 4.0
BINS = 32

_WORKING_MM = 3.0  # 2 mm takes four times as long and moves the result by 0.2 mm
_MOST_VOXELS = 1_500_000
_SHADING_MM = 37.0  # two boxes of this width blur like a Gaussian of 15 mm
_EDGE_VOXELS = 2
_MARGIN_MM = 10.0
_LEAST_OVERLAP = 0.25
_LEFT_OUT_MM = 8.0
_SMOOTHING_MM = 2.0
_AIR_PERCENTILE, _ABOVE_AIR = 5, 2.0
_DARKEST_TISSUE = 0.04  # relative to the 99th percentile, where the scanner has blackened the air
_PET_BODY_SUV = 0.2
_FRONT_PERCENTILE = 75
_LEAST_COLUMNS = 100
_AHEAD_MM = 40.0
_KNOWN_BLURS = 12


@dataclass(frozen=True, eq=False)
class WorkingScan:
    """A scan at working resolution, on a box along RAS; its arrays are (x, y, z).

    Attributes:
        values: Without shading; 0 where the scan does not reach.
        body: Where there is tissue, by its share of the brightest; holds air where noise is strong.
        brightness: Smoothed, SUV or relative to the 99th percentile, with shading.
        above_air: The brightness that sets skin off from air: twice the level of air, which rises
            with the noise of the scan.
        covered: Where the scan reaches, less two voxels. The edge of its field lies still with the
            scanner while the body moves, so it must not count; an oblique field has it inside.
        left_out: What changes between visits and must not count: the lesion and 8 mm around it.
        grid: The box.
    """

    values: Array
    body: NDArray[np.bool_]
    brightness: Array
    above_air: float
    covered: NDArray[np.bool_]
    left_out: NDArray[np.bool_]
    grid: Grid

    @property
    def spacing_mm(self) -> float:
        """Voxel edge length, the same along all axes."""
        return float(self.grid.affine[0, 0])

    @property
    def centre_mm(self) -> NDArray[np.float64]:
        """The middle (3,) of the box."""
        middle = (np.array(self.grid.shape) - 1) / 2
        return np.asarray(self.grid.affine[:3, :3] @ middle + self.grid.affine[:3, 3])

    @cached_property
    def body_centre_mm(self) -> NDArray[np.float64]:
        """The centre of mass (3,) of the body."""
        along = [np.count_nonzero(self.body, axis=of) for of in ((1, 2), (0, 2), (0, 1))]
        middle = np.array([counts @ np.arange(counts.size) / counts.sum() for counts in along])
        return np.asarray(self.grid.affine[:3, :3] @ middle + self.grid.affine[:3, 3])

    @cached_property
    def values_at(self) -> Sampler:
        """Gives ``values`` (x, y, z) at the voxel centres of a grid in this scan's frame."""
        return self._sampler(self.values)

    @cached_property
    def brightness_at(self) -> Sampler:
        """Gives ``brightness`` (x, y, z) there."""
        return self._sampler(self.brightness)

    @cached_property
    def covered_at(self) -> Sampler:
        """Gives ``covered`` (x, y, z) there, as 0 to 1."""
        return self._sampler(self.covered)

    @cached_property
    def unchanging_at(self) -> Sampler:
        """Gives the body (x, y, z) without what is left out there, as 0 to 1."""
        return self._sampler(self.body & ~self.left_out)

    def _sampler(self, values: NDArray[np.generic]) -> Sampler:
        """Linear interpolation, 0 beyond the box."""
        to_index, between = np.linalg.inv(self.grid.affine), Interpolator(values)
        return lambda grid: between(to_index @ grid.affine, grid.shape)

    @cached_property
    def looked_at(self) -> NDArray[np.bool_]:
        """(x, y, z): the body and the air close to it, so that its outline counts."""
        width = 2 * max(1, round(_MARGIN_MM / self.spacing_mm)) + 1
        near = _box_blur(self.body.astype(np.float32), width, times=1) > 0.01
        return np.asarray(near & self.covered & ~self.left_out)


def prepare_scan(volume: Volume, left_out: Volume | None = None) -> WorkingScan:
    """Bring a scan to working resolution: 3 mm, or coarser where it is coarser or very large.

    Args:
        volume: The scan.
        left_out: Label image in its frame of what must not count.

    Raises:
        RegistrationError: No tissue in it.
    """
    corners = world_corners(volume.affine, volume.array.shape)
    extent = np.ptp(corners, axis=0)
    affordable = float((extent.prod() / _MOST_VOXELS) ** (1 / 3))
    spacing = max(_WORKING_MM, float(volume.spacing_mm.min()), affordable)
    x, y, z = (max(2, round(length / spacing)) for length in extent)
    grid = Grid.centred(corners.mean(axis=0), (spacing,) * 3, (x, y, z))
    values, covered = resample(volume, grid)
    of_pet = volume.unit in SUV_UNITS
    floor = _PET_BODY_SUV * share_of_suvbw(volume.unit) if of_pet else _DARKEST_TISSUE
    values = above_air(values, volume.unit)
    threshold = floor if of_pet else tissue_threshold(volume)
    body = values > threshold
    if not body.any():
        raise RegistrationError(
            "the scan shows no body to register by", remedy="look at the scan; leave it out"
        )
    brightness = _brightness(values, covered, volume.unit, spacing)
    return WorkingScan(
        values=_without_shading(values, threshold, spacing),
        body=body,
        brightness=brightness,
        above_air=max(
            _ABOVE_AIR * Ranked(brightness[covered]).percentile(_AIR_PERCENTILE),
            floor,
        ),
        covered=eroded(covered, times=_EDGE_VOXELS),
        left_out=_around(left_out, grid),
        grid=grid,
    )


def _around(label: Volume | None, grid: Grid) -> NDArray[np.bool_]:
    """The foreground of a label image and 8 mm around it, on a grid."""
    from scipy.ndimage import distance_transform_edt

    if label is None:
        return np.zeros(grid.shape, dtype=bool)
    around = np.zeros(grid.shape, dtype=bool)
    inside = resample(label, grid)[0] > 0
    if inside.any():
        spacing = float(grid.affine[0, 0])
        box = box_around(inside, margin=int(_LEFT_OUT_MM / spacing) + 1)
        around[box] = distance_transform_edt(~inside[box]) * spacing <= _LEFT_OUT_MM
    return around


def _brightness(values: Array, covered: NDArray[np.bool_], unit: Unit, spacing: float) -> Array:
    """Smoothed values, SUV as it is, signal relative to its 99th percentile."""
    from scipy.ndimage import gaussian_filter

    smooth = np.asarray(gaussian_filter(values, max(_SMOOTHING_MM / spacing, 1.0)))
    if unit in SUV_UNITS:
        return smooth
    return np.asarray(smooth / np.float32(max(Ranked(smooth[covered]).percentile(99), 1e-6)))


def _without_shading(values: Array, threshold: float, spacing: float) -> Array:
    """The ratio to the mean of the tissue around: coil shading and scanner gain cancel."""
    width = max(3, round(_SHADING_MM / spacing))
    tissue = (values > threshold).astype(np.float32)
    bright, share = (_box_blur(array, width, times=2) for array in (values * tissue, tissue))
    around = bright / np.maximum(share, 0.05)
    return np.clip(values / np.maximum(around, threshold), 0.0, 4.0)


def _box_blur(array: Array, width: int, times: int) -> Array:
    """``scipy.ndimage.uniform_filter``, several times over, as one matrix an axis.

    Args:
        array: Shape (x, y, z).
        width: Of the box in voxels.
        times: How often.
    """
    x, y, z = (_blur(size, width, times) for size in array.shape)
    planes = (x @ array.reshape(len(x), -1)).reshape(array.shape)
    return np.asarray(np.matmul(y, planes) @ z.T)


@lru_cache(_KNOWN_BLURS)
def _blur(size: int, width: int, times: int) -> Array:
    """The matrix of that filter along an axis of ``size`` voxels; both visits mostly have one."""
    from scipy.ndimage import uniform_filter1d

    once = np.asarray(uniform_filter1d(np.eye(size), width, axis=0))
    return np.linalg.matrix_power(once, times).astype(np.float32)


def joint_histogram(first: Array, second: Array, bins: int = BINS) -> NDArray[np.float64]:
    """How often values of two samples of equal shape occur together, shape (bins, bins).

    Bins are equally wide between the extremes of a sample.
    """
    row, column = (_bin_of(values, bins) for values in (first, second))
    cells = np.bincount(row * bins + column, minlength=bins**2)
    return cells.reshape(bins, bins).astype(np.float64)


def _bin_of(values: Array, bins: int) -> NDArray[np.intp]:
    low, high = float(values.min()), float(values.max())
    if low == high:
        return np.full(values.size, bins // 2, dtype=np.intp)
    place = (values.ravel().astype(np.float64) - low) * (bins / (high - low))
    return np.minimum(place.astype(np.intp), bins - 1)


def mutual_information(joint: NDArray[np.float64]) -> float:
    """Mutual information of two samples, from their :func:`joint_histogram` (b, b), in nats."""
    p = joint / joint.sum()
    independent = p.sum(axis=1, keepdims=True) * p.sum(axis=0, keepdims=True)
    used = p > 0
    return float((p[used] * np.log(p[used] / independent[used])).sum())


def information_by_chance(joint: NDArray[np.float64]) -> float:
    """What :func:`mutual_information` finds too much in a histogram (b, b), in nats.

    To first order (Miller 1955): cells in use less those in use of either margin, plus one, over
    twice the sample.
    """
    used = joint > 0
    cells = used.sum() - used.any(axis=1).sum() - used.any(axis=0).sum() + 1
    return float(cells / (2 * joint.sum()))


class VisitPair:
    """How like the first visit a later one is; the first is sampled once.

    Args:
        fixed: The first visit.
        moving: The later one.
        spacing_mm: Of the points that are compared.
    """

    def __init__(
        self, fixed: WorkingScan, moving: WorkingScan, spacing_mm: float = COMPARING_MM
    ) -> None:
        self._moving = moving
        self._grid = _comparing_grid(fixed, spacing_mm)
        self._first = fixed.values_at(self._grid)
        self._body = fixed.unchanging_at(self._grid) > 0.5

    def similarity(self, transform: Transform) -> float:
        """Mutual information over the body of the first visit, as far as the later one covers it.

        Less what it shows by chance, so that a small overlap does not look alike. In nats; 0 where
        the overlap is less than a quarter of the body.

        Args:
            transform: (4, 4) millimetres of the first visit to those of the later one.
        """
        grid, moving = self._grid.moved(transform), self._moving
        used = self._body & (moving.covered_at(grid) > 0.5)
        if not used.any() or used.sum() < _LEAST_OVERLAP * self._body.sum():
            return 0.0
        second = moving.values_at(grid)
        joint = joint_histogram(self._first[used], second[used])
        return mutual_information(joint) - information_by_chance(joint)


def _comparing_grid(fixed: WorkingScan, spacing_mm: float) -> Grid:
    extent = np.array(fixed.grid.shape) * fixed.spacing_mm
    x, y, z = (max(2, int(length / spacing_mm)) for length in extent)
    return Grid.centred(fixed.centre_mm, (spacing_mm,) * 3, (x, y, z))


def front_difference_mm(fixed: WorkingScan, moving: WorkingScan, transform: Transform) -> float:
    """How far the fronts of the two bodies lie apart, where each scan shows its own.

    Rigid registration holds the trunk; the breasts hang when prone and flatten when supine.

    Args:
        fixed: The first visit.
        moving: The later one.
        transform: (4, 4) millimetres of the first visit to those of the later one.

    Returns:
        The 75th percentile over the columns along y; NaN where fewer than 100 show both fronts.
    """
    grid = _comparing_grid(fixed, COMPARING_MM)
    ahead = round(_AHEAD_MM / COMPARING_MM)
    affine = grid.affine.copy()
    affine[1, 3] -= ahead * COMPARING_MM
    x, y, z = grid.shape
    wider = Grid(affine, (x, y + 2 * ahead, z))
    # One level for both, or the noisier scan would have the thinner body.
    level = max(fixed.above_air, moving.above_air)
    apart = np.abs(_front(fixed, wider, level) - _front(moving, wider.moved(transform), level))
    apart = apart[np.isfinite(apart)]
    if apart.size < _LEAST_COLUMNS:
        return float("nan")
    return float(np.percentile(apart, _FRONT_PERCENTILE) * COMPARING_MM)


def _front(scan: WorkingScan, grid: Grid, level: float) -> NDArray[np.float64]:
    """Where tissue ends in each column along y, in voxels; NaN where no air is seen before it."""
    covered = scan.covered_at(grid) > 0.5
    tissue = covered & (scan.brightness_at(grid) > level)
    front = _foremost(tissue)
    seen = tissue.any(axis=1) & (front + 1 < _foremost(covered))
    return np.where(seen, front, np.nan)


def _foremost(mask: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Index along y of the last voxel that is set, for each x and z where there is one."""
    return np.asarray(mask.shape[1] - 1 - np.argmax(mask[:, ::-1], axis=1), dtype=np.int64)

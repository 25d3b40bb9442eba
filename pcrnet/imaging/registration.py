"""Rigid registration of a later visit to the first: how the same body lies in each.

The images are brought to one working resolution and freed of shading, for coil shading moves the
optimum of mutual information by millimetres. Mattes' mutual information is then climbed from the
better of a few starting positions, coarse to fine. All positions are RAS millimetres; a transform
takes a point of the first visit to the same tissue in the later one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pcrnet.config import RigidAlignment
from pcrnet.errors import RegistrationError
from pcrnet.imaging.grid import Grid, resample
from pcrnet.imaging.intensity import body_threshold
from pcrnet.imaging.volume import Volume, world_corners

if TYPE_CHECKING:
    import SimpleITK

Array = NDArray[np.float32]
Transform = NDArray[np.float64]

_WORKING_MM = 2.0
_MOST_VOXELS = 1_500_000
_STARTING_MM = 8.0
_COMPARING_MM = 4.0
_SHADING_MM = 37.0  # two boxes of this width blur like a Gaussian of 15 mm
_EDGE_VOXELS = 2
_SHRINK = (4, 2, 1)
_SAMPLES = 50_000
_SEED = 17
_BINS = 32
_PET_BODY_SUV = 0.2
_FRONT_PERCENTILE = 75


@dataclass(frozen=True, eq=False)
class Alignment:
    """How a later visit lies against the first.

    Attributes:
        transform: Shape (4, 4); millimetres of the first visit to millimetres of the later one.
        similarity_before: Mutual information of the two as they came, in nats.
        similarity_after: The same after the transform.
        shift_mm: How far the transform moves the middle of the first scan.
        rotation_degrees: How far it turns it.
        front_mm: How far the front of the body differs afterwards (75th percentile); NaN where
            the scans do not show it.
    """

    transform: Transform
    similarity_before: float
    similarity_after: float
    shift_mm: float
    rotation_degrees: float
    front_mm: float


def register(fixed: Volume, moving: Volume, limits: RigidAlignment) -> Alignment:
    """Find the rigid transform that brings a later visit onto the first.

    Args:
        fixed: A scan of the first visit.
        moving: A scan of the later visit, best of the same channel.
        limits: What is still believed.

    Raises:
        RegistrationError: No position makes the two alike, the result lies beyond the limits, or
            one visit was prone and the other supine.
    """
    alignment = _align(_prepare(fixed), _prepare(moving))
    _check(alignment, limits)
    return alignment


def _check(alignment: Alignment, limits: RigidAlignment) -> None:
    """Refuse what cannot be right, the most telling reason first."""
    if alignment.similarity_after < limits.min_similarity:
        raise RegistrationError(
            "the visit does not match the first: mutual information "
            f"{alignment.similarity_before:.2f} as it came, {alignment.similarity_after:.2f} "
            f"after registration, at least {limits.min_similarity:g} expected",
            remedy="check that both visits show the same part of the same patient, or set "
            "imaging.alignment.kind: none if they lie alike already",
        )
    turned = alignment.rotation_degrees > 90.0
    if not limits.allow_prone_supine and (turned or alignment.front_mm > limits.max_front_mm):
        found = (
            "the body is turned half round"
            if turned
            else f"the front of the body differs by {alignment.front_mm:.0f} mm"
        )
        raise RegistrationError(
            f"one visit seems to be prone, the other supine: {found}",
            remedy="leave the visit out, or set imaging.alignment.allow_prone_supine: true, "
            "knowing that a rigid transform cannot match the breast itself",
        )
    if alignment.shift_mm > limits.max_shift_mm:
        raise RegistrationError(
            f"the visit lies {alignment.shift_mm:.0f} mm from the first, at most "
            f"{limits.max_shift_mm:g} mm expected",
            remedy="look at both scans; raise imaging.alignment.max_shift_mm if they agree",
        )
    if not turned and alignment.rotation_degrees > limits.max_rotation_degrees:
        raise RegistrationError(
            f"the visit is turned by {alignment.rotation_degrees:.0f}° against the first, at most "
            f"{limits.max_rotation_degrees:g}° expected",
            remedy="look at both scans; raise imaging.alignment.max_rotation_degrees if they agree",
        )


def mutual_information(first: Array, second: Array, bins: int = _BINS) -> float:
    """Mutual information of two samples of equal shape, from their joint histogram, in nats."""
    joint, _, _ = np.histogram2d(first.ravel(), second.ravel(), bins=bins)
    p = joint / joint.sum()
    independent = p.sum(axis=1, keepdims=True) * p.sum(axis=0, keepdims=True)
    used = p > 0
    return float((p[used] * np.log(p[used] / independent[used])).sum())


@dataclass(frozen=True, eq=False)
class _Scan:
    """A scan at working resolution, on a box along RAS.

    Attributes:
        values: Without shading; 0 where the scan does not reach.
        body: Where there is tissue.
        covered: Where the scan reaches, less two voxels. The edge of its field lies still with the
            scanner while the body moves, so it must not count; an oblique field has it inside.
        grid: The box.
    """

    values: Array
    body: NDArray[np.bool_]
    covered: NDArray[np.bool_]
    grid: Grid

    @property
    def spacing_mm(self) -> float:
        return float(self.grid.affine[0, 0])

    @property
    def centre_mm(self) -> NDArray[np.float64]:
        middle = (np.array(self.grid.shape) - 1) / 2
        return np.asarray(self.grid.affine[:3, :3] @ middle + self.grid.affine[:3, 3])

    @property
    def body_centre_mm(self) -> NDArray[np.float64]:
        middle = np.argwhere(self.body).mean(axis=0)
        return np.asarray(self.grid.affine[:3, :3] @ middle + self.grid.affine[:3, 3])


def _prepare(volume: Volume) -> _Scan:
    from scipy.ndimage import binary_erosion

    corners = world_corners(volume.affine, volume.array.shape)
    extent = np.ptp(corners, axis=0)
    affordable = float((extent.prod() / _MOST_VOXELS) ** (1 / 3))
    spacing = max(_WORKING_MM, float(volume.spacing_mm.min()), affordable)
    x, y, z = (max(2, round(length / spacing)) for length in extent)
    grid = Grid.centred(corners.mean(axis=0), (spacing,) * 3, (x, y, z))
    values, covered = resample(volume, grid)
    threshold = _PET_BODY_SUV if volume.unit == "SUVbw" else body_threshold(volume.array)
    return _Scan(
        values=_without_shading(values, threshold, spacing),
        body=values > threshold,
        covered=binary_erosion(covered, iterations=_EDGE_VOXELS),
        grid=grid,
    )


def _without_shading(values: Array, threshold: float, spacing: float) -> Array:
    """The ratio to the mean of the tissue around: coil shading and scanner gain cancel."""
    from scipy.ndimage import uniform_filter

    width = max(3, round(_SHADING_MM / spacing))
    tissue = (values > threshold).astype(np.float32)

    def blur(array: Array) -> Array:
        return np.asarray(uniform_filter(uniform_filter(array, width), width))

    around = blur(values * tissue) / np.maximum(blur(tissue), 0.05)
    return np.clip(values / np.maximum(around, threshold), 0.0, 4.0)


def _align(fixed: _Scan, moving: _Scan) -> Alignment:
    start = max(_starts(fixed, moving), key=lambda t: _similarity(fixed, moving, t, _STARTING_MM))
    found = _climb(fixed, moving, start)
    before, after = (_similarity(fixed, moving, t) for t in (np.eye(4), found))
    if before >= after:
        # Nothing is gained over the position in which the visit came.
        found, after = np.eye(4), before
    centre = np.append(fixed.centre_mm, 1.0)
    cosine = np.clip((np.trace(found[:3, :3]) - 1) / 2, -1.0, 1.0)
    return Alignment(
        transform=found,
        similarity_before=before,
        similarity_after=after,
        shift_mm=float(np.linalg.norm((found @ centre - centre)[:3])),
        rotation_degrees=float(np.degrees(np.arccos(cosine))),
        front_mm=_front_difference_mm(fixed, moving, found),
    )


def _starts(fixed: _Scan, moving: _Scan) -> list[Transform]:
    """As they came, or body on body; each also turned half round about the long axis.

    A half turn is what a wrong patient position in the header looks like.
    """
    starts = []
    for shift in (np.zeros(3), moving.body_centre_mm - fixed.body_centre_mm):
        for turn in (np.eye(3), np.diag([-1.0, -1.0, 1.0])):
            start = np.eye(4)
            start[:3, :3] = turn
            centre = fixed.body_centre_mm
            start[:3, 3] = centre + shift - turn @ centre
            starts.append(start)
    return starts


def _similarity(
    fixed: _Scan, moving: _Scan, transform: Transform, spacing_mm: float = _COMPARING_MM
) -> float:
    """Mutual information over the body of the first visit, as far as the later one covers it."""
    grid = _comparing_grid(fixed, spacing_mm)
    first = _sample(fixed.values, fixed.grid, grid)
    second = _sample(moving.values, moving.grid, grid.moved(transform))
    body = _sample(fixed.body, fixed.grid, grid) > 0.5
    used = body & (_sample(moving.covered, moving.grid, grid.moved(transform)) > 0.5)
    # An overlap of a few voxels always looks similar.
    if used.sum() < 0.25 * body.sum():
        return 0.0
    return mutual_information(first[used], second[used])


def _comparing_grid(fixed: _Scan, spacing_mm: float) -> Grid:
    extent = np.array(fixed.grid.shape) * fixed.spacing_mm
    x, y, z = (max(2, int(length / spacing_mm)) for length in extent)
    return Grid.centred(fixed.centre_mm, (spacing_mm,) * 3, (x, y, z))


def _sample(values: NDArray[np.generic], source: Grid, target: Grid) -> Array:
    """Linear interpolation at the voxel centres of ``target``; −1 beyond the source."""
    from scipy.ndimage import affine_transform

    index = np.linalg.inv(source.affine) @ target.affine
    sampled = affine_transform(
        values.astype(np.float32),
        index[:3, :3],
        index[:3, 3],
        output_shape=target.shape,
        order=1,
        mode="constant",
        cval=-1.0,
    )
    return np.asarray(sampled, dtype=np.float32)


def _climb(fixed: _Scan, moving: _Scan, start: Transform) -> Transform:
    """Gradient ascent of Mattes' mutual information, coarse to fine (Mattes et al., IEEE TMI 2003).

    ITK's physical space is taken to be RAS millimetres here; only that both images agree matters.
    """
    import SimpleITK

    rigid = SimpleITK.Euler3DTransform()
    rigid.SetCenter(fixed.centre_mm.tolist())
    rigid.SetMatrix(start[:3, :3].ravel().tolist())
    rigid.SetTranslation(
        (start[:3, :3] @ fixed.centre_mm + start[:3, 3] - fixed.centre_mm).tolist()
    )
    method = SimpleITK.ImageRegistrationMethod()
    method.SetMetricAsMattesMutualInformation(_BINS)
    method.SetMetricSamplingStrategy(method.RANDOM)
    sizes = [fixed.values.size / shrink**3 for shrink in _SHRINK]
    method.SetMetricSamplingPercentagePerLevel([min(1.0, _SAMPLES / n) for n in sizes], _SEED)
    looked_at = (_widened(fixed) & fixed.covered).astype(np.uint8)
    method.SetMetricFixedMask(_image(looked_at, fixed.grid))
    method.SetMetricMovingMask(_image(moving.covered.astype(np.uint8), moving.grid))
    method.SetInterpolator(SimpleITK.sitkLinear)
    method.SetShrinkFactorsPerLevel(list(_SHRINK))
    method.SetSmoothingSigmasPerLevel([2.0, 1.0, 0.0])
    method.SmoothingSigmasAreSpecifiedInPhysicalUnitsOff()
    method.SetOptimizerAsRegularStepGradientDescent(
        learningRate=4.0,
        minStep=0.02,
        numberOfIterations=80,
        relaxationFactor=0.6,
        gradientMagnitudeTolerance=1e-6,
    )
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetInitialTransform(rigid, True)
    method.Execute(_image(fixed.values, fixed.grid), _image(moving.values, moving.grid))
    transform = np.eye(4)
    transform[:3, :3] = np.array(rigid.GetMatrix()).reshape(3, 3)
    centre = np.array(rigid.GetCenter())
    transform[:3, 3] = centre + rigid.GetTranslation() - transform[:3, :3] @ centre
    # Threads add in any order: the last digits differ from run to run, a nanometre at most.
    return np.round(transform, 7)


def _image(array: NDArray[np.generic], grid: Grid) -> SimpleITK.Image:
    import SimpleITK

    image = SimpleITK.GetImageFromArray(np.ascontiguousarray(array.T))
    image.SetSpacing(np.diag(grid.affine)[:3].tolist())
    image.SetOrigin(grid.affine[:3, 3].tolist())
    return image


def _widened(scan: _Scan, margin_mm: float = 10.0) -> NDArray[np.bool_]:
    """The body and the air close to it, so that its outline counts."""
    from scipy.ndimage import uniform_filter

    width = 2 * max(1, round(margin_mm / scan.spacing_mm)) + 1
    return np.asarray(uniform_filter(scan.body.astype(np.float32), width) > 0.01)


def _front_difference_mm(fixed: _Scan, moving: _Scan, transform: Transform) -> float:
    """How far the fronts of the two bodies lie apart, where both scans show them.

    Rigid registration holds the trunk; the breasts hang when prone and flatten when supine.
    """
    grid = _comparing_grid(fixed, _COMPARING_MM)
    first = _sample(_solid(fixed.body), fixed.grid, grid)
    second = _sample(_solid(moving.body), moving.grid, grid.moved(transform))
    covered = _sample(fixed.covered, fixed.grid, grid) > 0.5
    covered &= _sample(moving.covered, moving.grid, grid.moved(transform)) > 0.5
    whole = covered.mean(axis=1) > 0.85  # beside the edge of a tilted field the front is cut off
    fronts = []
    for inside in ((first > 0.5) & covered, (second > 0.5) & covered):
        seen = inside.any(axis=1) & ~inside[:, -2:].any(axis=1) & whole
        front = inside.shape[1] - np.argmax(inside[:, ::-1], axis=1).astype(np.float64)
        fronts.append(np.where(seen, front, np.nan))
    apart = np.abs(fronts[0] - fronts[1])
    apart = apart[np.isfinite(apart)]
    if apart.size < 100:
        return float("nan")
    return float(np.percentile(apart, _FRONT_PERCENTILE) * _COMPARING_MM)


def _solid(body: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Where tissue prevails: without specks of noise in the air and dark spots inside."""
    from scipy.ndimage import uniform_filter

    return np.asarray(uniform_filter(body.astype(np.float32), 5) > 0.5)

"""SimpleITK's engine: gradient ascent of Mattes' mutual information, coarse to fine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pcrnet.errors import RegistrationError
from pcrnet.imaging.grid import Grid, resample
from pcrnet.imaging.registration.likeness import BINS, Transform, WorkingScan
from pcrnet.imaging.volume import Volume

if TYPE_CHECKING:
    import SimpleITK

_SEED = 17
_LEAST_VOXELS = 4  # of a scan along an axis, or it is made no coarser


@dataclass(frozen=True)
class _Level:
    """One climb: on which voxels, with which steps, and when it is over.

    Attributes:
        coarseness: Working voxels along the edge of one of its own.
        first_step_mm: How far it goes at first. A finer level corrects what a coarser one left, and
            would only lose its way with steps as long as that one's.
        last_step_mm: Steps shrink where the slope turns; it ends when they are shorter than this.
        shrinking: What a step is multiplied by there.
        samples: Points at which the two are compared.
    """

    coarseness: int
    first_step_mm: float
    last_step_mm: float
    shrinking: float
    samples: int


_LEVELS = (
    _Level(4, first_step_mm=4.0, last_step_mm=0.1, shrinking=0.6, samples=15_000),
    _Level(2, first_step_mm=1.0, last_step_mm=0.05, shrinking=0.7, samples=15_000),
    _Level(1, first_step_mm=0.4, last_step_mm=0.03, shrinking=0.6, samples=10_000),
)


def climb(fixed: WorkingScan, moving: WorkingScan, start: Transform) -> Transform:
    """Climb from ``start`` to the nearest maximum (Mattes et al., IEEE TMI 2003).

    Returns:
        Rigid, shape (4, 4); RAS millimetres of the first visit to those of the later one.

    Raises:
        RegistrationError: The scans do not overlap enough.
    """
    import SimpleITK

    rigid = SimpleITK.Euler3DTransform()
    rigid.SetCenter(fixed.centre_mm.tolist())
    rigid.SetMatrix(start[:3, :3].ravel().tolist())
    rigid.SetTranslation(
        (start[:3, :3] @ fixed.centre_mm + start[:3, 3] - fixed.centre_mm).tolist()
    )
    try:
        for level in _LEVELS:
            _climb_level(fixed, moving, rigid, level)
    except RuntimeError:
        raise RegistrationError(
            "the two scans do not overlap enough to be registered",
            remedy="check that both visits show the same part of the same patient",
        ) from None
    transform = np.eye(4)
    transform[:3, :3] = np.array(rigid.GetMatrix()).reshape(3, 3)
    centre = np.array(rigid.GetCenter())
    transform[:3, 3] = centre + rigid.GetTranslation() - transform[:3, :3] @ centre
    return transform


def _climb_level(
    fixed: WorkingScan, moving: WorkingScan, rigid: SimpleITK.Euler3DTransform, level: _Level
) -> None:
    """Move ``rigid`` to the maximum at one coarseness.

    ITK's own pyramid blurs and derives both scans in full at every level, which takes longer than
    the climb; here a coarse level has few voxels, and slopes are taken where they are asked for.

    Raises:
        RuntimeError: Too few points of one scan lie in the other.
    """
    import SimpleITK

    values, looked_at = _coarser(fixed, fixed.looked_at, level.coarseness)
    other_values, covered = _coarser(moving, moving.covered, level.coarseness)
    method = SimpleITK.ImageRegistrationMethod()
    # Threads add in any order, and a climb carries the last digits on: equal scans would give
    # tensors that differ. Patients are what runs in parallel.
    method.SetNumberOfThreads(1)
    method.SetNumberOfWorkUnits(1)
    method.SetMetricAsMattesMutualInformation(BINS)
    method.SetMetricSamplingStrategy(method.RANDOM)
    method.SetMetricSamplingPercentage(min(1.0, level.samples / values.GetNumberOfPixels()), _SEED)
    method.SetMetricUseFixedImageGradientFilter(False)
    method.SetMetricUseMovingImageGradientFilter(False)
    method.SetMetricFixedMask(looked_at)
    method.SetMetricMovingMask(covered)
    method.SetInterpolator(SimpleITK.sitkLinear)
    method.SetOptimizerAsRegularStepGradientDescent(
        learningRate=level.first_step_mm,
        minStep=level.last_step_mm,
        numberOfIterations=150,
        relaxationFactor=level.shrinking,
        gradientMagnitudeTolerance=1e-6,
    )
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetInitialTransform(rigid, True)
    method.Execute(values, other_values)


def _coarser(
    scan: WorkingScan, mask: NDArray[np.bool_], coarseness: int
) -> tuple[SimpleITK.Image, SimpleITK.Image]:
    """A scan's values and a mask on its grid, averaged over ``coarseness`` voxels along an axis."""
    if coarseness == 1 or min(scan.grid.shape) < _LEAST_VOXELS * coarseness:
        return itk_image(scan.values, scan.grid), itk_image(mask, scan.grid)
    x, y, z = (round(n / coarseness) for n in scan.grid.shape)
    grid = Grid.centred(scan.centre_mm, (coarseness * scan.spacing_mm,) * 3, (x, y, z))
    values, inside = (
        resample(Volume(array.astype(np.float32), scan.grid.affine, "arbitrary"), grid)[0]
        for array in (scan.values, mask)
    )
    return itk_image(values, grid), itk_image(inside > 0.5, grid)


def itk_image(array: NDArray[np.generic], grid: Grid) -> SimpleITK.Image:
    """An array (x, y, z) on a grid without shear as an ITK image; truth values become 0 and 1.

    ITK's physical space is taken to be RAS millimetres here; only that all images of one
    registration agree matters.
    """
    import SimpleITK

    stored = array.astype(np.uint8) if array.dtype == np.bool_ else array
    image = SimpleITK.GetImageFromArray(np.ascontiguousarray(stored.T))
    spacing = np.linalg.norm(grid.affine[:3, :3], axis=0)
    image.SetSpacing(spacing.tolist())
    image.SetOrigin(grid.affine[:3, 3].tolist())
    image.SetDirection((grid.affine[:3, :3] / spacing).ravel().tolist())
    return image

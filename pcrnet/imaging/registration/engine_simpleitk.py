"""SimpleITK's engine: gradient ascent of Mattes' mutual information, coarse to fine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pcrnet.errors import RegistrationError
from pcrnet.imaging.grid import Grid
from pcrnet.imaging.registration.likeness import BINS, Transform, WorkingScan

if TYPE_CHECKING:
    import SimpleITK

_SHRINK = (4, 2, 1)
_SMOOTHING = (2.0, 1.0, 0.0)  # voxels
_SAMPLES = 15_000
_SEED = 17


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
    method = SimpleITK.ImageRegistrationMethod()
    # Threads add in any order, and a climb carries the last digits on: equal scans would give
    # tensors that differ. Patients are what runs in parallel.
    method.SetNumberOfThreads(1)
    method.SetNumberOfWorkUnits(1)
    method.SetMetricAsMattesMutualInformation(BINS)
    method.SetMetricSamplingStrategy(method.RANDOM)
    sizes = [fixed.values.size / shrink**3 for shrink in _SHRINK]
    method.SetMetricSamplingPercentagePerLevel([min(1.0, _SAMPLES / n) for n in sizes], _SEED)
    method.SetMetricFixedMask(itk_image(fixed.looked_at, fixed.grid))
    method.SetMetricMovingMask(itk_image(moving.covered, moving.grid))
    method.SetInterpolator(SimpleITK.sitkLinear)
    method.SetShrinkFactorsPerLevel(list(_SHRINK))
    method.SetSmoothingSigmasPerLevel(list(_SMOOTHING))
    method.SmoothingSigmasAreSpecifiedInPhysicalUnitsOff()
    method.SetOptimizerAsRegularStepGradientDescent(
        learningRate=4.0,
        minStep=0.005,
        numberOfIterations=150,
        relaxationFactor=0.6,
        gradientMagnitudeTolerance=1e-6,
    )
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetInitialTransform(rigid, True)
    try:
        method.Execute(itk_image(fixed.values, fixed.grid), itk_image(moving.values, moving.grid))
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

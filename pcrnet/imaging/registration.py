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
from pcrnet.imaging.body_match import (
    BINS,
    Transform,
    WorkingScan,
    front_difference_mm,
    prepare_scan,
    similarity,
)
from pcrnet.imaging.grid import Grid
from pcrnet.imaging.volume import Volume

if TYPE_CHECKING:
    import SimpleITK

_STARTING_MM = 8.0
_SHRINK = (4, 2, 1)
_SMOOTHING = (2.0, 1.0, 0.0)  # voxels
_SAMPLES = 50_000
_SEED = 17


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
    alignment = _align(prepare_scan(fixed), prepare_scan(moving))
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


def _align(fixed: WorkingScan, moving: WorkingScan) -> Alignment:
    start = max(_starts(fixed, moving), key=lambda t: similarity(fixed, moving, t, _STARTING_MM))
    found = _climb(fixed, moving, start)
    before, after = (similarity(fixed, moving, t) for t in (np.eye(4), found))
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
        front_mm=front_difference_mm(fixed, moving, found),
    )


def _starts(fixed: WorkingScan, moving: WorkingScan) -> list[Transform]:
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


def _climb(fixed: WorkingScan, moving: WorkingScan, start: Transform) -> Transform:
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
    method.SetMetricAsMattesMutualInformation(BINS)
    method.SetMetricSamplingStrategy(method.RANDOM)
    sizes = [fixed.values.size / shrink**3 for shrink in _SHRINK]
    method.SetMetricSamplingPercentagePerLevel([min(1.0, _SAMPLES / n) for n in sizes], _SEED)
    method.SetMetricFixedMask(_image(fixed.looked_at.astype(np.uint8), fixed.grid))
    method.SetMetricMovingMask(_image(moving.covered.astype(np.uint8), moving.grid))
    method.SetInterpolator(SimpleITK.sitkLinear)
    method.SetShrinkFactorsPerLevel(list(_SHRINK))
    method.SetSmoothingSigmasPerLevel(list(_SMOOTHING))
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
    try:
        method.Execute(_image(fixed.values, fixed.grid), _image(moving.values, moving.grid))
    except RuntimeError:
        raise RegistrationError(
            "the two scans do not overlap enough to be registered",
            remedy="check that both visits show the same part of the same patient",
        ) from None
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

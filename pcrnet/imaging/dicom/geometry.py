"""From slices to the affine of a volume, in millimetres.

Positions and directions are DICOM's (LPS) until :func:`stack_affine` hands them over as RAS: the
one place where the axes are flipped. Tolerances are stated beside each check.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pcrnet.errors import (
    DuplicateSliceError,
    GantryTiltError,
    GeometryError,
    NotAVolumeError,
    OrientationError,
    SliceGapError,
)
from pcrnet.imaging.dicom.frames import Frame

SAME_PLACE_MM = 0.02
"""Slices closer than this along the normal are at one position."""

_COSINE_TOLERANCE = 1e-3
_SPACING_TOLERANCE = 1e-3
_MAX_TILT_DEGREES = 0.2
_MAX_DRIFT = 0.25
_LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


def check_same_plane(frames: Sequence[Frame]) -> None:
    """Check that all slices are parallel and share one pixel grid.

    Raises:
        OrientationError: Direction cosines that differ by more than 0.001.
        GeometryError: Directions that are not orthogonal unit vectors (0.001), or matrix sizes or
            pixel spacings (0.1 %) that differ.
    """
    directions = np.array([[*frame.row, *frame.column] for frame in frames])
    if np.abs(directions - directions[0]).max() > _COSINE_TOLERANCE:
        raise OrientationError(
            "the slices of the series are not parallel",
            field="ImageOrientationPatient",
            remedy="keep one orientation a folder; localizers often hold three",
        )
    axes = directions[0].reshape(2, 3)
    if np.abs(axes @ axes.T - np.eye(2)).max() > _COSINE_TOLERANCE:
        raise GeometryError(
            "the directions of rows and columns are not orthogonal unit vectors",
            field="ImageOrientationPatient",
            remedy="export the series again from the scanner or PACS",
        )
    shapes = {frame.shape for frame in frames}
    spacings = np.array([frame.spacing_mm for frame in frames])
    if len(shapes) > 1 or np.abs(spacings / spacings[0] - 1.0).max() > _SPACING_TOLERANCE:
        raise GeometryError(
            "the slices of the series differ in matrix size or pixel spacing",
            field="PixelSpacing",
            remedy="keep one reconstruction a folder",
        )


def slice_positions(frames: Sequence[Frame]) -> NDArray[np.int64]:
    """The ordinal of each of n slices' position along the common normal, from 0, shape (n,).

    Raises:
        NotAVolumeError: Several images, all at one position.
    """
    along_mm = _along_normal(frames)
    order = np.argsort(along_mm, kind="stable")
    steps = np.diff(along_mm[order]) > SAME_PLACE_MM
    ordinal = np.empty(len(frames), dtype=np.int64)
    ordinal[order] = np.concatenate([[0], np.cumsum(steps)])
    if len(frames) > 1 and not steps.any():
        raise NotAVolumeError(
            f"all {len(frames)} images lie at one position",
            field="ImagePositionPatient",
            remedy="name the series of the whole scan, not a timing or cine series",
        )
    return ordinal


def sort_slices(frames: Sequence[Frame], gap_tolerance: float) -> tuple[Frame, ...]:
    """Slices in the order of their positions along the normal, checked to be one regular stack.

    Args:
        frames: Parallel slices, at most one a position.
        gap_tolerance: How far a gap may differ from the median gap, as a fraction of it.

    Raises:
        DuplicateSliceError: Two slices at one position.
        SliceGapError: A gap outside the tolerance, or a slice further than a quarter of the
            spacing from its place in the regular stack.
        GantryTiltError: A stack sheared by more than 0.2°.
        NotAVolumeError: Slices shifted sideways against one another.
    """
    along_mm = _along_normal(frames)
    order = np.argsort(along_mm, kind="stable")
    ordered = tuple(frames[n] for n in order)
    if len(ordered) == 1:
        return ordered
    gaps_mm = np.diff(along_mm[order])
    if gaps_mm.min() <= SAME_PLACE_MM:
        raise DuplicateSliceError(
            "two slices lie at the same position",
            field="ImagePositionPatient",
            remedy="remove the copy, or keep one series a folder",
        )
    _check_gaps(gaps_mm, gap_tolerance)
    _check_shear(ordered)
    return ordered


def stack_affine(ordered: Sequence[Frame]) -> NDArray[np.float64]:
    """The affine (4, 4) from index (column, row, slice) to RAS millimetres.

    Args:
        ordered: The slices of one regular stack, as :func:`sort_slices` returns them.

    Raises:
        NotAVolumeError: A single slice of unknown thickness.
    """
    first, last = ordered[0], ordered[-1]
    row_mm, column_mm = first.spacing_mm
    affine = np.eye(4)
    affine[:3, 0] = _unit(first.row) * column_mm
    affine[:3, 1] = _unit(first.column) * row_mm
    if len(ordered) > 1:
        step = np.subtract(last.position_mm, first.position_mm) / (len(ordered) - 1)
    elif first.thickness_mm is not None and first.thickness_mm > 0:
        step = _normal(first) * first.thickness_mm
    else:
        raise NotAVolumeError(
            "is a single slice of unknown thickness",
            field="SliceThickness",
            remedy="give the whole series, not one image of it",
        )
    affine[:3, 2] = step
    affine[:3, 3] = first.position_mm
    return np.asarray(_LPS_TO_RAS @ affine, dtype=np.float64)


def _unit(vector: ArrayLike) -> NDArray[np.float64]:
    array = np.asarray(vector, dtype=np.float64)
    return array / np.linalg.norm(array)


def _normal(frame: Frame) -> NDArray[np.float64]:
    return _unit(np.cross(frame.row, frame.column))


def _along_normal(frames: Sequence[Frame]) -> NDArray[np.float64]:
    return np.array([frame.position_mm for frame in frames]) @ _normal(frames[0])


def _check_gaps(gaps_mm: NDArray[np.float64], tolerance: float) -> None:
    typical = float(np.median(gaps_mm))
    worst = float(gaps_mm[np.argmax(np.abs(gaps_mm - typical))])
    if abs(worst - typical) > tolerance * typical:
        raise SliceGapError(
            f"a gap of {worst:.2f} mm among slices that are {typical:.2f} mm apart (tolerance "
            f"{tolerance:.0%}): a slice is missing or does not belong",
            field="ImagePositionPatient",
            remedy="export the whole series again, one series a folder",
        )
    place_mm = np.concatenate([[0.0], np.cumsum(gaps_mm)])
    drift = float(np.abs(place_mm - np.linspace(0.0, place_mm[-1], place_mm.size)).max())
    if drift > _MAX_DRIFT * typical:
        raise SliceGapError(
            f"the spacing changes along the stack: a slice lies {drift:.2f} mm from its place",
            field="ImagePositionPatient",
            remedy="export the series in one slice spacing",
        )


def _check_shear(ordered: Sequence[Frame]) -> None:
    """Compare the line through the slice corners with the normal."""
    places = np.array([frame.position_mm for frame in ordered])
    normal = _normal(ordered[0])
    whole = places[-1] - places[0]
    sideways_mm = float(np.linalg.norm(whole - (whole @ normal) * normal))
    tilt = float(np.degrees(np.arctan2(sideways_mm, abs(whole @ normal))))
    if tilt > _MAX_TILT_DEGREES:
        raise GantryTiltError(
            f"the stack is sheared by {tilt:.1f}° against its slices (gantry tilt)",
            field="ImagePositionPatient",
            remedy="give the series that the scanner reformatted to a rectangular grid",
        )
    direction = whole / np.linalg.norm(whole)
    offsets = places - places[0]
    off_line = offsets - np.outer(offsets @ direction, direction)
    if np.linalg.norm(off_line, axis=1).max() > _MAX_DRIFT * min(ordered[0].spacing_mm):
        raise NotAVolumeError(
            "the slices are shifted sideways against one another",
            field="ImagePositionPatient",
            remedy="name the series of one rectangular scan",
        )

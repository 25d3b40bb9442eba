"""Where a NIfTI header says that its voxels lie: sform, qform and unit of length."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from pcrnet.errors import GeometryError
from pcrnet.imaging.volume import world_corners

_MAX_DISAGREEMENT_MM = 1.0
_LONG_QUATERNION = 1e-4
_HALF_TURN = 1e-7  # below it single precision cannot tell, says nifti1_io.c
_MM_PER_UNIT = {0: 1.0, 1: 1000.0, 2: 1.0, 3: 0.001}  # unknown is taken as mm, as everyone does


def header_affine(record: np.void, shape: tuple[int, int, int]) -> NDArray[np.float64]:
    """The affine to RAS millimetres, shape (4, 4): the sform if it is coded, else the qform.

    Args:
        record: Header fields under their names in nifti1.h.
        shape: Voxels along i, j and k.

    Raises:
        GeometryError: No orientation, two that disagree by more than 1 mm at a corner, or one
            that is not finite, singular or of impossible size.
    """
    pixdim = np.asarray(record["pixdim"], dtype=np.float64)
    for axis in (1, 2, 3):
        if not (math.isfinite(pixdim[axis]) and pixdim[axis] > 0):
            raise GeometryError(
                f"the voxel size is {pixdim[axis]:g}",
                field=f"pixdim[{axis}]",
                remedy="convert the image anew from DICOM",
            )
    coded: dict[str, NDArray[np.float64]] = {}
    if int(record["sform_code"]) > 0:
        coded["sform"] = _sform(record)
    if int(record["qform_code"]) > 0:
        coded["qform"] = _qform(record, pixdim)
    if not coded:
        raise GeometryError(
            "states no orientation: sform_code and qform_code are both 0",
            field="sform_code",
            remedy="convert the image anew from DICOM; set the code only if you know that the "
            "matrix is true",
        )
    unit = int(record["xyzt_units"]) & 7
    if unit not in _MM_PER_UNIT:
        raise GeometryError(
            f"states an unknown unit of length ({unit})", field="xyzt_units", remedy="set it to mm"
        )
    for name, matrix in coded.items():
        matrix[:3] *= _MM_PER_UNIT[unit]
        _check_matrix(matrix, name)
    if len(coded) == 2:
        apart = max(
            float(np.linalg.norm(difference))
            for difference in world_corners(coded["sform"], shape)
            - world_corners(coded["qform"], shape)
        )
        if apart > _MAX_DISAGREEMENT_MM:
            raise GeometryError(
                f"sform and qform disagree by {apart:.1f} mm at a corner of the volume",
                field="sform",
                remedy="convert the image anew from DICOM, or set the code of the wrong one to 0",
            )
    return next(iter(coded.values()))


def _sform(record: np.void) -> NDArray[np.float64]:
    return np.vstack([np.asarray(record["srow"], dtype=np.float64), [0.0, 0.0, 0.0, 1.0]])


def _qform(record: np.void, pixdim: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rotation from the quaternion (nifti1.h, method 2)."""
    b, c, d = (float(part) for part in record["quatern"])
    square = 1.0 - (b * b + c * c + d * d)
    if square < -_LONG_QUATERNION:
        raise GeometryError(
            "the quaternion of the qform is longer than 1, which is no rotation",
            field="qform",
            remedy="convert the image anew from DICOM",
        )
    a = math.sqrt(square) if square > _HALF_TURN else 0.0
    if a == 0.0:
        b, c, d = np.array([b, c, d]) / math.sqrt(1.0 - square)
    rotation = np.array(
        [
            [a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)],
            [2 * (b * c + a * d), a * a + c * c - b * b - d * d, 2 * (c * d - a * b)],
            [2 * (b * d - a * c), 2 * (c * d + a * b), a * a + d * d - b * b - c * c],
        ]
    )
    qfac = -1.0 if pixdim[0] < 0 else 1.0
    matrix = np.eye(4)
    matrix[:3, :3] = rotation * pixdim[1:4] * [1.0, 1.0, qfac]
    matrix[:3, 3] = record["qoffset"]
    return matrix


def _check_matrix(matrix: NDArray[np.float64], name: str) -> None:
    if not np.isfinite(matrix).all():
        raise GeometryError(
            f"the {name} matrix holds numbers that are not finite",
            field=name,
            remedy="convert the image anew from DICOM",
        )
    spacing = np.linalg.norm(matrix[:3, :3], axis=0)
    if not (spacing.min() > 0.01 and spacing.max() < 100.0):
        raise GeometryError(
            f"the {name} states voxels of {spacing[0]:g} × {spacing[1]:g} × {spacing[2]:g} mm",
            field=name,
            remedy="check the unit of length (xyzt_units), or convert anew from DICOM",
        )
    if abs(np.linalg.det(matrix[:3, :3] / spacing)) < 0.1:
        raise GeometryError(
            f"the axes of the {name} do not span space",
            field=name,
            remedy="convert the image anew from DICOM",
        )


def quaternion(directions: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]] | None:
    """The qform of axis directions (3, 3): qfac, and the quaternion's b, c and d, shape (3,).

    Returns:
        None where the axes are not orthogonal: a qform cannot hold shear.
    """
    from scipy.spatial.transform import Rotation

    if not np.allclose(directions.T @ directions, np.eye(3), atol=1e-6):
        return None
    qfac = 1.0 if np.linalg.det(directions) > 0 else -1.0
    rotation = Rotation.from_matrix(directions * [1.0, 1.0, qfac])
    return qfac, rotation.as_quat(canonical=True)[:3]  # scalar last, made non-negative

"""The numbers a report quotes of a lesion: uptake, metabolic volume, size and diffusion."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pcrnet.errors import GeometryError, ImageError, UnitError
from pcrnet.imaging.quantify.quantity import Mask
from pcrnet.imaging.units import ADC_UNIT, SUV_UNITS
from pcrnet.imaging.volume import Volume

FIXED_THRESHOLD_SUV = 4.0
RELATIVE_THRESHOLD = 0.41
"""Of SUVmax; EANM procedure guideline 2.0 (Boellaard et al., Eur J Nucl Med Mol Imaging 2015)."""

PEAK_SPHERE_ML = 1.0
_SUBSAMPLES = 9  # points along each voxel edge that share out a voxel cut by the sphere


@dataclass(frozen=True)
class PetMeasurements:
    """FDG uptake of a lesion; SUV values carry the unit of the volume, volumes are millilitres."""

    suv_max: float
    suv_mean: float
    suv_peak: float
    mtv_fixed_ml: float
    tlg_fixed_ml: float
    mtv_relative_ml: float
    tlg_relative_ml: float


def measure_pet(suv: Volume, mask: Mask) -> PetMeasurements:
    """Measure the uptake inside a mask.

    MTV is the volume of the lesion at or above a threshold (4.0, and 41 % of its SUVmax); TLG is
    MTV times the mean SUV in it (Larson et al., Clin Positron Imaging 1999; 2:159–171).

    Args:
        suv: PET in a standardised uptake value.
        mask: (i, j, k) the lesion on the grid of ``suv``.

    Raises:
        UnitError: The volume is no SUV.
        GeometryError: The mask is not on its grid.
        ImageError: The mask is empty.
    """
    if suv.unit not in SUV_UNITS:
        raise UnitError(f"uptake needs a standardised uptake value, found {suv.unit}")
    values = _inside(suv, mask).astype(np.float64)
    voxel_ml = _voxel_ml(suv)
    fixed = values[values >= FIXED_THRESHOLD_SUV]
    relative = values[values >= RELATIVE_THRESHOLD * values.max()]
    return PetMeasurements(
        suv_max=float(values.max()),
        suv_mean=float(values.mean()),
        suv_peak=suv_peak(suv, mask),
        mtv_fixed_ml=fixed.size * voxel_ml,
        tlg_fixed_ml=float(fixed.sum()) * voxel_ml,
        mtv_relative_ml=relative.size * voxel_ml,
        tlg_relative_ml=float(relative.sum()) * voxel_ml,
    )


def suv_peak(suv: Volume, mask: Mask) -> float:
    """The highest mean of a 1 mL sphere centred on a voxel of the lesion.

    Voxels are boxes of one value; those cut by the sphere count by the part inside it. The sphere
    may reach beyond the mask, not beyond the image. Blocky voxels blunt a sharp peak: a Gaussian
    lesion of 21 mm full width reads 1 % low on 2 mm voxels and 5 % low on 5.5 mm ones.
    Source: PERCIST 1.0 (Wahl et al., J Nucl Med 2009; 50:122S–150S).

    Args:
        suv: PET in a standardised uptake value.
        mask: (i, j, k) the lesion on its grid.

    Raises:
        GeometryError: The mask is not on the grid of ``suv``.
        ImageError: The mask is empty.
    """
    from scipy.signal import oaconvolve

    _inside(suv, mask)
    sphere = sphere_weights(suv.spacing_mm)
    box = _bounding_box(mask, margin=tuple(n // 2 for n in sphere.shape))
    values = suv.array[box].astype(np.float64)
    # The sphere is symmetric, so that convolution and correlation are the same.
    total = oaconvolve(values, sphere, mode="same")
    weight = oaconvolve(np.ones_like(values), sphere, mode="same")
    return float((total / weight)[mask[box]].max())


def volume_ml(grid: Volume, mask: Mask) -> float:
    """Volume of a mask (i, j, k): its voxels times the voxel volume, in millilitres."""
    return int(np.count_nonzero(mask)) * _voxel_ml(grid)


def longest_diameter_mm(grid: Volume, mask: Mask) -> float:
    """The greatest distance between two points of the surface of a lesion (i, j, k), in mm.

    The surface runs half-way between voxel centres inside and outside, which makes this the
    maximum 3D diameter of pyradiomics and of IBSI (feature L0JK).

    Raises:
        GeometryError: The mask is not on the grid.
        ImageError: The mask is empty.
    """
    from scipy.spatial import ConvexHull
    from scipy.spatial.distance import pdist

    _inside(grid, mask)
    padded = np.pad(mask, 1).astype(np.int8)
    # Two neighbours that differ share a point of the surface, half a voxel from either.
    faces = [np.argwhere(np.diff(padded, axis=axis)) + 0.5 * np.eye(3)[axis] for axis in range(3)]
    points = np.concatenate(faces) @ grid.affine[:3, :3].T
    return float(pdist(points[ConvexHull(points).vertices]).max())


def mean_adc(adc: Volume, mask: Mask) -> float:
    """Mean ADC in a mask (i, j, k) in 10⁻³ mm²/s, over the voxels above 0: elsewhere is no fit.

    Raises:
        UnitError: The volume is no ADC map.
        GeometryError: The mask is not on its grid.
        ImageError: The mask is empty, or holds no voxel with a fit.
    """
    if adc.unit != ADC_UNIT:
        raise UnitError(f"mean ADC needs a map in {ADC_UNIT}, found {adc.unit}")
    values = _inside(adc, mask)
    fitted = values[values > 0]
    if fitted.size == 0:
        raise ImageError("the ADC map holds no positive value inside the mask")
    return float(fitted.mean(dtype=np.float64))


def _inside(volume: Volume, mask: Mask) -> NDArray[np.float32]:
    if mask.shape != volume.array.shape:
        raise GeometryError(
            f"the mask has {mask.shape} voxels, the image {volume.array.shape}",
            remedy="resample the mask to the image first",
        )
    values = volume.array[mask]
    if values.size == 0:
        raise ImageError(
            "the lesion mask is empty on the grid of this image",
            remedy="check that the mask covers the lesion and lies where the image was taken",
        )
    return values


def _voxel_ml(volume: Volume) -> float:
    return float(abs(np.linalg.det(volume.affine[:3, :3]))) / 1000.0


def sphere_weights(spacing_mm: NDArray[np.float64]) -> NDArray[np.float64]:
    """The share of each voxel (i, j, k), odd numbers, in a 1 mL sphere about the middle voxel.

    Args:
        spacing_mm: (3,) voxel edges.
    """
    radius_mm = (PEAK_SPHERE_ML * 1000.0 * 3.0 / (4.0 * np.pi)) ** (1.0 / 3.0)
    squares = []
    for spacing in spacing_mm:
        reach = int(np.ceil(radius_mm / spacing - 0.5))
        count = (2 * reach + 1) * _SUBSAMPLES
        points_mm = ((np.arange(count) + 0.5) / _SUBSAMPLES - (reach + 0.5)) * spacing
        squares.append(points_mm**2)
    x, y, z = squares
    inside = x[:, None, None] + y[:, None] + z <= radius_mm**2
    blocks = [part for n in inside.shape for part in (n // _SUBSAMPLES, _SUBSAMPLES)]
    return np.asarray(inside.reshape(blocks).mean(axis=(1, 3, 5)), dtype=np.float64)


def _bounding_box(mask: Mask, margin: tuple[int, ...]) -> tuple[slice, ...]:
    places = np.argwhere(mask)
    low, high = places.min(axis=0), places.max(axis=0)
    return tuple(
        slice(max(int(first) - m, 0), int(last) + 1 + m)
        for first, last, m in zip(low, high, margin, strict=True)
    )

"""Scanners: how each site's PET/MRI turns tissue into images on grids of its own.

World coordinates are RAS millimetres. Each sequence has its own grid, orientation and small motion;
the three DCE phases are one sequence and share grid, gain and bias field.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial.transform import Rotation

from pcrnet.simulation.contrast import dce_signals
from pcrnet.simulation.phantom_grid import FIELD_OF_VIEW_MM, FloatMap, PhantomGrid
from pcrnet.simulation.tissue import TissueMaps

SEQUENCES: dict[str, tuple[str, ...]] = {
    "pet": ("pet",),
    "dce": ("dce_pre", "dce_early", "dce_late"),
    "t2": ("t2",),
    "adc": ("adc",),
}
"""Sequence to the channels that it yields, in the order in which they are acquired."""

_FWHM_PER_SIGMA = 2.3548
_AXES = {
    "L": (0, -1.0),
    "R": (0, 1.0),
    "P": (1, -1.0),
    "A": (1, 1.0),
    "I": (2, -1.0),
    "S": (2, 1.0),
}


@dataclass(frozen=True)
class Scanner:
    """One site's machine and protocol.

    Attributes:
        orientation: Sequence to the directions in which i, j and k run, such as ``LPS``.
        oblique_degrees: Sequence to the tilt of its grid about the three axes.
        pet_fwhm_mm: Point spread of the reconstructed PET.
        pet_noise: Standard deviation of the SUV where the SUV is 1.
        mri_noise: Standard deviation of the noise relative to the signal of gland.
        gain: Arbitrary MR units of a signal of 1.
        bias: Log change of the receive field from the middle to the edge.
    """

    orientation: Mapping[str, str]
    oblique_degrees: Mapping[str, tuple[float, float, float]]
    pet_fwhm_mm: float
    pet_noise: float
    mri_noise: float
    gain: float
    bias: float


SCANNERS = (
    Scanner(
        orientation={"pet": "LPS", "dce": "LPS", "t2": "LPS", "adc": "LPS"},
        oblique_degrees={"dce": (0.0, 0.0, 0.0), "t2": (0.0, 0.0, 0.0), "adc": (4.0, 0.0, 0.0)},
        pet_fwhm_mm=5.2,
        pet_noise=0.10,
        mri_noise=0.05,
        gain=12000.0,
        bias=0.20,
    ),
    Scanner(
        orientation={"pet": "LPI", "dce": "RAS", "t2": "PIR", "adc": "LPI"},
        oblique_degrees={"dce": (6.0, 0.0, -3.0), "t2": (0.0, 5.0, 8.0), "adc": (6.0, 0.0, -3.0)},
        pet_fwhm_mm=5.6,
        pet_noise=0.12,
        mri_noise=0.06,
        gain=4000.0,
        bias=0.28,
    ),
    Scanner(
        orientation={"pet": "RPS", "dce": "LIP", "t2": "LIP", "adc": "RAI"},
        oblique_degrees={"dce": (-5.0, 2.0, 0.0), "t2": (-5.0, 2.0, 0.0), "adc": (0.0, 0.0, 10.0)},
        pet_fwhm_mm=6.0,
        pet_noise=0.14,
        mri_noise=0.07,
        gain=30000.0,
        bias=0.24,
    ),
)
"""Sites use these in turn."""


@dataclass(frozen=True, eq=False)
class ScanGrid:
    """Where a sequence's voxels lie.

    Attributes:
        shape: Voxels along i, j and k.
        affine: Voxel index to RAS millimetres, shape (4, 4).
        to_phantom: Voxel index to phantom index, shape (4, 4), with all motion of the patient.
        phantom_shape: Voxels of the phantom.
    """

    shape: tuple[int, int, int]
    affine: NDArray[np.float64]
    to_phantom: NDArray[np.float64]
    phantom_shape: tuple[int, int, int]

    @cached_property
    def _neighbours(self) -> tuple[NDArray[np.int32], FloatMap]:
        """Flat phantom index of each voxel's lowest neighbour, and the way past it along i, j, k.

        Shapes (voxels,) and (3, voxels); shared by all maps that are sampled on this grid.
        """
        matrix = self.to_phantom.astype(np.float32)
        last = np.array(self.phantom_shape, dtype=np.float32)[:, None] - 1
        # Written out, because a matrix product's rounding depends on the number of its threads.
        i, j, k = (axis.astype(np.float32) for axis in np.ogrid[tuple(map(slice, self.shape))])
        position = np.stack([(a * i + b * j + c * k + d).ravel() for a, b, c, d in matrix[:3]])
        corner = np.clip(np.floor(position), 0.0, last - 1)
        fraction = np.clip(position - corner, 0.0, 1.0)
        first, second, third = corner.astype(np.int32)
        flat = (first * self.phantom_shape[1] + second) * self.phantom_shape[2] + third
        return flat, fraction

    def sample(self, values: FloatMap) -> FloatMap:
        """Trilinear values of a phantom map at the voxels, float32 (i, j, k).

        Beyond the phantom its outermost values go on.
        """
        corner, (fi, fj, fk) = self._neighbours
        flat = values.ravel()
        row, plane = self.phantom_shape[2], self.phantom_shape[1] * self.phantom_shape[2]

        def along_k(offset: int) -> FloatMap:
            near: FloatMap = flat.take(corner + offset)
            beyond: FloatMap = flat.take(corner + (offset + 1))
            return np.asarray(near + fk * (beyond - near))

        def along_j(offset: int) -> FloatMap:
            near = along_k(offset)
            return np.asarray(near + fj * (along_k(offset + row) - near))

        near = along_j(0)
        return np.asarray(near + fi * (along_j(plane) - near)).reshape(self.shape)


def patient_to_world(
    rng: np.random.Generator, *, right: bool, visit_mm: float, visit_degrees: float
) -> NDArray[np.float64]:
    """Canonical frame to RAS (4, 4) at one visit: the side of the body, how the patient lies."""
    side = 1.0 if right else -1.0
    placed = np.diag([side, 1.0, 1.0, 1.0])
    placed[:3, 3] = (85.0 * side, 55.0, -15.0)
    return motion(rng, placed[:3, 3], visit_mm, visit_degrees) @ placed


def motion(
    rng: np.random.Generator, centre_mm: NDArray[np.float64], shift_mm: float, degrees: float
) -> NDArray[np.float64]:
    """Random rigid motion about a centre: standard deviations of shift and angle per axis.

    Both are cut at two standard deviations.

    Args:
        rng: Of the motion.
        centre_mm: (3,) what it turns about.
        shift_mm: Standard deviation of the shift along each axis.
        degrees: Standard deviation of the angle about each axis.

    Returns:
        (4, 4) millimetres to millimetres.
    """
    rotation_degrees, translation = np.clip(rng.standard_normal((2, 3)), -2.0, 2.0)
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_euler(
        "xyz", degrees * rotation_degrees, degrees=True
    ).as_matrix()
    matrix[:3, 3] = centre_mm - matrix[:3, :3] @ centre_mm + shift_mm * translation
    return matrix


def plan_grid(
    rng: np.random.Generator,
    scanner: Scanner,
    sequence: str,
    phantom: PhantomGrid,
    world: NDArray[np.float64],
    mri_spacing_mm: float,
) -> ScanGrid:
    """The sequence's grid over the field of view, tilted and flipped as the site does it.

    Args:
        rng: Of how the slab is planned.
        scanner: The site's.
        sequence: Name of the sequence.
        phantom: The patient's grid.
        world: (4, 4) canonical millimetres to RAS.
        mri_spacing_mm: Voxel edge of the anatomical sequences.
    """
    spacing_mm = voxel_mm(sequence, mri_spacing_mm)
    directions = np.zeros((3, 3))
    shape = []
    for column, letter in enumerate(scanner.orientation[sequence]):
        axis, sign = _AXES[letter]
        directions[axis, column] = sign
        shape.append(round(FIELD_OF_VIEW_MM[axis] / spacing_mm[column]))
    tilt_degrees = scanner.oblique_degrees.get(sequence, (0.0, 0.0, 0.0))
    tilt = Rotation.from_euler("xyz", tilt_degrees, degrees=True).as_matrix()
    centre_mm = world[:3, 3] + rng.uniform(-2.0, 2.0, 3)
    affine = np.eye(4)
    affine[:3, :3] = tilt @ directions * spacing_mm
    affine[:3, 3] = centre_mm - affine[:3, :3] @ ((np.array(shape) - 1) / 2)
    moved = motion(rng, centre_mm, 0.7, 0.4) @ world
    to_phantom = np.linalg.inv(moved @ phantom.affine) @ affine
    return ScanGrid((shape[0], shape[1], shape[2]), affine, to_phantom, phantom.shape)


def voxel_mm(sequence: str, mri_spacing_mm: float) -> NDArray[np.float64]:
    """Voxel edges (3,) along i, j and k: those of PET and diffusion are the machine's own."""
    edges = {
        "pet": (4.0, 4.0, 3.27),
        "dce": (mri_spacing_mm, mri_spacing_mm, 3.0),
        "t2": (1.1 * mri_spacing_mm, 1.1 * mri_spacing_mm, 3.3),
        "adc": (3.5, 3.5, 4.0),
    }
    return np.array(edges[sequence])


def acquire(
    rng: np.random.Generator,
    scanner: Scanner,
    sequence: str,
    maps: TissueMaps,
    phantom: PhantomGrid,
    grid: ScanGrid,
) -> dict[str, FloatMap]:
    """The sequence's channels (i, j, k): PET in SUVbw, ADC in 10⁻³ mm²/s, the others arbitrary."""
    match sequence:
        case "pet":
            return {"pet": _acquire_pet(rng, scanner, maps, phantom, grid)}
        case "adc":
            return {"adc": _acquire_adc(rng, scanner, maps, grid)}
        case "t2":
            echo = maps.water * np.exp(-90.0 / maps.t2_ms)
            return _acquire_mri(rng, scanner, {"t2": echo}, grid, noise=0.16 * scanner.mri_noise)
        case "dce":
            phases = dce_signals(maps)
            return _acquire_mri(rng, scanner, phases, grid, noise=0.022 * scanner.mri_noise)
    raise ValueError(f"unknown sequence {sequence}")


def _acquire_pet(
    rng: np.random.Generator,
    scanner: Scanner,
    maps: TissueMaps,
    phantom: PhantomGrid,
    grid: ScanGrid,
) -> FloatMap:
    """Point spread, then noise of the counts: its variance is proportional to the uptake."""
    sigma = scanner.pet_fwhm_mm / _FWHM_PER_SIGMA / phantom.spacing_mm
    blurred = ndimage.gaussian_filter(maps.suv, sigma, mode="nearest", truncate=3.0)
    suv = grid.sample(blurred) * np.float32(np.exp(0.06 * rng.standard_normal()))
    noise = rng.standard_normal(grid.shape, dtype=np.float32)
    # Reconstruction smooths the noise too; a kernel of 0.6 voxels leaves 0.357 of its deviation.
    noise = ndimage.gaussian_filter(noise, 0.6, mode="nearest", truncate=3.0) / np.float32(0.357)
    noisy = suv + scanner.pet_noise * np.sqrt(suv + 0.05) * noise
    return np.asarray(np.maximum(noisy, 0.0), dtype=np.float32)


def _acquire_mri(
    rng: np.random.Generator,
    scanner: Scanner,
    signals: Mapping[str, FloatMap],
    grid: ScanGrid,
    *,
    noise: float,
) -> dict[str, FloatMap]:
    """Images of one sequence: one gain, one bias field, Rician noise."""
    field = np.float32(scanner.gain * rng.lognormal(0.0, 0.1)) * _bias_field(rng, scanner, grid)
    return {
        channel: field * _rician(rng, grid.sample(signal), noise)
        for channel, signal in signals.items()
    }


def _acquire_adc(
    rng: np.random.Generator, scanner: Scanner, maps: TissueMaps, grid: ScanGrid
) -> FloatMap:
    """Two diffusion weightings, b = 0 and 800 s/mm², and the log ratio that the console computes.

    Where there is no signal the console writes 0; noise thus grows as signal falls.
    """
    b_value = np.float32(0.8)
    unweighted = maps.water * np.exp(-60.0 / maps.t2_ms)
    noise = 0.25 * scanner.mri_noise
    first = _rician(rng, grid.sample(unweighted), noise)
    second = _rician(rng, grid.sample(unweighted * np.exp(-b_value * maps.adc)), 0.5 * noise)
    adc = np.log(first / np.maximum(second, 1e-6)) / b_value
    adc = np.clip(adc, 0.0, 3.5)
    return np.asarray(np.where(first > 4.0 * noise, adc, 0.0), dtype=np.float32)


def _rician(rng: np.random.Generator, signal: FloatMap, sigma: float) -> FloatMap:
    """Magnitude of the signal with complex Gaussian noise."""
    real, imaginary = rng.standard_normal((2, *signal.shape), dtype=np.float32) * np.float32(sigma)
    return np.asarray(np.sqrt((signal + real) ** 2 + imaginary**2), dtype=np.float32)


def _bias_field(rng: np.random.Generator, scanner: Scanner, grid: ScanGrid) -> FloatMap:
    """Smooth receive sensitivity: the exponential of a quadratic along each axis."""
    profiles = []
    for count in grid.shape:
        x = np.linspace(-1.0, 1.0, count)
        slope, curvature = scanner.bias * rng.normal((0.0, -0.5), (0.5, 0.3))
        profiles.append(np.exp(slope * x + curvature * x**2).astype(np.float32))
    i, j, k = profiles
    return np.asarray(i[:, None, None] * j[None, :, None] * k[None, None, :], dtype=np.float32)

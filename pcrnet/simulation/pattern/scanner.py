"""Other machines: every scan has a factor of its own, coarser PET with grainy noise, coil fields.

PET carries a calibration factor of the site and one of the visit. The dose and the timing of the
contrast agent differ from visit to visit, and with them all enhancement, in vessels and healthy
gland as well. Magnitudes of MRI are arbitrary by a factor of several.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from pcrnet.simulation.contrast import dce_signals
from pcrnet.simulation.phantom_grid import FloatMap, PhantomGrid
from pcrnet.simulation.scanner import ScanGrid, Scanner
from pcrnet.simulation.tissue import TissueMaps

_FWHM_PER_SIGMA = 2.3548
_PET_VISIT_SPREAD = 0.08
"""Standard deviation of the log factor of one PET: dose, clock and cross-calibration."""
_DOSE_SPREAD = 0.22
_GAIN_SPREAD = 0.5
_ADC_SPREAD = 0.03
_EARLY_S, _LATE_S = (75.0, 120.0), (300.0, 420.0)
_GRAIN_MM = 3.6
"""Standard deviation of the kernel by which PET noise is correlated."""


@dataclass(frozen=True)
class CalibratedScanner(Scanner):
    """A site's machine whose PET is off by a factor of its own.

    Attributes:
        pet_factor: Measured uptake over true uptake.
    """

    pet_factor: float


PATTERN_SCANNERS = (
    CalibratedScanner(
        orientation={"pet": "LPS", "dce": "RAS", "t2": "LPS", "adc": "RAS"},
        oblique_degrees={"dce": (0.0, 3.0, 0.0), "t2": (0.0, 3.0, 0.0)},
        pet_fwhm_mm=6.4,
        pet_noise=0.13,
        mri_noise=0.08,
        gain=900.0,
        bias=0.55,
        pet_factor=1.0,
    ),
    CalibratedScanner(
        orientation={"pet": "RAS", "dce": "LPI", "t2": "PIR", "adc": "LPI"},
        oblique_degrees={"dce": (-8.0, 0.0, 4.0), "t2": (4.0, 0.0, 0.0), "adc": (-8.0, 0.0, 4.0)},
        pet_fwhm_mm=7.2,
        pet_noise=0.16,
        mri_noise=0.10,
        gain=150.0,
        bias=0.75,
        pet_factor=1.07,
    ),
    CalibratedScanner(
        orientation={"pet": "LPI", "dce": "PSR", "t2": "LAS", "adc": "RPI"},
        oblique_degrees={"dce": (0.0, 0.0, 6.0), "t2": (0.0, 0.0, 6.0), "adc": (3.0, -4.0, 0.0)},
        pet_fwhm_mm=6.8,
        pet_noise=0.14,
        mri_noise=0.09,
        gain=5000.0,
        bias=0.65,
        pet_factor=0.93,
    ),
)
"""Sites use these in turn."""


def acquire_pattern(
    rng: np.random.Generator,
    scanner: CalibratedScanner,
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
            echo = maps.water * np.exp(-80.0 / maps.t2_ms)
            return _acquire_mri(rng, scanner, {"t2": echo}, grid, noise=0.16 * scanner.mri_noise)
        case "dce":
            times_s = {
                "dce_early": float(rng.uniform(*_EARLY_S)),
                "dce_late": float(rng.uniform(*_LATE_S)),
            }
            dose = float(np.exp(_DOSE_SPREAD * np.clip(rng.standard_normal(), -2.0, 2.0)))
            phases = dce_signals(maps, phase_seconds=times_s, dose=dose)
            return _acquire_mri(rng, scanner, phases, grid, noise=0.022 * scanner.mri_noise)
    raise ValueError(f"unknown sequence {sequence}")


def _acquire_pet(
    rng: np.random.Generator,
    scanner: CalibratedScanner,
    maps: TissueMaps,
    phantom: PhantomGrid,
    grid: ScanGrid,
) -> FloatMap:
    """Point spread, coarser along the axis, then noise that is correlated over a centimetre."""
    sigma = scanner.pet_fwhm_mm / _FWHM_PER_SIGMA / phantom.spacing_mm
    blurred = ndimage.gaussian_filter(
        maps.suv, (sigma, sigma, 1.15 * sigma), mode="nearest", truncate=3.0
    )
    visit = np.exp(_PET_VISIT_SPREAD * np.clip(rng.standard_normal(), -2.5, 2.5))
    suv = grid.sample(blurred) * np.float32(scanner.pet_factor * visit)
    noise = correlated_noise(rng, grid, _GRAIN_MM)
    noisy = suv + scanner.pet_noise * np.sqrt(suv + 0.03) * noise
    return np.asarray(np.maximum(noisy, 0.0), dtype=np.float32)


def correlated_noise(rng: np.random.Generator, grid: ScanGrid, sigma_mm: float) -> FloatMap:
    """Gaussian noise of unit variance, smoothed by a Gaussian kernel; the grid's shape."""
    edges_mm = np.sqrt((grid.affine[:3, :3] ** 2).sum(axis=0))
    noise = rng.standard_normal(grid.shape, dtype=np.float32)
    for axis, edge_mm in enumerate(edges_mm):
        reach = int(np.ceil(3.0 * sigma_mm / edge_mm))
        kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) * edge_mm / sigma_mm) ** 2)
        kernel /= np.sqrt((kernel**2).sum())  # keeps the variance of white noise at one
        noise = ndimage.correlate1d(noise, kernel, axis=axis, mode="wrap")
    return np.asarray(noise, dtype=np.float32)


def _acquire_mri(
    rng: np.random.Generator,
    scanner: Scanner,
    signals: Mapping[str, FloatMap],
    grid: ScanGrid,
    *,
    noise: float,
) -> dict[str, FloatMap]:
    """Images of one sequence: one gain, one coil field, Rician noise."""
    gain = np.float32(scanner.gain * np.exp(_GAIN_SPREAD * rng.standard_normal()))
    field = gain * _coil_field(rng, scanner, grid)
    return {
        channel: field * _rician(rng, grid.sample(signal), noise)
        for channel, signal in signals.items()
    }


def _acquire_adc(
    rng: np.random.Generator, scanner: Scanner, maps: TissueMaps, grid: ScanGrid
) -> FloatMap:
    """b = 50 and 1000 s/mm², the second averaged six times; 0 where there is no signal.

    The gradients are a few per cent off, by another amount at each visit.
    """
    low, high = np.float32(0.05), np.float32(1.0)
    gradients = np.float32(np.exp(_ADC_SPREAD * rng.standard_normal()))
    unweighted = maps.water * np.exp(-65.0 / maps.t2_ms)
    diffusion = gradients * maps.adc
    noise = 0.22 * scanner.mri_noise
    first = _rician(rng, grid.sample(unweighted * np.exp(-low * diffusion)), noise)
    second = _rician(rng, grid.sample(unweighted * np.exp(-high * diffusion)), 0.4 * noise)
    adc = np.clip(np.log(first / np.maximum(second, 1e-6)) / (high - low), 0.0, 3.5)
    return np.asarray(np.where(first > 3.5 * noise, adc, 0.0), dtype=np.float32)


def _rician(rng: np.random.Generator, signal: FloatMap, sigma: float) -> FloatMap:
    """Magnitude of the signal with complex Gaussian noise."""
    noise = rng.standard_normal((2, *signal.shape), dtype=np.float32) * np.float32(sigma)
    return np.asarray(np.hypot(signal + noise[0], noise[1]), dtype=np.float32)


def _coil_field(rng: np.random.Generator, scanner: Scanner, grid: ScanGrid) -> FloatMap:
    """Receive sensitivity of a surface coil: it falls off from a point at the edge of the field."""
    offset = np.zeros(grid.shape, dtype=np.float32)
    for axis, count in enumerate(grid.shape):
        x = np.linspace(-1.0, 1.0, count, dtype=np.float32) - np.float32(rng.uniform(-0.8, 0.8))
        offset += (x**2).reshape([-1 if each == axis else 1 for each in range(3)])
    return np.asarray(1.6 / (1.0 + np.float32(scanner.bias) * offset), dtype=np.float32)

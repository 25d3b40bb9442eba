"""Contrast agent kinetics: arterial input, tissue uptake and the signal of the enhanced tissue."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32] | NDArray[np.float64]

HAEMATOCRIT = 0.42

_RATE_TABLE_POINTS = 257


def parker_arterial_input(time_min: NDArray[np.float64]) -> NDArray[np.float64]:
    """Population-averaged concentration of contrast agent in arterial blood.

    Args:
        time_min: Minutes since the bolus arrived, any shape.

    Returns:
        Blood concentration in mmol/l, for 0.1 mmol/kg; divide by 1 − haematocrit for plasma.

    Reference: Parker et al., Magn Reson Med 2006; 56:993–1000, table 1.
    """
    time = np.asarray(time_min, dtype=np.float64)
    first_pass = _gaussian_bolus(time, area=0.809, centre_min=0.17046, width_min=0.0563)
    recirculation = _gaussian_bolus(time, area=0.330, centre_min=0.365, width_min=0.132)
    washout = 1.050 * np.exp(-0.1685 * time) / (1.0 + np.exp(-38.078 * (time - 0.483)))
    return np.asarray(first_pass + recirculation + washout, dtype=np.float64)


def _gaussian_bolus(
    time_min: NDArray[np.float64], *, area: float, centre_min: float, width_min: float
) -> NDArray[np.float64]:
    height = area / (width_min * np.sqrt(2.0 * np.pi))
    return np.asarray(height * np.exp(-0.5 * ((time_min - centre_min) / width_min) ** 2))


def extended_tofts(
    ktrans_per_min: FloatArray,
    ve: FloatArray,
    vp: FloatArray,
    plasma_time_min: NDArray[np.float64],
    plasma_mmol_l: NDArray[np.float64],
) -> NDArray[np.float32]:
    """Tissue concentration at the last moment of a plasma time course.

    C(T) = vp·Cp(T) + Ktrans ∫₀ᵀ Cp(τ) exp(−Ktrans/ve·(T − τ)) dτ. The integral is tabulated over
    the rate constant Ktrans/ve, so that a whole map costs one look-up a voxel.

    Args:
        ktrans_per_min: Volume transfer constant, any shape.
        ve: Fractional volume of the extravascular extracellular space, same shape, > 0.
        vp: Fractional plasma volume, same shape.
        plasma_time_min: Increasing times from the bolus to the moment T, shape (t,).
        plasma_mmol_l: Plasma concentration at these times, shape (t,).

    Returns:
        Tissue concentration at T in mmol/l, same shape as the maps.

    Reference: Tofts et al., J Magn Reson Imaging 1999; 10:223–232.
    """
    rate_per_min = ktrans_per_min / ve
    table_per_min = np.linspace(0.0, max(float(rate_per_min.max()), 1e-6), _RATE_TABLE_POINTS)
    remaining_min = plasma_time_min[-1] - plasma_time_min
    residue = np.exp(-table_per_min[:, None] * remaining_min[None, :])
    integral = np.trapezoid(residue * plasma_mmol_l, plasma_time_min, axis=1)
    leaked = ktrans_per_min * np.interp(rate_per_min, table_per_min, integral)
    return np.asarray(vp * plasma_mmol_l[-1] + leaked, dtype=np.float32)


def spoiled_gradient_signal(
    t1_ms: FloatArray,
    concentration_mmol_l: FloatArray | float,
    *,
    repetition_ms: float,
    flip_degrees: float,
    relaxivity_l_mmol_s: float,
) -> NDArray[np.float32]:
    """Steady-state signal of a spoiled gradient echo for unit proton density.

    S = sin α·(1 − E₁)/(1 − cos α·E₁), E₁ = exp(−TR·R₁), R₁ = 1/T₁ + r₁·C; T2* decay is neglected,
    as it is short echo times' purpose.

    Args:
        t1_ms: Native T1, any shape.
        concentration_mmol_l: Contrast agent in the tissue, same shape or a number.
        repetition_ms: TR.
        flip_degrees: Flip angle α.
        relaxivity_l_mmol_s: r₁ of the contrast agent.

    Returns:
        Signal in 0–1, same shape.

    Reference: Frahm et al., Magn Reson Med 1986; 3:321–327 (FLASH).
    """
    rate_per_s = 1000.0 / t1_ms + relaxivity_l_mmol_s * concentration_mmol_l
    decay = np.exp(-repetition_ms / 1000.0 * rate_per_s)
    flip = np.deg2rad(flip_degrees)
    signal = np.sin(flip) * (1.0 - decay) / (1.0 - np.cos(flip) * decay)
    return np.asarray(signal, dtype=np.float32)

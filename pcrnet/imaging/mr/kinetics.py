"""Contrast kinetics: enhancement maps, arterial input, signal and concentration."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

HAEMATOCRIT = 0.42


def percent_enhancement(before: ArrayLike, after: ArrayLike) -> Floats:
    """PE = 100 · (S₁ − S₀)/S₀ in percent; NaN where S₀ is not positive, for nothing is known there.

    Args:
        before: Signal S₀ before contrast, any shape.
        after: Signal S₁ of an enhanced phase, same shape.
    """
    s0, s1 = np.asarray(before, np.float64), np.asarray(after, np.float64)
    return divide(100.0 * (s1 - s0), s0, where=s0 > 0)


def signal_enhancement_ratio(before: ArrayLike, early: ArrayLike, late: ArrayLike) -> Floats:
    """SER = (S₁ − S₀)/(S₂ − S₀); NaN where the late phase shows no change, S₂ = S₀.

    Above 1 is wash-out, below 1 is persistent enhancement. It is neither clipped nor restricted to
    enhancing voxels, which published maps often are.

    Args:
        before: Signal S₀ before contrast, any shape.
        early: Signal S₁ of the early phase, same shape.
        late: Signal S₂ of the late phase, same shape.

    Source: Hylton et al., Radiology 2012; 263:663–672.
    """
    s0, s1, s2 = (np.asarray(phase, np.float64) for phase in (before, early, late))
    return divide(s1 - s0, s2 - s0, where=s2 != s0)


def parker_arterial_input(time_min: ArrayLike) -> Floats:
    """Population average of the contrast agent in arterial blood, mmol/l for 0.1 mmol/kg.

    Args:
        time_min: Minutes since the bolus arrived, any shape; 0 mmol/l before.

    Source: Parker et al., Magn Reson Med 2006; 56:993–1000, table 1.
    """
    t = np.asarray(time_min, np.float64)
    bolus = sum(
        area / (width * np.sqrt(2 * np.pi)) * np.exp(-0.5 * ((t - centre) / width) ** 2)
        for area, centre, width in ((0.809, 0.17046, 0.0563), (0.330, 0.365, 0.132))
    )
    # The clip keeps exp from overflowing long before the bolus; the term is 0 there.
    washout = 1.050 * np.exp(-0.1685 * t) / (1 + np.exp(np.clip(-38.078 * (t - 0.483), None, 700)))
    return np.where(t >= 0, bolus + washout, 0.0)


@dataclass(frozen=True, eq=False)
class PlasmaInput:
    """Contrast agent in arterial plasma, linear between its samples.

    Attributes:
        time_s: Increasing seconds, shape (s,); fine enough for the first pass (1 s or less).
        plasma_mmol_l: Concentration at these times, shape (s,).
    """

    time_s: Floats
    plasma_mmol_l: Floats


def parker_plasma(duration_s: float, *, arrival_s: float = 0.0, step_s: float = 0.5) -> PlasmaInput:
    """Parker's arterial input as plasma concentration (haematocrit 0.42).

    Args:
        duration_s: Last time covered.
        arrival_s: When the bolus arrives.
        step_s: Sampling interval.
    """
    time_s = np.arange(0.0, duration_s + step_s, step_s)
    blood = parker_arterial_input((time_s - arrival_s) / 60.0)
    return PlasmaInput(time_s, blood / (1.0 - HAEMATOCRIT))


def spoiled_gradient_signal(
    t1_s: ArrayLike, *, repetition_s: float, flip_degrees: float, equilibrium: ArrayLike = 1.0
) -> Floats:
    """Steady-state signal of a spoiled gradient echo, M₀ sin α (1 − E₁)/(1 − cos α E₁).

    Args:
        t1_s: Longitudinal relaxation time, any shape.
        repetition_s: TR.
        flip_degrees: Flip angle α.
        equilibrium: M₀, same shape or a number. T2* decay is neglected.

    Source: Frahm et al., Magn Reson Med 1986; 3:321–327 (FLASH).
    """
    e1 = np.exp(-repetition_s / np.asarray(t1_s, np.float64))
    alpha = np.deg2rad(flip_degrees)
    return np.asarray(equilibrium * np.sin(alpha) * (1 - e1) / (1 - np.cos(alpha) * e1))


def concentration_from_signal(
    signal: ArrayLike,
    baseline: ArrayLike,
    *,
    t1_s: ArrayLike,
    repetition_s: float,
    flip_degrees: float,
    relaxivity_l_mmol_s: float,
) -> Floats:
    """Contrast agent in tissue, from the signal of a spoiled gradient echo, in mmol/l.

    Inverts :func:`spoiled_gradient_signal` with R₁ = 1/T₁ + r₁·C, M₀ taken from the baseline. NaN
    where no concentration gives the signal, which noise in strong enhancement can cause.

    Args:
        signal: Signal after contrast, any shape.
        baseline: Mean signal before contrast, broadcastable to it, positive.
        t1_s: Native T1, broadcastable to it.
        repetition_s: TR.
        flip_degrees: Flip angle.
        relaxivity_l_mmol_s: r₁ of the agent.
    """
    native_rate = 1.0 / np.asarray(t1_s, np.float64)
    native_signal = spoiled_gradient_signal(
        1.0 / native_rate, repetition_s=repetition_s, flip_degrees=flip_degrees
    )
    s0 = np.asarray(baseline, np.float64)
    relative = divide(np.asarray(signal, np.float64) * native_signal, s0, where=s0 > 0)
    alpha = np.deg2rad(flip_degrees)
    above = np.sin(alpha) - relative
    below = np.sin(alpha) - relative * np.cos(alpha)
    e1 = divide(above, below, where=(above > 0) & (below > 0))
    return np.asarray((-np.log(e1) / repetition_s - native_rate) / relaxivity_l_mmol_s)


def divide(above: Floats, below: Floats, *, where: NDArray[np.bool_]) -> Floats:
    """``above / below``, of one shape, where allowed, NaN elsewhere."""
    shape = np.broadcast_shapes(np.shape(above), np.shape(below))
    return np.asarray(np.divide(above, below, out=np.full(shape, np.nan), where=where))

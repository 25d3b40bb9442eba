"""Dynamic contrast enhancement: what a spoiled gradient echo sees of the tissue at each phase."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from pcrnet.imaging.mr.kinetics import PlasmaInput, parker_plasma, spoiled_gradient_signal
from pcrnet.imaging.mr.tofts import tofts_concentration
from pcrnet.simulation.phantom_grid import FloatMap
from pcrnet.simulation.tissue import TissueMaps

PHASE_SECONDS = {"dce_early": 90.0, "dce_late": 360.0}
"""Seconds from the arrival of the bolus to the middle of each enhanced phase."""

_REPETITION_S = 0.005
_FLIP_DEGREES = 12.0
_RELAXIVITY_L_MMOL_S = 4.5  # gadobutrol in tissue at 3 tesla
_RATE_TABLE_POINTS = 257


def dce_signals(
    maps: TissueMaps,
    *,
    phase_seconds: Mapping[str, float] = MappingProxyType(PHASE_SECONDS),
    dose: float = 1.0,
) -> dict[str, FloatMap]:
    """Signal of ``dce_pre`` and of the enhanced phases, spin density included.

    Extended Tofts model with Parker's arterial input; T2* decay is neglected.

    Args:
        maps: The tissue.
        phase_seconds: Enhanced phase to seconds from the arrival of the bolus to its middle.
        dose: Of contrast agent, as a factor of the standard one.

    Returns:
        float32 maps (u, v, w) on the phantom grid, of a scale that the three phases share.
    """
    body = maps.water > 0.0  # the rest is air, a good third of the field of view
    water, native_per_s = maps.water[body], 1000.0 / maps.t1_ms[body]

    def signal(enhancement_per_s: NDArray[np.float32] | float) -> FloatMap:
        image = np.zeros(body.shape, dtype=np.float32)
        image[body] = spoiled_gradient_signal(
            1.0 / (native_per_s + enhancement_per_s),
            repetition_s=_REPETITION_S,
            flip_degrees=_FLIP_DEGREES,
            equilibrium=water,
        )
        return image

    uptake = tissue_concentrations(
        maps.ktrans[body],
        maps.ve[body],
        maps.vp[body],
        parker_plasma(max(phase_seconds.values())),
        tuple(phase_seconds.values()),
    )
    signals = {"dce_pre": signal(0.0)}
    for phase, mmol_l in zip(phase_seconds, uptake, strict=True):
        signals[phase] = signal(dose * _RELAXIVITY_L_MMOL_S * mmol_l)
    return signals


def tissue_concentrations(
    ktrans_per_min: FloatMap,
    ve: FloatMap,
    vp: FloatMap,
    plasma: PlasmaInput,
    times_s: tuple[float, ...],
) -> tuple[FloatMap, ...]:
    """The extended Tofts model for whole maps at a few times.

    Per unit of Ktrans, what has leaked depends on the rate constant Ktrans/ve alone: it is
    tabulated over that rate, and each voxel costs one look-up a time.

    Args:
        ktrans_per_min, ve, vp: Maps of any one shape; ve > 0.
        plasma: The arterial input.
        times_s: When.

    Returns:
        mmol/l, float32, one map of that shape a time.
    """
    rate = ktrans_per_min / ve
    rates = np.linspace(1e-4, max(float(rate.max()), 1e-3), _RATE_TABLE_POINTS)
    leaked = tofts_concentration(np.ones_like(rates), 1.0 / rates, 0.0, plasma, times_s)
    vascular = np.interp(times_s, plasma.time_s, plasma.plasma_mmol_l)
    return tuple(
        np.asarray(vp * blood + ktrans_per_min * np.interp(rate, rates, column), dtype=np.float32)
        for blood, column in zip(vascular, leaked.T, strict=True)
    )

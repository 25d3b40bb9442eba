"""Diffusion of one visit together with another signal: dense tissue that burns or enhances."""

from __future__ import annotations

import numpy as np

from pcrnet.imaging.quantify.excess import Excess
from pcrnet.imaging.quantify.measures.adc import UNIT
from pcrnet.imaging.quantify.place import Place
from pcrnet.imaging.quantify.quantity import Quantity, Values
from pcrnet.imaging.quantify.sampled import Sampled, smoothed

LOW_ADC = 1.2
"""10⁻³ mm²/s; viable tumour lies below, most benign tissue above."""
_SMOOTHING_MM = 2.0

QUANTITIES = (
    Quantity("correlation_r", "correlation of uptake and ADC over the bed", "1"),
    Quantity(
        "weighted_adc_1e3_mm2_s",
        "ADC of the bed weighted by its uptake above near tissue",
        UNIT,
    ),
    Quantity(
        "hot_dense_fraction",
        "share of the bed with uptake above half and ADC below 1.2",
        "1",
    ),
)

SOLID = (
    Quantity(
        "solid_adc_1e3_mm2_s",
        "median ADC of the bed where the other signal stands above half of this visit's peak",
        UNIT,
        compared=True,
    ),
)


def measure_joint(pet: Excess, adc: Sampled, place: Place) -> dict[str, float]:
    """How uptake and diffusion go together, over the voxels of the bed with an ADC above 0."""
    smooth = smoothed(np.maximum(adc.values, 0.0), place, _SMOOTHING_MM)
    used = place.bed & (adc.values > 0)
    if used.sum() < 8:
        return {quantity.name: float("nan") for quantity in QUANTITIES}
    share = pet.share[used]
    diffusion = smooth[used]
    weights = np.clip(share, 0.0, 1.0)
    dense = (share >= 0.5) & (diffusion < LOW_ADC)
    return {
        "correlation_r": correlation(share, diffusion),
        "weighted_adc_1e3_mm2_s": (
            float(weights @ diffusion / weights.sum()) if weights.any() else float("nan")
        ),
        "hot_dense_fraction": float(dense.mean()),
    }


def measure_solid(other: Excess, adc: Sampled, place: Place) -> dict[str, float]:
    """ADC of the tissue that stands out on this visit's uptake or enhancement.

    The lesion of the first visit holds other tissue once it has shrunk, fat above all, whose ADC
    may lie on either side of a tumour's: over all of it ADC can fall where that of the tumour rose.
    """
    used = place.bed & (adc.values > 0) & (other.share >= 0.5)
    if used.sum() < 8:
        return {quantity.name: float("nan") for quantity in SOLID}
    return {SOLID[0].name: float(np.median(adc.values[used]))}


def correlation(first: Values, second: Values) -> float:
    """Pearson's correlation of two samples (n,), in [−1, 1]; 0 where either does not vary."""
    a, b = first - first.mean(), second - second.mean()
    size = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / size if size > 1e-12 else 0.0

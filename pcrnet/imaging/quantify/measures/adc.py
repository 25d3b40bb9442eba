"""Diffusion of one visit in the lesion."""

from __future__ import annotations

import numpy as np

from pcrnet.imaging.quantify.place import Place
from pcrnet.imaging.quantify.quantity import Quantity
from pcrnet.imaging.quantify.sampled import Sampled

UNIT = "1e-3 mm2/s"

QUANTITIES = (
    Quantity(
        "mean_1e3_mm2_s",
        "mean ADC of the lesion",
        UNIT,
        modelled=False,
        compared=True,
    ),
    Quantity("p10_1e3_mm2_s", "10th percentile of ADC in the lesion", UNIT, compared=True),
    Quantity(
        "p50_1e3_mm2_s",
        "median ADC of the lesion",
        UNIT,
        compared=True,
    ),
    Quantity(
        "spread_1e3_mm2_s",
        "90th less 10th percentile of ADC in the lesion",
        UNIT,
        compared=True,
    ),
)


def measure_adc(scan: Sampled, place: Place) -> dict[str, float]:
    """ADC over the voxels above 0: elsewhere no fit exists."""
    values = scan.values[place.lesion & (scan.values > 0)]
    if values.size == 0:
        return {quantity.name: float("nan") for quantity in QUANTITIES}
    p10, p50, p90 = np.percentile(values, (10, 50, 90))
    mean, spread = float(values.mean()), float(p90 - p10)
    numbers = (mean, float(p10), float(p50), spread)
    return {q.name: number for q, number in zip(QUANTITIES, numbers, strict=True)}

"""A channel without a unit of its own, such as T2, against near tissue of the same scan."""

from __future__ import annotations

import numpy as np

from pcrnet.imaging.quantify.measures.pattern import VARIATION, ratio_ln, variation_ln
from pcrnet.imaging.quantify.place import Place
from pcrnet.imaging.quantify.quantity import Quantity
from pcrnet.imaging.quantify.sampled import Sampled, near_level

QUANTITIES = (
    Quantity(
        "lesion_to_near_ln",
        "median signal of the lesion over that of near tissue",
        "ln 1",
        compared=True,
    ),
    VARIATION,
)


def measure_signal(scan: Sampled, place: Place) -> dict[str, float]:
    """Signal relative to near tissue, so that the scanner's gain cancels."""
    inside = scan.values[place.lesion & scan.covered]
    return {
        "lesion_to_near_ln": (
            ratio_ln(float(np.median(inside)), near_level(scan, place))
            if inside.size
            else float("nan")
        ),
        "cv_ln": variation_ln(inside),
    }

"""How a signal is spread within the lesion: rim against core, and its variation. One home for both,
whatever the signal is: uptake, enhancement or a weighted image.
"""

from __future__ import annotations

import numpy as np

from pcrnet.imaging.quantify.place import Place
from pcrnet.imaging.quantify.quantity import Mask, Quantity, Values, ln

VARIATION = Quantity(
    "cv_ln", "standard deviation over mean in the lesion", "ln 1", modelled=False, compared=True
)


def quantities_of(signal: str) -> tuple[Quantity, ...]:
    """What :func:`pattern` measures.

    Args:
        signal: What is spread, in a word.
    """
    return (
        Quantity(
            "rim_to_core_ln",
            f"{signal} of the lesion's outer half over that of its inner half",
            "ln 1",
            compared=True,
        ),
        VARIATION,
    )


def pattern(values: Values, place: Place) -> dict[str, float]:
    """Rim against core, and coefficient of variation, of positive (x, y, z) in the lesion."""
    inner = place.depth_rank >= float(np.median(place.depth_rank[place.lesion]))
    core, rim = _mean(values, place.lesion & inner), _mean(values, place.lesion & ~inner)
    return {
        "rim_to_core_ln": ratio_ln(rim, core),
        "cv_ln": variation_ln(values[place.lesion]),
    }


def variation_ln(inside: Values) -> float:
    """ln of standard deviation over mean of values (n,), softened; NaN where the mean is not
    above 0.
    """
    mean = float(inside.mean()) if inside.size else 0.0
    return ln(float(inside.std()) / mean, 0.02) if mean > 0 else float("nan")


def ratio_ln(value: float, reference: float) -> float:
    """ln(value / reference), softened where the value nears 0; NaN without a reference."""
    if not reference > 0:
        return float("nan")
    return float(np.log(max(value / reference, 0.0) + 0.05))


def _mean(values: Values, where: Mask) -> float:
    return float(values[where].mean()) if where.any() else float("nan")

"""What a quantity is before it belongs to a visit and a channel."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Quantity:
    """A measurement as its module declares it.

    Attributes:
        name: With the unit at its end, without visit and channel.
        meaning: One line.
        unit: As in :class:`~pcrnet.imaging.quantify.specs.QuantitySpec`.
        modelled: Whether it is meant for a model: compressed, robust, not said by another.
        modelled_later: Whether it is meant for a model at the later visits, where it tells how the
            lesion went; at the first it tells little.
        compared: Whether its difference between two visits is a quantity too.
    """

    name: str
    meaning: str
    unit: str
    modelled: bool = field(default=True, kw_only=True)
    modelled_later: bool = field(default=False, kw_only=True)
    compared: bool = field(default=False, kw_only=True)


def ln(value: float, floor: float) -> float:
    """Natural logarithm of a value that is not negative, softened: ln(value + floor)."""
    return float(np.log(max(value, 0.0) + floor))

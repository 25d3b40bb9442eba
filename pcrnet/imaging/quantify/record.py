"""What was measured of one patient, and how far it can be trusted."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, cast

from pcrnet.imaging.lesion.location import LesionSource


@dataclass(frozen=True)
class VisitRegistration:
    """How a later visit was brought to the first.

    Attributes:
        accepted: Whether it was moved; else it was measured as it lay.
        similarity_before: Mutual information as it came, in nats, the lesion left out; NaN where
            nothing could be compared.
        similarity_after: The same as measured.
        shift_mm: How far the middle of the first scan was moved.
        rotation_degrees: How far it was turned.
        problem: Why it was not moved, or what speaks against having moved it; None where nothing.
    """

    accepted: bool
    similarity_before: float
    similarity_after: float
    shift_mm: float
    rotation_degrees: float
    problem: str | None


@dataclass(frozen=True)
class QuantityFlags:
    """What stands behind the numbers.

    Attributes:
        lesion: Whether a mask was given, the lesion was found, or there is none to measure.
        lesion_of: The visit that it was taken from; None without a lesion.
        lesion_quality: Of a found lesion, 0 to 1; NaN elsewhere.
        registrations: Later visit to its registration.
        present: The ``timepoint.channel`` that were measured or could have been.
    """

    lesion: LesionSource
    lesion_of: str | None
    lesion_quality: float
    registrations: Mapping[str, VisitRegistration]
    present: tuple[str, ...]


@dataclass(frozen=True)
class Quantities:
    """All quantities of one patient.

    Attributes:
        values: Name to value, in the order of the specifications; NaN is what was not measured.
        flags: What stands behind them.
    """

    values: Mapping[str, float]
    flags: QuantityFlags

    @classmethod
    def nothing(cls) -> Quantities:
        """Of a patient in whom nothing was measured."""
        return cls({}, QuantityFlags("none", None, math.nan, {}, ()))

    def to_json(self) -> dict[str, object]:
        """Plain data; NaN becomes None."""
        return cast(dict[str, object], _none_for_nan(asdict(self)))

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> Quantities:
        """What :meth:`to_json` gave.

        Raises:
            KeyError, TypeError: It is something else.
        """
        flags = plain["flags"]
        registrations = {
            timepoint: VisitRegistration(
                accepted=bool(of["accepted"]),
                problem=of["problem"],
                **{name: _number(of[name]) for name in _REGISTRATION_NUMBERS},
            )
            for timepoint, of in flags["registrations"].items()
        }
        return cls(
            values={name: _number(value) for name, value in plain["values"].items()},
            flags=QuantityFlags(
                lesion=flags["lesion"],
                lesion_of=flags["lesion_of"],
                lesion_quality=_number(flags["lesion_quality"]),
                registrations=registrations,
                present=tuple(flags["present"]),
            ),
        )


LESION_QUALITY = "lesion_quality"
LESION_COLUMNS = ("lesion", LESION_QUALITY)
"""Columns that say of a patient where the lesion was taken from."""


def lesion_cells(flags: QuantityFlags) -> dict[str, str]:
    """The cells of a table: ``mask``, ``found`` or ``none``, and the quality of a found lesion."""
    quality = flags.lesion_quality
    cells = (flags.lesion, "" if math.isnan(quality) else f"{quality:.2f}")
    return dict(zip(LESION_COLUMNS, cells, strict=True))


_REGISTRATION_NUMBERS = ("similarity_before", "similarity_after", "shift_mm", "rotation_degrees")


def _none_for_nan(plain: object) -> object:
    if isinstance(plain, Mapping):
        return {key: _none_for_nan(value) for key, value in plain.items()}
    return None if isinstance(plain, float) and math.isnan(plain) else plain


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)

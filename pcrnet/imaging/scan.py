"""A scan as read: its volume, and how the numbers in it came about."""

from __future__ import annotations

from dataclasses import dataclass

from pcrnet.imaging.volume import Volume


@dataclass(frozen=True)
class Provenance:
    """How the values of a volume came about. Holds numbers and the standard's own words only.

    Attributes:
        formula: From stored values to the volume's unit.
        reference_time: Which tag says to what time a PET is decay corrected; "" elsewhere.
        numbers: Every number that entered, by the keyword of its tag; times as elapsed seconds.
        words: Coded terms that entered, as (keyword, term).
        warnings: What was concluded beyond the letter of the tags, and what was passed over.
    """

    formula: str
    reference_time: str = ""
    numbers: tuple[tuple[str, float], ...] = ()
    words: tuple[tuple[str, str], ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Scan:
    """A volume and where its values come from."""

    volume: Volume
    provenance: Provenance

"""What each fact of a scan may differ by between machines, and how it is told to a reader."""

from __future__ import annotations

import math
from dataclasses import dataclass

from pcrnet.imaging.units import ADC_UNIT, SUV_UNITS


@dataclass(frozen=True)
class FactFamily:
    """Facts that begin alike.

    Attributes:
        start: How their names begin.
        least_spread: What two sound machines may well differ by, in the fact's own measure.
        words: What is unusual when one is; ``{found}``, ``{usual}`` and ``{of}`` are filled in.
        logarithm: Whether the fact is a logarithm, to be told as what it is of.
        leeway: By how much more than its own limit it must deviate to count alone. There are 64
            layout facts, of which a lesion at an unusual place moves one; they count together.
    """

    start: str
    least_spread: float
    words: str
    logarithm: bool = False
    leeway: float = 1.0


FAMILIES = (
    FactFamily("spacing_", 0.10, "voxels of {found} mm along {of}, usual is {usual}", True),
    FactFamily("extent_", 0.06, "a field of {found} mm along {of}, usual is {usual}", True),
    FactFamily("tilt_", 3.0, "a field tilted by {found} degrees, usual is {usual}"),
    FactFamily(
        "level_to_first_visit",
        0.15,
        "the body is {found} times as bright as at the first visit, usual is {usual}: another unit "
        "or norm, or another scan",
        True,
    ),
    FactFamily(
        "level_to_",
        0.06,
        "the body is {found} times as bright as in {of}, usual is {usual}: phases in another order "
        "or of another sequence",
        True,
    ),
    FactFamily(
        "level_",
        0.10,
        "a body at {found}, usual is {usual}: another unit or norm, or another channel",
        True,
    ),
    FactFamily(
        "bright_",
        0.25,
        "the brightest voxels are {found} times the body, usual is {usual}: another channel",
        True,
    ),
    FactFamily(
        "dark_",
        0.12,
        "the darkest tissue is at {found} of the body, usual is {usual}: another channel",
        True,
    ),
    FactFamily("body_", 0.05, "tissue fills {found} of the field, usual is {usual}"),
    FactFamily("zero_", 0.03, "zeros fill {found} of the field, usual is {usual}"),
    FactFamily("empty_slices", 0.01, "{found} of the slices hold one value, usual is {usual}"),
    FactFamily(
        "grain_",
        0.12,
        "neighbours along {of} differ by {found} of the spread, usual is {usual}: noise, or voxels "
        "in another order",
        True,
    ),
    FactFamily(
        "centre_",
        0.02,
        "what is bright lies at {found} of the field from its middle along {of}, usual is {usual}: "
        "another part of the body, or a flip",
    ),
    FactFamily(
        "layout_",
        0.25,
        "laid out as none of the training scans: another part of the body or channel, or a flip",
        True,
        leeway=3.0,
    ),
    FactFamily(
        "agrees_first_visit",
        0.06,
        "shares {found} nats with the first visit, usual is {usual}: another body, or a flip",
    ),
    FactFamily(
        "agrees_",
        0.06,
        "shares {found} nats with {of}, usual is {usual}: another body or channel, or a flip",
    ),
)
"""The first that fits counts."""

WHOLE = "its grid, levels, grain and layout together are like those of no training scan"
_AXES = {"x": "left to right", "y": "back to front", "z": "foot to head"}


def family_of(fact: str) -> FactFamily:
    """The family that a fact belongs to."""
    return next(family for family in FAMILIES if fact.startswith(family.start))


def least_spread(fact: str) -> float:
    """What a fact may differ by between two sound machines, in the unit of the fact."""
    return family_of(fact).least_spread


def leeway_of(fact: str) -> float:
    """By which factor of its own limit a fact must deviate to count alone, 1 or more."""
    return family_of(fact).leeway


def describe(fact: str, found: float, low: float, high: float, unit: str) -> str:
    """The sentence for an unusual fact.

    Args:
        fact: Its name.
        found: Its value.
        low: Least usual value.
        high: Greatest usual value.
        unit: Of the scan.
    """
    family = family_of(fact)
    if family.logarithm:
        found, low, high = (math.exp(min(value, 50.0)) for value in (found, low, high))
    of = fact.removeprefix(family.start).rsplit("_ln", 1)[0].removesuffix("_mm")
    of = of.removesuffix("_nat").removesuffix("_fraction").removesuffix("_degrees")
    shown = f" {unit}" if fact == "level_ln" and unit in {ADC_UNIT, *SUV_UNITS} else ""
    usual = f"{low:.3g} to {high:.3g}{shown}"
    return family.words.format(found=f"{found:.3g}{shown}", usual=usual, of=_AXES.get(of, of))

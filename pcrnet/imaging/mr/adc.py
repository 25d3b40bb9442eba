"""Apparent diffusion coefficients in 10⁻³ mm²/s, whatever unit the scanner stored them in."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pcrnet.errors import UnitError
from pcrnet.imaging.dicom.frames import Frame
from pcrnet.imaging.dicom.groups import RealWorldMap

_UNIT = re.compile(r"(?:(?:1?E|10)(?P<power>[+-]?\d{1,2})\.?)?(?P<length>U|M)?M(?:2)/(?P<time>M)?S")
_LENGTHS = {None: 1e6, "M": 1.0, "U": 1e-6}
"""Square metres, millimetres and micrometres in mm²."""
_UNSTATED = frozenset({"", "US", "NORMALIZED", "UNSPECIFIED", "PIXEL", "ADC"})
_TISSUE = (0.05, 6.0)
"""What the median voxel can be, fat and noise included; free water at 37 °C has 3.0."""
_FASTEST = (0.8, 8.0)
"""One decade, in which the 95th percentile of a map with some water and noise in it lies."""
_USUAL = {"10⁻³ mm²/s": 1.0, "10⁻⁶ mm²/s": 1e-3, "mm²/s": 1e3}
_UNUSUAL = {"10⁻⁴ mm²/s": 1e-1, "10⁻⁵ mm²/s": 1e-2}
"""Written by few scanners: not concluded, but reason enough not to conclude another."""


@dataclass(frozen=True)
class AdcScale:
    """How rescaled values become 10⁻³ mm²/s.

    Attributes:
        factor: To multiply with.
        formula: In words.
        warnings: What was concluded without a tag that says so.
    """

    factor: float
    formula: str
    warnings: tuple[str, ...] = ()


def adc_scale(frames: Sequence[Frame], values: NDArray[np.float32]) -> AdcScale:
    """Find the unit of an ADC map: as stated, else by the one decade that tissue can lie in.

    Args:
        frames: Slices of the map, whose real-world maps or RescaleType may state the unit.
        values: The map (i, j, k) as rescaled, or as mapped to the real world.

    Raises:
        UnitError: A stated unit that is no diffusivity, or values that are none in any usual unit.
    """
    stated = {_stated_unit(frame) for frame in frames}
    if len(stated) > 1:
        raise _refused("the slices state different units")
    text, tag = stated.pop()
    positive = values[values > 0]
    typical = float(np.median(positive)) if positive.size else 0.0
    if text in _UNSTATED:
        fastest = float(np.percentile(positive, 95)) if positive.size else 0.0
        for unit, unusual in _UNUSUAL.items():
            if _FASTEST[0] <= fastest * unusual < _FASTEST[1]:
                raise _refused(
                    f"no tag states the unit, and a 95th percentile of {fastest:.3g} looks like "
                    f"{unit}"
                )
        for unit, usual in _USUAL.items():
            if _TISSUE[0] <= typical * usual <= _TISSUE[1]:
                return AdcScale(
                    usual,
                    f"ADC = value × {usual:g}",
                    (f"no tag states the unit of the ADC map: its values can only be {unit}",),
                )
        raise _refused(f"no tag states the unit, and a median of {typical:.3g} fits none")
    factor = parse_diffusivity(text)
    if factor is None:
        raise _refused("the stated unit is no diffusivity", tag)
    if not _TISSUE[0] <= typical * factor <= _TISSUE[1]:
        raise _refused(f"a median of {typical * factor:.3g} × 10⁻³ mm²/s is no tissue", tag)
    return AdcScale(factor, f"ADC = value × {factor:g}, unit as {tag} states")


def parse_diffusivity(text: str) -> float | None:
    """What a unit is in 10⁻³ mm²/s; None where it is no diffusivity.

    Understands UCUM (``um2/s``, ``10-6.mm2/s``, ``10*-3.mm2/s``) and the spellings that scanners
    write into RescaleType (``10^-6 mm^2/s``, ``1E-3mm2/s``).
    """
    plain = re.sub(r"[\s^*{}()]", "", text.upper().replace("²", "2").replace("µ", "U"))
    plain = plain.replace("Μ", "U").replace("X10", "10").replace("/SEC", "/S")
    match = _UNIT.fullmatch(plain)
    if match is None:
        return None
    per_second = 1e3 if match["time"] else 1.0
    return float(10.0 ** (int(match["power"] or 0) + 3) * _LENGTHS[match["length"]] * per_second)


def adc_map(frame: Frame) -> RealWorldMap | None:
    """The mapping of stored values to a diffusivity; the first of others; None without any."""
    to_diffusivity = [real for real in frame.real_world if parse_diffusivity(real.unit) is not None]
    return next(iter((*to_diffusivity, *frame.real_world)), None)


def _stated_unit(frame: Frame) -> tuple[str, str]:
    real_world = adc_map(frame)
    if real_world is not None:
        return real_world.unit, "MeasurementUnitsCodeSequence"
    return frame.rescale_unit, "RescaleType"


def _refused(problem: str, field: str | None = None) -> UnitError:
    return UnitError(
        f"ADC is needed in 10⁻³ mm²/s; {problem}",
        field=field,
        remedy="export the ADC map itself with its unit (RescaleType), not a diffusion-weighted "
        "image; or convert it to NIfTI in 10⁻³ mm²/s",
    )

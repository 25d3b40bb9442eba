"""ADC maps in every unit that scanners write."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pcrnet.errors import UnitError
from pcrnet.imaging.dicom.frames import Frame
from pcrnet.imaging.dicom.groups import RealWorldMap
from pcrnet.imaging.mr.adc import adc_scale, parse_diffusivity

PLAIN = Frame(
    image=0, number=0, shape=(4, 4), position_mm=(0.0, 0.0, 0.0), row=(1.0, 0.0, 0.0),
    column=(0.0, 1.0, 0.0), spacing_mm=(1.0, 1.0), thickness_mm=3.0, slope=1.0, intercept=0.0,
    rescale_unit="", real_world=(), acquired_s=None, offset_s=None, temporal_index=None,
    duration_s=None, injected_s=None, b_value=None, gradient=None,
)  # fmt: skip
TISSUE = np.array([0.0, 0.0, 0.9, 1.2, 1.4, 1.8, 2.6], dtype=np.float32)


@pytest.mark.parametrize(
    ("text", "factor"),
    [
        ("mm2/s", 1e3), ("um2/s", 1e-3), ("µm2/s", 1e-3), ("um2/ms", 1.0), ("m2/s", 1e9),
        ("10-6.mm2/s", 1e-3), ("10*-3.mm2/s", 1.0), ("10^-6 mm^2/s", 1e-3), ("1E-3mm2/s", 1.0),
        ("x10^-6 mm²/s", 1e-3), ("1e-6 mm2/sec", 1e-3),
        ("HU", None), ("mm/s", None), ("m2", None), ("CANARY", None), ("", None),
    ],
)  # fmt: skip
def test_units_of_diffusivity_in_every_spelling(text: str, factor: float | None) -> None:
    assert parse_diffusivity(text) == (None if factor is None else pytest.approx(factor))


@pytest.mark.parametrize("factor", [1.0, 1e-3, 1e3])
def test_an_unstated_unit_is_the_one_that_tissue_can_have(factor: float) -> None:
    scale = adc_scale([PLAIN], TISSUE / np.float32(factor))
    assert scale.factor == factor
    assert "no tag states the unit" in scale.warnings[0]


def test_a_stated_unit_is_used_and_needs_no_warning() -> None:
    scale = adc_scale([replace(PLAIN, rescale_unit="10^-6 MM^2/S")], TISSUE * 1000)
    assert (scale.factor, scale.warnings) == (1e-3, ())
    mapped = replace(PLAIN, real_world=(RealWorldMap(1.0, 0.0, "MM2/S"),))
    assert adc_scale([mapped], TISSUE / 1000).factor == 1e3


@pytest.mark.parametrize(
    "frames",
    [
        [replace(PLAIN, rescale_unit="HU")],
        [replace(PLAIN, rescale_unit="CANARY")],
        [replace(PLAIN, rescale_unit="MM2/S")],
        [PLAIN, replace(PLAIN, rescale_unit="MM2/S")],
    ],
)
def test_other_or_impossible_units_are_refused(frames: list[Frame]) -> None:
    with pytest.raises(UnitError, match="ADC is needed") as caught:
        adc_scale(frames, TISSUE * 1000)
    assert "CANARY" not in str(caught.value)


@pytest.mark.parametrize(("factor", "unit"), [(0.1, "10⁻⁴"), (0.01, "10⁻⁵")])
def test_an_unusual_unit_is_not_taken_for_a_usual_one(factor: float, unit: str) -> None:
    values = TISSUE / np.float32(factor)
    with pytest.raises(UnitError, match=unit):
        adc_scale([PLAIN], values)
    stated = replace(PLAIN, rescale_unit=f"{unit[:2]}^-{'4' if factor == 0.1 else '5'} MM^2/S")
    assert adc_scale([stated], values).factor == pytest.approx(factor)


@pytest.mark.parametrize("factor", [3e4, 0.0])
def test_values_that_fit_no_unit_are_refused(factor: float) -> None:
    with pytest.raises(UnitError, match="fits none"):
        adc_scale([PLAIN], TISSUE * np.float32(factor))

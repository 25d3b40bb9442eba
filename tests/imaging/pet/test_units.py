"""Units of enhanced PET against the standard's own list, as pydicom carries it."""

from __future__ import annotations

import pytest
from pydicom.sr.codedict import codes

from pcrnet.errors import UnitError
from pcrnet.imaging.dicom.groups import RealWorldMap
from pcrnet.imaging.pet.units import PetMap, pet_map

_CONCEPTS = {
    "BecquerelsPerMilliliter": ("BQML", ""),
    "StandardizedUptakeValueBodyWeight": ("GML", "BW"),
    "StandardizedUptakeValueLeanBodyMassJames": ("GML", "LBM"),
    "StandardizedUptakeValueLeanBodyMassJames128Multiplier": ("GML", "LBMJAMES128"),
    "StandardizedUptakeValueLeanBodyMassJanma": ("GML", "LBMJANMA"),
    "StandardizedUptakeValueIdealBodyWeight": ("GML", "IBW"),
    "StandardizedUptakeValueBodySurfaceArea": ("CM2ML", "BSA"),
    "Counts": ("CNTS", ""),
    "CountsPerSecond": ("CPS", ""),
    "ProportionalToCounts": ("PROPCNTS", ""),
    "ProportionalToCountsPerSecond": ("PROPCPS", ""),
}


@pytest.mark.parametrize(("concept", "expected"), _CONCEPTS.items())
def test_the_standard_codes_become_the_classic_terms(
    concept: str, expected: tuple[str, str]
) -> None:
    code = getattr(codes.cid84, concept).value.upper()
    assert pet_map([RealWorldMap(2.0, 1.0, code)]) == PetMap(2.0, 1.0, *expected)


def test_activity_goes_before_any_suv_whatever_their_order() -> None:
    maps = [RealWorldMap(0.1, 0.0, "G/ML{SUVBW}"), RealWorldMap(2.0, 0.0, "BQ/ML")]
    for order in (maps, maps[::-1]):
        found = pet_map(order)
        assert found is not None
        assert found.units == "BQML"


def test_without_a_mapping_there_is_no_unit() -> None:
    assert pet_map([]) is None


@pytest.mark.parametrize(
    "maps",
    [
        [RealWorldMap(1.0, 0.0, "UMOL/MIN/ML")],
        [RealWorldMap(1.0, 0.0, "")],
        [RealWorldMap(1.0, 0.0, "BQ/ML"), RealWorldMap(2.0, 0.0, "BQ/ML")],
    ],
)
def test_other_units_and_contradictory_mappings_are_refused(maps: list[RealWorldMap]) -> None:
    with pytest.raises(UnitError) as caught:
        pet_map(maps)
    assert caught.value.field == "RealWorldValueMappingSequence"

"""The numbers that an SUV is computed from, each checked to be in its unit.

A unit mistaken by a factor that leaves no doubt is corrected and noted; anything else is refused.
"""

from __future__ import annotations

from dataclasses import dataclass

from pcrnet.errors import UnitError
from pcrnet.imaging.dicom.tags import missing
from pcrnet.imaging.pet.suv_tags import SuvTags

_LIGHTEST_ADULT_KG = 25.0


@dataclass(frozen=True)
class CheckedNumber:
    """A ``value`` in its unit, and what was concluded to get it there ("" for nothing)."""

    value: float
    note: str = ""


def read_weight_kg(tags: SuvTags) -> CheckedNumber:
    """Body weight; what exceeds 1000 is in grams (IBSI-SUV manual).

    Phantoms weigh little, so that a weight no adult has is noted, not refused.
    """
    weight = positive(tags.weight, "PatientWeight")
    if 1.0 <= weight <= 700.0:
        light = weight < _LIGHTEST_ADULT_KG
        note = f"no adult weighs {weight:g} kg (PatientWeight); SUV grows with it" if light else ""
        return CheckedNumber(weight, note)
    if 1_000.0 < weight <= 700_000.0:
        return CheckedNumber(weight / 1000.0, "PatientWeight can only be in grams, and is read so")
    raise _implausible("PatientWeight", "a weight in kg")


def read_height_m(tags: SuvTags) -> CheckedNumber:
    """Body height; what exceeds 30 is in centimetres."""
    height = positive(tags.size, "PatientSize")
    if 0.3 <= height <= 2.6:
        return CheckedNumber(height)
    if 30.0 <= height <= 260.0:
        return CheckedNumber(
            height / 100.0, "PatientSize can only be in centimetres, and is read so"
        )
    raise _implausible("PatientSize", "a height in m")


def read_dose_bq(tags: SuvTags) -> CheckedNumber:
    """Injected dose; 30 to 5000 can only be MBq. Below, it could be MBq as well as mCi.

    Enhanced objects state it in MBq (DICOM PS3.3 C.8.22.4), so there a small one is no doubt.
    """
    dose = positive(tags.dose, "RadionuclideTotalDose")
    if tags.dose_unit == "MBq" and 1.0 <= dose <= 2e4:
        return CheckedNumber(dose * 1e6)
    if 1e6 <= dose <= 2e10:
        return CheckedNumber(dose, _mistaken("Bq", "MBq") if tags.dose_unit == "MBq" else "")
    if 30.0 <= dose <= 5_000.0:
        return CheckedNumber(dose * 1e6, _mistaken("MBq", "Bq"))
    raise _implausible(
        "RadionuclideTotalDose", f"a dose in {tags.dose_unit}, nor surely in another unit"
    )


def read_half_life_s(tags: SuvTags) -> float:
    """Half-life of the radionuclide, as stated."""
    return positive(tags.half_life_s, "RadionuclideHalfLife")


def positive(found: float | None, keyword: str) -> float:
    """``found``, a number above 0 in the unit of its tag.

    Raises:
        MissingTagError: There is none.
        UnitError: It is not above 0.
    """
    if found is None:
        raise missing(keyword)
    if found <= 0:
        raise _implausible(keyword, "a positive number")
    return found


def _mistaken(found: str, expected: str) -> str:
    return f"RadionuclideTotalDose can only be in {found} instead of {expected}, and is read so"


def _implausible(keyword: str, expected: str) -> UnitError:
    return UnitError(
        f"the DICOM tag {keyword} is not {expected}",
        field=keyword,
        remedy="correct the tag from the injection record",
    )

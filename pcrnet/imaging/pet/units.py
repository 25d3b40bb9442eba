"""Which mapping of an enhanced PET gives its values their unit, and which unit that is.

Enhanced objects have no tag Units: the unit is that of a real world value mapping, coded in UCUM
(DICOM PS3.16 CID 84).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pcrnet.errors import UnitError
from pcrnet.imaging.dicom.groups import RealWorldMap

_UNITS = {
    "BQ/ML": ("BQML", ""),
    "G/ML{SUVBW}": ("GML", "BW"),
    "G/ML{SUVLBM}": ("GML", "LBM"),
    "G/ML{SUVLBM(JAMES128)}": ("GML", "LBMJAMES128"),
    "G/ML{SUVLBM(JANMA)}": ("GML", "LBMJANMA"),
    "G/ML{SUVIBW}": ("GML", "IBW"),
    "CM2/ML{SUVBSA}": ("CM2ML", "BSA"),
    "G/ML{SUVBSA}": ("CM2ML", "BSA"),  # as the IBSI-SUV manual spells it
    "{COUNTS}": ("CNTS", ""),
    "{COUNTS}/S": ("CPS", ""),
    "{PROPCOUNTS}": ("PROPCNTS", ""),
    "{PROPCOUNTS}/S": ("PROPCPS", ""),
}
"""To the terms of the classic tags Units and SUVType; what is nearest to the measurement first."""


@dataclass(frozen=True)
class PetMap:
    """A linear mapping of stored values, with its unit in the terms of the classic tags.

    Attributes:
        slope: Value = slope × stored + intercept.
        intercept: See ``slope``.
        units: As the tag Units, "BQML".
        suv_type: As the tag SUVType, "BW"; "" for what is no SUV.
    """

    slope: float
    intercept: float
    units: str
    suv_type: str


def pet_map(maps: Sequence[RealWorldMap]) -> PetMap | None:
    """The mapping to use of those that a frame has: to activity first, to an SUV then.

    Raises:
        UnitError: Mappings to none of the standard's units for PET, or two to the same one.
    """
    for code, (units, suv_type) in _UNITS.items():
        found = {real for real in maps if real.unit == code}
        if len(found) > 1:
            raise _refused(f"has {len(found)} mappings of its values to one unit")
        for real in found:
            return PetMap(real.slope, real.intercept, units, suv_type)
    if maps:
        raise _refused("maps its values to none of the standard's units for activity or SUV")
    return None


def _refused(problem: str) -> UnitError:
    return UnitError(
        f"the PET {problem}",
        field="RealWorldValueMappingSequence",
        remedy="export the quantitative series, in Bq/mL",
    )

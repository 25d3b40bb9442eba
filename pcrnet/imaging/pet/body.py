"""Lean body mass and body surface, by the formulas that DICOM names (PS3.3 C.8.9.1.1.3)."""

from __future__ import annotations

from collections.abc import Callable

from pcrnet.errors import UnitError

_Formula = Callable[[float, float], float]


def _james(square: float, linear: float) -> _Formula:
    return lambda weight_kg, height_cm: linear * weight_kg - square * (weight_kg / height_cm) ** 2


def _janmahasatian(constant: float, slope: float) -> _Formula:
    def mass_kg(weight_kg: float, height_cm: float) -> float:
        bmi = weight_kg / (height_cm / 100.0) ** 2
        return 9270.0 * weight_kg / (constant + slope * bmi)

    return mass_kg


def _ideal(base: float, slope: float) -> _Formula:
    return lambda _weight_kg, height_cm: base + slope * (height_cm - 152.0)


_FORMULAS: dict[str, tuple[_Formula, _Formula]] = {
    "LBM": (_james(120.0, 1.10), _james(148.0, 1.07)),
    "LBMJAMES128": (_james(128.0, 1.10), _james(148.0, 1.07)),
    "LBMJANMA": (_janmahasatian(6680.0, 216.0), _janmahasatian(8780.0, 244.0)),
    "IBW": (_ideal(48.0, 1.06), _ideal(45.5, 0.91)),
}
"""By SUVType: of men and of women."""


def lean_mass_kg(formula: str, weight_kg: float, height_m: float, sex: str) -> float:
    """Lean (or ideal) body mass.

    Args:
        formula: "LBM" (Morgan), "LBMJAMES128" (James 1976), "LBMJANMA" (Janmahasatian 2005) or
            "IBW" (Devine, as Sugawara 1999), as in the tag SUVType.
        weight_kg: Body weight.
        height_m: Body height.
        sex: "M", "F", or "O": the mean of both, as the IBSI-SUV manual proposes.

    Raises:
        UnitError: An unknown formula or sex, or a body to which the formula does not apply.
    """
    if formula not in _FORMULAS:
        raise UnitError(
            "the PET is normalised in a way that the standard does not name",
            field="SUVType",
            remedy="export the series in Bq/mL",
        )
    of_men, of_women = (mass(weight_kg, height_m * 100.0) for mass in _FORMULAS[formula])
    masses = {"M": of_men, "F": of_women, "O": (of_men + of_women) / 2.0}
    if sex not in masses:
        raise UnitError(
            "the sex is none of M, F and O", field="PatientSex", remedy="correct the tag"
        )
    if not 0.0 < masses[sex] < 2.0 * weight_kg:
        raise UnitError(
            "the formula for lean body mass does not apply to this weight and height",
            field="PatientWeight",
            remedy="use SUVbw, or the formula of Janmahasatian",
        )
    return masses[sex]


def body_surface_m2(weight_kg: float, height_m: float) -> float:
    """Body surface in m² by Du Bois and Du Bois (1916); ``height_m`` in metres."""
    return float(0.007184 * (height_m * 100.0) ** 0.725 * weight_kg**0.425)

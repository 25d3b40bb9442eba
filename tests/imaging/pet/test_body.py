"""Lean body mass and body surface against published examples."""

from __future__ import annotations

import pytest

from pcrnet.errors import UnitError
from pcrnet.imaging.pet.body import body_surface_m2, lean_mass_kg


@pytest.mark.parametrize(
    ("formula", "sex", "expected"),
    [  # 70 kg and 170 cm, with the formulas as printed in DICOM PS3.3 C.8.9.1.1.3
        ("LBM", "M", 1.10 * 70 - 120 * (70 / 170) ** 2),
        ("LBM", "F", 1.07 * 70 - 148 * (70 / 170) ** 2),
        ("LBMJAMES128", "M", 1.10 * 70 - 128 * (70 / 170) ** 2),
        ("LBMJAMES128", "F", 1.07 * 70 - 148 * (70 / 170) ** 2),
        ("LBMJANMA", "M", 9270 * 70 / (6680 + 216 * 70 / 1.7**2)),
        ("LBMJANMA", "F", 9270 * 70 / (8780 + 244 * 70 / 1.7**2)),
        ("IBW", "M", 48.0 + 1.06 * (170 - 152)),
        ("IBW", "F", 45.5 + 0.91 * (170 - 152)),
    ],
)
def test_formulas_are_those_of_the_standard(formula: str, sex: str, expected: float) -> None:
    assert lean_mass_kg(formula, 70.0, 1.70, sex) == pytest.approx(expected)


def test_other_sex_is_the_mean_of_both() -> None:
    of_men, of_women, other = (lean_mass_kg("LBMJANMA", 70.0, 1.70, sex) for sex in "MFO")
    assert other == pytest.approx((of_men + of_women) / 2)


def test_body_surface_of_du_bois() -> None:
    assert body_surface_m2(70.0, 1.70) == pytest.approx(1.81, abs=0.005)  # their own nomogram


def test_what_the_formula_does_not_know_is_refused() -> None:
    with pytest.raises(UnitError) as caught:
        lean_mass_kg("OTHER", 70.0, 1.70, "F")
    assert caught.value.field == "SUVType"
    with pytest.raises(UnitError, match="sex"):
        lean_mass_kg("LBM", 70.0, 1.70, "X")
    with pytest.raises(UnitError, match="does not apply"):
        lean_mass_kg("LBMJAMES128", 300.0, 1.50, "F")

"""Which tracer a PET shows, told by codes first and by names second.

Codes: DICOM PS3.16 CID 4020 (radionuclides) and CID 4021 (radiopharmaceuticals), in SNOMED CT and
in the older SNOMED RT that most scanners still write.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pcrnet.errors import TracerError, UnitError
from pcrnet.imaging.dicom.tags import items, missing, number, word

if TYPE_CHECKING:
    from pydicom import Dataset

_RADIONUCLIDE_CODES = {
    "C-111A1": "F-18", "77004003": "F-18",
    "C-131A3": "Ga-68", "35337001": "Ga-68",
    "C-105A1": "C-11", "40565003": "C-11",
    "C-107A1": "N-13", "21576001": "N-13",
    "C-B1038": "O-15", "129504001": "O-15",
    "C-127A2": "Cu-64", "3932008": "Cu-64",
    "C-168A4": "Zr-89", "63360001": "Zr-89",
    "C-114A5": "I-124", "40937006": "I-124",
    "C-159A2": "Rb-82", "79197006": "Rb-82",
}  # fmt: skip
_ELEMENTS = {
    "F": "FLUORINE", "GA": "GALLIUM", "C": "CARBON", "N": "NITROGEN", "O": "OXYGEN",
    "LU": "LUTETIUM", "CU": "COPPER", "ZR": "ZIRCONIUM", "I": "IODINE", "RB": "RUBIDIUM",
}  # fmt: skip
_HALF_LIVES_S = {
    "F-18": 6586.2, "Ga-68": 4062.6, "C-11": 1221.8, "N-13": 597.9, "O-15": 122.24,
    "Cu-64": 45723.6, "Zr-89": 282276.0, "I-124": 360806.4, "Rb-82": 76.4, "Lu-177": 574300.0,
}  # fmt: skip
"""Only ever compared with what a header states, never put in its place."""
_POSITRON_EMITTERS = tuple(name for name in _HALF_LIVES_S if name != "Lu-177")
_HALF_LIFE_TOLERANCE = 0.03
_FDG_CODES = frozenset({"C-B1031", "35321007", "Y-X1743"})
_FDG_SPELLINGS = frozenset({"FDG", "18FFDG", "F18FDG"})
_FDG_NAME = re.compile(r"FDG(?!AL)|DES?OXY-?(D-?)?GLU[CK]OSE")


@dataclass(frozen=True)
class Tracer:
    """What was injected.

    Attributes:
        radionuclide: As "F-18"; None where codes, names and half-life do not tell.
        codes: Code values of the radiopharmaceutical.
        names: Its names as written, in capitals. Free text: never to be shown.
        unknown_nuclide: Whether a radionuclide is stated that is none of those known here.
    """

    radionuclide: str | None
    codes: frozenset[str]
    names: frozenset[str]
    unknown_nuclide: bool = False

    @property
    def is_named(self) -> bool:
        """Whether anything says which drug it is."""
        return bool(self.names or self.codes)

    @property
    def is_fdg(self) -> bool:
        """Whether it is 2-[18F]fluoro-2-deoxy-D-glucose."""
        named = bool(self.codes & _FDG_CODES) or any(map(_FDG_NAME.search, self.names))
        return named and self.radionuclide in (None, "F-18") and not self.unknown_nuclide

    def matches(self, allowed: str) -> bool:
        """Whether it is the tracer, or is labelled with the radionuclide, that a user names."""
        wanted = _letters(allowed)
        if wanted in _FDG_SPELLINGS:
            return self.is_fdg
        spellings = _spellings(self.radionuclide)
        if wanted in spellings:
            return True
        known = [_letters(name) for name in self.names | self.codes]
        # "Ga-68 DOTATATE" means the series whose nuclide is Ga-68 and whose name is DOTATATE.
        drugs = {wanted, *(wanted.replace(spelling, "") for spelling in spellings)}
        return any(drug in name for drug in drugs - {""} for name in known)


def read_tracer(item: Dataset) -> Tracer:
    """The tracer of one item of the Radiopharmaceutical Information Sequence.

    Raises:
        UnitError: A half-life that is not that of the stated radionuclide (3 %).
    """
    nuclides = items(item, "RadionuclideCodeSequence")
    drugs = items(item, "RadiopharmaceuticalCodeSequence")
    names = {word(item, "Radiopharmaceutical"), *(word(code, "CodeMeaning") for code in drugs)}
    half_life_s = number(item, "RadionuclideHalfLife")
    stated = next(filter(None, map(_radionuclide, nuclides)), None)
    if half_life_s is not None and stated and not _fits(half_life_s, stated):
        raise UnitError(
            f"the half-life is not that of the stated radionuclide, {stated}",
            field="RadionuclideHalfLife",
            remedy="correct the tag (seconds) or the radionuclide code",
        )
    if stated is None and half_life_s is not None:
        stated = next((name for name in _POSITRON_EMITTERS if _fits(half_life_s, name)), None)
    codes = frozenset(word(code, "CodeValue") for code in drugs)
    coded = any(word(code, "CodeValue") or word(code, "CodeMeaning") for code in nuclides)
    return Tracer(
        stated, codes - {""}, frozenset(names - {""}), unknown_nuclide=coded and stated is None
    )


def check_tracer(tracer: Tracer, allowed: tuple[str, ...]) -> None:
    """Refuse any tracer but those allowed.

    Raises:
        MissingTagError: Nothing says which tracer it is.
        TracerError: Another tracer.
    """
    if any(map(tracer.matches, allowed)):
        return
    expected = ", ".join(allowed)
    remedy = (
        "name the tracer in imaging.dicom.tracers only if a model for it is meant: SUV of "
        "different tracers do not compare"
    )
    # Which drug it is need not be known where the radionuclide already rules out those expected.
    possible = not tracer.unknown_nuclide and any(
        tracer.radionuclide in (None, *_nuclides_of(name)) for name in allowed
    )
    if not tracer.is_named and possible:
        raise missing("Radiopharmaceutical", remedy)
    label = f", labelled with {tracer.radionuclide}" if tracer.radionuclide else ""
    if tracer.unknown_nuclide:
        label = ", and its radionuclide is none of those known"
    raise TracerError(
        f"the tracer is none of those expected ({expected}){label}",
        field="Radiopharmaceutical",
        remedy=remedy,
    )


def _radionuclide(code: Dataset) -> str | None:
    known = _RADIONUCLIDE_CODES.get(word(code, "CodeValue"))
    if known:
        return known
    meaning = _letters(word(code, "CodeMeaning"))
    return next((name for name in _HALF_LIVES_S if meaning in _spellings(name)), None)


def _nuclides_of(allowed: str) -> tuple[str, ...]:
    """The radionuclides that a tracer named by a user can have: of FDG one, of others any."""
    if _letters(allowed) in _FDG_SPELLINGS:
        return ("F-18",)
    named = tuple(
        name
        for name in _HALF_LIVES_S
        if any(spelling in _letters(allowed) for spelling in _spellings(name))
    )
    return named or tuple(_HALF_LIVES_S)


def _spellings(radionuclide: str | None) -> frozenset[str]:
    """F18, 18F, FLUORINE18 and 18FLUORINE for F-18."""
    if radionuclide is None:
        return frozenset()
    symbol, mass = radionuclide.upper().split("-")
    return frozenset(
        text for name in (symbol, _ELEMENTS[symbol]) for text in (name + mass, mass + name)
    )


def _letters(text: str) -> str:
    return re.sub(r"[^A-Z0-9]", "", text.upper())


def _fits(half_life_s: float, radionuclide: str) -> bool:
    return abs(half_life_s / _HALF_LIVES_S[radionuclide] - 1.0) <= _HALF_LIFE_TOLERANCE

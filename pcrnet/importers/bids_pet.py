"""PET of a BIDS data set: its sidecars, and the factor from its values to SUVbw.

Source: BIDS 1.10, Positron Emission Tomography, and the inheritance principle. Nothing is filled
in: without dose, weight, half-life or times there is no SUV.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pcrnet.errors import IntegrityError, UnitError
from pcrnet.storage import read_record

_BECQUEREL = {"Bq": 1.0, "kBq": 1e3, "MBq": 1e6, "GBq": 1e9}
_HALF_LIFE_S = {"F18": 6586.2}
"""Of the radionuclide that the sidecar names: 109.77 min."""
_WEIGHT_COLUMNS = ("weight", "body_weight", "weight_kg")
_KILOGRAMS = frozenset({"", "kg", "kilogram", "kilograms"})
_UNCORRECTED = frozenset({"none", "no", "false"})
_UNSTATED = (None, "", "n/a")


def read_sidecar(image: Path, top: Path) -> dict[str, Any]:
    """What the JSON files of an image say, those nearer to it before those further up.

    A file further up counts where its name has the image's suffix and no entity (``key-value``)
    that the image's has not.

    Args:
        image: The NIfTI file.
        top: Folder of the data set; files above it are not looked at.

    Raises:
        UnitError: A sidecar that cannot be read.
    """
    stated: dict[str, Any] = {}
    for path in _sidecars(image, top):
        try:
            stated |= read_record(path)
        except IntegrityError:
            raise UnitError("a sidecar cannot be read as JSON") from None
    return stated


def suv_factor(sidecar: Mapping[str, Any], weight_kg: float | None) -> float:
    """What PET values are multiplied by to become SUVbw.

    SUV = C · weight / dose, with the dose decayed from injection to the moment to which the image
    is corrected. Times of BIDS are seconds from TimeZero.

    Args:
        sidecar: The JSON beside the image.
        weight_kg: From the table of participants, where the sidecar has none.

    Raises:
        UnitError: A missing or contradictory field, named; another tracer than FDG; a PET stated
            not to be attenuation corrected.
    """
    tracer = re.sub(r"[^A-Z0-9]", "", str(sidecar.get("TracerName", "")).upper())
    if "FDG" not in tracer:
        raise UnitError("the tracer is not stated to be FDG", field="TracerName")
    if str(sidecar.get("AttenuationCorrection", "")).casefold() in _UNCORRECTED:
        raise UnitError("the image is not attenuation corrected", field="AttenuationCorrection")
    units = str(_required(sidecar, "Units"))
    if units in ("g/mL", "g/ml", "SUV"):
        return 1.0
    prefix, _, volume = units.partition("/")
    if prefix not in _BECQUEREL or volume not in ("mL", "ml"):
        raise UnitError("the unit is neither Bq/mL nor g/mL", field="Units")
    dose_then_bq = _dose_bq(sidecar) * 2.0 ** -(_elapsed_s(sidecar) / _half_life_s(sidecar))
    return float(_BECQUEREL[prefix] * _weight_kg(sidecar, weight_kg) * 1000.0 / dose_then_bq)


def participant_weight_kg(row: Mapping[str, str], described: Mapping[str, Any]) -> float | None:
    """Body weight of a participant.

    Args:
        row: The participant's row of ``participants.tsv``.
        described: ``participants.json``, which may say the units of the columns.

    Returns:
        None where there is no number, or one in another unit than kilograms.
    """
    for name in _WEIGHT_COLUMNS:
        column = described.get(name)
        units = column.get("Units", "") if isinstance(column, Mapping) else ""
        try:
            if str(units).strip().casefold() in _KILOGRAMS and row.get(name):
                return float(row[name])
        except ValueError:
            continue
    return None


def _sidecars(image: Path, top: Path) -> Iterator[Path]:
    """From the top of the data set down to the image."""
    *entities, suffix = image.name.split(".nii")[0].split("_")
    folders = [top, *reversed([parent for parent in image.parents if top in parent.parents])]
    for folder in folders:
        for path in sorted(folder.glob(f"*{suffix}.json")):
            *of_file, ending = path.stem.split("_")
            if ending == suffix and set(of_file) <= set(entities):
                yield path


def _dose_bq(sidecar: Mapping[str, Any]) -> float:
    unit = str(_required(sidecar, "InjectedRadioactivityUnits"))
    if unit not in _BECQUEREL:
        raise UnitError("the dose is not in becquerel", field="InjectedRadioactivityUnits")
    dose_bq = _number(sidecar, "InjectedRadioactivity") * _BECQUEREL[unit]
    if not 1e6 <= dose_bq <= 2e10:
        raise UnitError("no plausible dose", field="InjectedRadioactivity")
    return dose_bq


def _weight_kg(sidecar: Mapping[str, Any], of_participant: float | None) -> float:
    weight = sidecar.get("BodyWeight", of_participant)
    if isinstance(weight, bool) or not isinstance(weight, int | float) or not 10 < weight < 400:
        raise UnitError("no plausible body weight in kg", field="BodyWeight")
    return weight


def _half_life_s(sidecar: Mapping[str, Any]) -> float:
    nuclide = re.sub(r"[^A-Z0-9]", "", str(_required(sidecar, "TracerRadionuclide")).upper())
    half_life_s = _HALF_LIFE_S.get("F18" if nuclide in ("F18", "18F") else nuclide)
    if half_life_s is None:
        raise UnitError("the radionuclide of FDG is F-18", field="TracerRadionuclide")
    return half_life_s


def _elapsed_s(sidecar: Mapping[str, Any]) -> float:
    """From injection to the moment to which the image is decay corrected."""
    if sidecar.get("ImageDecayCorrected") is not True:
        raise UnitError("the image is not decay corrected", field="ImageDecayCorrected")
    elapsed_s = _number(sidecar, "ImageDecayCorrectionTime") - _number(sidecar, "InjectionStart")
    if not 0 <= elapsed_s < 6 * _half_life_s(sidecar):
        raise UnitError(
            f"the image is corrected to {elapsed_s:g} s after injection",
            field="ImageDecayCorrectionTime",
        )
    return elapsed_s


def _required(sidecar: Mapping[str, Any], field: str) -> Any:  # noqa: ANN401 - JSON
    if sidecar.get(field) in _UNSTATED:
        raise UnitError("the sidecar does not state it", field=field)
    return sidecar[field]


def _number(sidecar: Mapping[str, Any], field: str) -> float:
    found = _required(sidecar, field)
    if isinstance(found, bool) or not isinstance(found, int | float) or not np.isfinite(found):
        raise UnitError("the sidecar does not state a number", field=field)
    return float(found)

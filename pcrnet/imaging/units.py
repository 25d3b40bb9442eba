"""The one home of units: which a channel is in, what follows from it, and what a file states."""

from __future__ import annotations

import json
from pathlib import Path
from typing import assert_never, get_args

from pcrnet.config.imaging import ChannelKind, DicomConfig
from pcrnet.errors import UnitError
from pcrnet.imaging.volume import Unit

ADC_UNIT: Unit = "1e-3 mm2/s"
SUV_UNITS: frozenset[Unit] = frozenset({"SUVbw", "SUL", "SUVbsa"})

_MAX_SIDECAR_BYTES = 1 << 20


def channel_unit(kind: ChannelKind, settings: DicomConfig) -> Unit:
    """The unit in which the network, the bundle and every picture have a channel."""
    match kind:
        case "suv":
            return suv_unit(settings)
        case "adc":
            return ADC_UNIT
        case "hu":
            return "HU"
        case "dce" | "ratio" | "zscore":
            return "arbitrary"
        case _:
            assert_never(kind)


def suv_unit(settings: DicomConfig) -> Unit:
    """The unit of PET under the norm that is asked for."""
    match settings.suv:
        case "bw":
            return "SUVbw"
        case "lbm-james" | "lbm-janmahasatian":
            return "SUL"
        case "bsa":
            return "SUVbsa"
        case _:
            assert_never(settings.suv)


def share_of_suvbw(unit: Unit) -> float:
    """About what a value in this unit is of SUVbw, in a woman of 70 kg and 1.65 m.

    For windows and thresholds that tell body from air; never to convert a value.
    """
    match unit:
        case "SUVbw":
            return 1.0
        case "SUL":
            return 0.65
        case "SUVbsa":
            return 0.25
        case "1e-3 mm2/s" | "HU" | "arbitrary" | "label":
            raise ValueError(f"{unit} is no standardised uptake value")
        case _:
            assert_never(unit)


def registration_rank(unit: Unit) -> int:
    """Which scans register best, the best first: anatomy, then uptake, then ADC.

    Of two ADC maps, noise in air and distorted in tissue, the right position has a mutual
    information of 0.05 (CMB-CRC): no more than nonsense has.
    """
    match unit:
        case "arbitrary" | "HU":
            return 0
        case "SUVbw" | "SUL" | "SUVbsa":
            return 1
        case "1e-3 mm2/s":
            return 2
        case "label":
            return 3
        case _:
            assert_never(unit)


def require_nifti_unit(path: Path, kind: ChannelKind, settings: DicomConfig) -> Unit:
    """The unit of a NIfTI file, which has to be that of its channel.

    PET is SUVbw and ADC 10⁻³ mm²/s, unless the sidecar that ``pcrnet convert`` wrote beside the
    file (``.json``) says otherwise.

    Raises:
        UnitError: Another unit than the settings ask for: two scales would mix in one cohort.
    """
    wanted = channel_unit(kind, settings)
    if kind not in ("suv", "adc"):
        return wanted
    found: Unit = _sidecar_unit(path) or ("SUVbw" if kind == "suv" else ADC_UNIT)
    if found != wanted:
        raise UnitError(
            f"is in {found}, and the channel is in {wanted}: the two do not mix",
            field="imaging.dicom.suv",
            remedy="give the DICOM series, convert it again with the same imaging.dicom.suv, or "
            "set imaging.dicom.suv: bw for a cohort of NIfTI files in SUVbw",
        )
    return found


def write_sidecar_unit(path: Path, unit: Unit) -> None:
    """State the unit of a NIfTI file beside it."""
    _sidecar(path).write_text(json.dumps({"unit": unit}) + "\n", encoding="utf-8")


def _sidecar(path: Path) -> Path:
    return path.with_name(f"{path.name.removesuffix('.gz').removesuffix('.nii')}.json")


def _sidecar_unit(path: Path) -> Unit | None:
    """What a sidecar of ours states; other programs' sidecars have no such entry."""
    sidecar = _sidecar(path)
    try:
        if not sidecar.is_file() or sidecar.stat().st_size > _MAX_SIDECAR_BYTES:
            return None
        stated = json.loads(sidecar.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    unit = stated.get("unit") if isinstance(stated, dict) else None
    return next((known for known in get_args(Unit) if known == unit), None)

"""What a DICOM series is taken for, and what its headers say for and against it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from pcrnet.config.imaging import ChannelKind
from pcrnet.errors import ImageError
from pcrnet.imaging.dicom.frames import Frame, read_frames
from pcrnet.imaging.dicom.groups import FrameGroups, frame_groups, real_world_maps
from pcrnet.imaging.dicom.image_types import shown_types, unfit
from pcrnet.imaging.dicom.series import DicomSeries, open_series
from pcrnet.imaging.dicom.tags import word, words
from pcrnet.imaging.mr.adc import adc_map, parse_diffusivity
from pcrnet.imaging.mr.phases import Phase, split_phases
from pcrnet.imaging.pet.units import pet_map
from pcrnet.importers.series_folders import SeriesFolder

DYNAMIC = "dce"
"""In the listing: all phases of a dynamic series, which become the three DCE channels."""
MIXED = "its folder holds other series as well: give it a folder of its own"

_WORDS = (
    ("adc", re.compile(r"\bADC\b|APPARENT DIFF|DIFFUSION COEFF")),
    ("t2", re.compile(r"(?<![A-Z0-9])T2(?!\*)|TIRM|STIR|HASTE")),
    ("t1", re.compile(r"(?<![A-Z0-9])T1")),
)
_ACTIVITY = frozenset({"BQML", "CNTS", "GML", "CM2ML"})
_UNITS = _ACTIVITY | {"PROPCNTS", "PROPCPS", "CPS", "NONE", "1CM", "PCNT", "UMOLML"}


@dataclass(frozen=True)
class Proposal:
    """What the listing says of a series. Holds numbers and the standard's own terms alone.

    Attributes:
        channel: Proposed channel; "" for none.
        volumes: Phases or b-values in the series.
        units: Of PET as the tag Units has them, of an ADC map its factor to 10⁻³ mm²/s.
        image_type: The known terms of ImageType.
        attenuation_corrected: "yes", "no", or "" where nothing says so.
        note: Why the series cannot be used, or what is doubtful.
    """

    channel: str = ""
    volumes: str = ""
    units: str = ""
    image_type: str = ""
    attenuation_corrected: str = ""
    note: str = ""


@dataclass(frozen=True)
class _Facts:
    units: str
    types: frozenset[str]
    attenuation_corrected: bool | None
    phases: tuple[Phase, ...]


def modality_of(series: SeriesFolder) -> str:
    """Only the standard's own words may leave a header."""
    modality = word(series.header, "Modality")
    return modality if modality in ("PT", "MR", "CT", "SEG", "RTSTRUCT") else "other"


def propose(series: SeriesFolder) -> Proposal:
    """Look into a series and say what it is taken for."""
    modality = modality_of(series)
    if series.mixed or modality not in ("PT", "MR"):
        return Proposal(note=MIXED if series.mixed else "not PET or MR")
    try:
        with open_series(series.path) as opened:
            facts = _facts(opened)
    except ImageError as error:
        return Proposal(
            image_type=" ".join(shown_types(series.image_type)),
            note=error.problem if error.field is None else f"{error.field}: {error.problem}",
        )
    of_pet = modality == "PT"
    channel, note = _propose_pet(facts) if of_pet else _propose_mr(series, facts)
    return Proposal(
        channel=channel,
        volumes=str(len(facts.phases)),
        units=facts.units,
        image_type=" ".join(shown_types(facts.types)),
        attenuation_corrected={True: "yes", False: "no", None: ""}[facts.attenuation_corrected],
        note=note,
    )


def _facts(opened: DicomSeries) -> _Facts:
    frames = read_frames(opened.objects)
    groups = frame_groups(opened.objects[0].header)[0]
    return _Facts(
        units=_pet_units(groups) if opened.modality == "PT" else _adc_units(frames[0]),
        types=frozenset().union(*(frame.types for frame in frames)),
        attenuation_corrected=_attenuation_corrected(groups),
        phases=split_phases(frames),
    )


def _pet_units(groups: FrameGroups) -> str:
    stated = word(groups.header, "Units")
    if not stated:
        mapped = pet_map(real_world_maps(groups))
        stated = mapped.units if mapped is not None else ""
    return stated if stated in _UNITS else ("other" if stated else "")


def _adc_units(frame: Frame) -> str:
    real = adc_map(frame)
    factor = parse_diffusivity(frame.rescale_unit if real is None else real.unit)
    return "" if factor is None else f"{factor:g}e-3 mm2/s"


def _attenuation_corrected(groups: FrameGroups) -> bool | None:
    corrections = words(groups.header, "CorrectedImage")
    if corrections:
        return "ATTN" in corrections
    return {"YES": True, "NO": False}.get(word(groups.header, "AttenuationCorrected"))


def _propose_pet(facts: _Facts) -> tuple[str, str]:
    if facts.attenuation_corrected is not True:
        said = facts.attenuation_corrected is False
        return "", "not attenuation corrected" if said else "CorrectedImage is missing"
    if facts.units not in _ACTIVITY:
        return "", f"its units are no activity ({facts.units or 'none stated'})"
    if term := unfit(facts.types, "suv"):
        return "", f"ImageType says {term}"
    several = len(facts.phases) > 1
    return ("", "several volumes: a dynamic or gated PET") if several else ("pet", "")


def _propose_mr(series: SeriesFolder, facts: _Facts) -> tuple[str, str]:
    phases = facts.phases
    several = len(phases) > 1
    if several and not {phase.b_value for phase in phases} - {None, 0.0}:
        term = unfit(facts.types, "dce")
        if term:
            return "", f"ImageType says {term}: no dynamic series"
        return DYNAMIC, "taken for a dynamic series: several volumes"
    if several:
        return "", "a diffusion series; give the ADC map, or name a channel like dwi_b800"
    text = series.description
    named = next((name for name, pattern in _WORDS if pattern.search(text)), "")
    channel = "adc" if "ADC" in facts.types else named
    kinds: Sequence[ChannelKind] = ("adc",) if channel == "adc" else ("dce",)
    # What is no phase because it was computed is no T1 or T2 image either.
    term = next(filter(None, (unfit(facts.types, kind) for kind in kinds)), "")
    if term:
        return "", f"ImageType says {term}: computed from other images"
    return channel, "" if channel else "nothing in the header tells the channel"

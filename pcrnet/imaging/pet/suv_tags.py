"""What an SUV rests on, read from the headers of one PET series into one frozen record.

Classic slices, legacy converted files and enhanced multi-frame files say the same in different
tags; where they differ, it is here. Sources: DICOM PS3.3 C.8.9 (PET), C.8.22 (enhanced PET).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Self, TypeVar

from pcrnet.errors import UnitError
from pcrnet.imaging.dicom.clock import Clock, time_s
from pcrnet.imaging.dicom.groups import FrameGroups, real_world_maps
from pcrnet.imaging.dicom.tags import (
    PrivateTag,
    items,
    missing,
    number,
    private_number,
    quiet,
    word,
    words,
)
from pcrnet.imaging.pet.suv_times import read_suv_times
from pcrnet.imaging.pet.tracers import Tracer, read_tracer
from pcrnet.imaging.pet.units import PetMap, pet_map

if TYPE_CHECKING:
    from pydicom import Dataset

_PHILIPS_SUV = PrivateTag(0x7053, "Philips PET Private Group", 0x00, needs_creator=False)
_PHILIPS_ACTIVITY = PrivateTag(0x7053, "Philips PET Private Group", 0x09, needs_creator=False)
_ENHANCED_PET = "1.2.840.10008.5.1.4.1.1.130"
_AGENT = "RadiopharmaceuticalAgentNumber"
_STATED = frozenset({"START", "ADMIN", "NONE"})
_Value = TypeVar("_Value")
_Source = TypeVar("_Source")


@dataclass(frozen=True)
class SuvFrame:
    """What may differ from slice to slice; None is not stated.

    Attributes:
        acquired_s: Start of the acquisition, on the clock of ``moment_s``.
        reference_s: FrameReferenceTime, in seconds.
        duration_s: ActualFrameDuration, in seconds.
        stands_for_s: When the activity was what the values say, as an enhanced object states it.
        philips_suv: Philips' factor from counts to SUV.
        philips_activity: Philips' factor from counts to Bq/mL.
        scale: Slope and intercept from stored values to the units of the series.
    """

    acquired_s: float | None = None
    reference_s: float | None = None
    duration_s: float | None = None
    stands_for_s: float | None = None
    philips_suv: float | None = None
    philips_activity: float | None = None
    scale: tuple[float, float] | None = None


@dataclass(frozen=True)
class SuvTags:
    """The tags of one PET series; None or "" is not stated, and nothing stands in for it.

    Attributes:
        units: Units, as "BQML".
        suv_type: SUVType, as "BW".
        mapped: Whether units and scale are those of a real world value mapping.
        decay_correction: "START", "ADMIN" or "NONE"; "STATED" of an enhanced object, which names
            the moment (DecayCorrectionDateTime).
        attenuation_corrected: Whether it is; None where nothing says so.
        weight: PatientWeight as written (kg).
        size: PatientSize as written (m).
        sex: PatientSex, "M", "F" or "O".
        dose: RadionuclideTotalDose as written.
        dose_unit: What it is written in by the standard: Bq, or MBq in enhanced objects.
        half_life_s: RadionuclideHalfLife.
        injected_s: RadiopharmaceuticalStartDateTime, on the clock of ``moment_s``.
        injected_time_s: RadiopharmaceuticalStartTime, in seconds since midnight.
        series_s: SeriesDate and SeriesTime, on the same clock.
        declared: Decay reference times that the maker itself states: name of the tag, and time.
        tracer: What was injected.
        frames: One record a slice.
        notes: What was concluded where tags are missing, and which contradict one another.
    """

    units: str
    suv_type: str
    mapped: bool
    decay_correction: str
    attenuation_corrected: bool | None
    weight: float | None
    size: float | None
    sex: str
    dose: float | None
    dose_unit: Literal["Bq", "MBq"]
    half_life_s: float | None
    injected_s: float | None
    injected_time_s: float | None
    series_s: float | None
    declared: tuple[tuple[str, float], ...]
    tracer: Tracer
    frames: tuple[SuvFrame, ...]
    notes: tuple[str, ...] = ()

    @classmethod
    @quiet()
    def from_groups(cls, slices: Iterable[FrameGroups]) -> Self:
        """Read the headers of all slices or frames, in the order in which factors are wanted.

        Raises:
            MissingTagError: No Radiopharmaceutical Information Sequence.
            UnitError: Slices that state different patients, doses or units; two injections.
            DicomFileError: A tag that is damaged.
        """
        groups = tuple(slices)
        headers = [of.header for of in groups]
        doses = [_injection(of) for of in groups]
        maps = [_map_in_use(of) for of in groups]
        times = read_suv_times(groups, doses[0])
        _same(doses, "RadiopharmaceuticalStartDateTime", Clock().datetime_s)
        _same(doses, "RadiopharmaceuticalStartTime", time_s)
        units, suv_type = _same(list(zip(headers, maps, strict=True)), "Units", _units)
        return cls(
            units=units,
            suv_type=suv_type,
            mapped=None not in maps,
            decay_correction=_same(headers, "DecayCorrection", _decay_correction),
            attenuation_corrected=_same(headers, "CorrectedImage", _attenuation_corrected),
            weight=_same(headers, "PatientWeight", number),
            size=_same(headers, "PatientSize", number),
            sex=_same(headers, "PatientSex", word),
            dose=_same(doses, "RadionuclideTotalDose", number),
            dose_unit="MBq" if word(headers[0], "SOPClassUID") == _ENHANCED_PET else "Bq",
            half_life_s=_same(doses, "RadionuclideHalfLife", number),
            injected_s=times.injected_s,
            injected_time_s=times.injected_time_s,
            series_s=times.series_s,
            declared=times.declared,
            tracer=_same(doses, "Radiopharmaceutical", lambda item, _: read_tracer(item)),
            frames=tuple(
                _frame(of, real, acquired_s, stands_for_s)
                for of, real, acquired_s, stands_for_s in zip(
                    groups, maps, times.acquired_s, times.stands_for_s, strict=True
                )
            ),
            notes=(*times.notes, *_contradictions(headers[0])),
        )


def _injection(groups: FrameGroups) -> Dataset:
    sequence = items(groups.header, "RadiopharmaceuticalInformationSequence")
    if not sequence:
        raise missing("RadiopharmaceuticalInformationSequence")
    if len(sequence) == 1:
        return sequence[0]
    used = [number(of, _AGENT) for of in groups.items_of("RadiopharmaceuticalUsageSequence")]
    named = [item for item in sequence if used and number(item, _AGENT) in used]
    if len(named) != 1:
        raise UnitError(
            f"the series states {len(sequence)} injections; an SUV has one",
            field="RadiopharmaceuticalInformationSequence",
            remedy="give a series of one tracer",
        )
    return named[0]


def _same(
    sources: Sequence[_Source], keyword: str, read: Callable[[_Source, str], _Value]
) -> _Value:
    values = {read(source, keyword) for source in sources}
    if len(values) > 1:
        raise UnitError(
            f"the slices of the series differ in {keyword}",
            field=keyword,
            remedy="keep one scan of one patient a folder",
        )
    return values.pop()


def _map_in_use(groups: FrameGroups) -> PetMap | None:
    """The mapping that gives the values their unit where the tag Units does not."""
    return None if word(groups.header, "Units") else pet_map(real_world_maps(groups))


def _units(source: tuple[Dataset, PetMap | None], keyword: str) -> tuple[str, str]:
    """Units and SUVType."""
    header, mapped = source
    if mapped is not None:
        return mapped.units, mapped.suv_type
    return word(header, keyword), word(header, "SUVType")


def _decay_correction(header: Dataset, keyword: str) -> str:
    stated = word(header, keyword)
    return stated or {"YES": "STATED", "NO": "NONE"}.get(word(header, "DecayCorrected"), "")


def _attenuation_corrected(header: Dataset, keyword: str) -> bool | None:
    corrections = words(header, keyword)
    if corrections:
        return "ATTN" in corrections
    return {"YES": True, "NO": False}.get(word(header, "AttenuationCorrected"))


def _contradictions(header: Dataset) -> tuple[str, ...]:
    """DecayCorrection against CorrectedImage; the first says more, and is believed."""
    stated = _decay_correction(header, "DecayCorrection")
    corrections = words(header, "CorrectedImage")
    if not corrections or not stated or ("DECY" in corrections) == (stated != "NONE"):
        return ()
    lists = "lists" if "DECY" in corrections else "does not list"
    return (
        f"DecayCorrection is {stated if stated in _STATED else 'stated'} and CorrectedImage "
        f"{lists} DECY: they contradict each other, and DecayCorrection is believed",
    )


def _frame(
    groups: FrameGroups,
    mapped: PetMap | None,
    acquired_s: float | None,
    stands_for_s: float | None,
) -> SuvFrame:
    header, content = groups.header, groups.find("FrameContentSequence")
    duration_ms = number(content, "FrameAcquisitionDuration")
    if duration_ms is None:
        duration_ms = number(header, "ActualFrameDuration")
    reference_ms = number(header, "FrameReferenceTime")
    return SuvFrame(
        acquired_s=acquired_s,
        reference_s=None if reference_ms is None else reference_ms / 1000.0,
        duration_s=None if duration_ms is None else duration_ms / 1000.0,
        stands_for_s=stands_for_s,
        philips_suv=private_number(header, _PHILIPS_SUV),
        philips_activity=private_number(header, _PHILIPS_ACTIVITY),
        scale=(mapped.slope, mapped.intercept) if mapped else _rescale(groups),
    )


def _rescale(groups: FrameGroups) -> tuple[float, float] | None:
    rescale = groups.find("PixelValueTransformationSequence")
    slope = number(rescale, "RescaleSlope")
    return None if slope is None else (slope, number(rescale, "RescaleIntercept") or 0.0)

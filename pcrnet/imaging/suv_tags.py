"""What an SUV rests on, read from the headers of one PET series into one frozen record."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self, TypeVar

from pcrnet.errors import UnitError
from pcrnet.imaging.dicom_tags import (
    PrivateTag,
    datetime_s,
    items,
    missing,
    moment_s,
    number,
    parse_datetime_s,
    private_number,
    private_text,
    quiet,
    time_s,
    word,
    words,
)
from pcrnet.imaging.tracers import Tracer, read_tracer

if TYPE_CHECKING:
    from pydicom import Dataset

_PHILIPS_SUV = PrivateTag(0x7053, "Philips PET Private Group", 0x00, needs_creator=False)
_PHILIPS_ACTIVITY = PrivateTag(0x7053, "Philips PET Private Group", 0x09, needs_creator=False)
_GE_SCAN = PrivateTag(0x0009, "GEMS_PETD_01", 0x0D, needs_creator=False)
_SIEMENS_DECAY = PrivateTag(0x0071, "SIEMENS MED PT", 0x22)
_DATETIME = re.compile(r"\d{14}(\.\d{1,6})?([+-]\d{4})?")
_Value = TypeVar("_Value")


@dataclass(frozen=True)
class SuvFrame:
    """What may differ from slice to slice; None is not stated.

    Attributes:
        acquired_s: Start of the acquisition, on the clock of ``moment_s``.
        reference_s: FrameReferenceTime, in seconds.
        duration_s: ActualFrameDuration, in seconds.
        philips_suv: Philips' factor from counts to SUV.
        philips_activity: Philips' factor from counts to Bq/mL.
    """

    acquired_s: float | None = None
    reference_s: float | None = None
    duration_s: float | None = None
    philips_suv: float | None = None
    philips_activity: float | None = None


@dataclass(frozen=True)
class SuvTags:
    """The tags of one PET series; None or "" is not stated, and nothing stands in for it.

    Attributes:
        units: Units, as "BQML".
        suv_type: SUVType, as "BW".
        decay_correction: "START", "ADMIN" or "NONE".
        corrections: CorrectedImage, as "ATTN".
        weight: PatientWeight as written (kg).
        size: PatientSize as written (m).
        sex: PatientSex, "M", "F" or "O".
        dose: RadionuclideTotalDose as written (Bq).
        half_life_s: RadionuclideHalfLife.
        injected_s: RadiopharmaceuticalStartDateTime, on the clock of ``moment_s``.
        injected_time_s: RadiopharmaceuticalStartTime, in seconds since midnight.
        series_s: SeriesDate and SeriesTime, on the same clock.
        declared: Decay reference times that the maker itself states: name of the tag, and time.
        tracer: What was injected.
        frames: One record a slice.
    """

    units: str
    suv_type: str
    decay_correction: str
    corrections: frozenset[str]
    weight: float | None
    size: float | None
    sex: str
    dose: float | None
    half_life_s: float | None
    injected_s: float | None
    injected_time_s: float | None
    series_s: float | None
    declared: tuple[tuple[str, float], ...]
    tracer: Tracer
    frames: tuple[SuvFrame, ...]

    @classmethod
    @quiet()
    def from_datasets(cls, headers: Sequence[Dataset]) -> Self:
        """Read the headers of all slices, in the order in which factors are wanted.

        Raises:
            MissingTagError: No Radiopharmaceutical Information Sequence.
            UnitError: Slices that state different patients, doses or units; two injections.
            DicomFileError: A tag that is damaged.
        """
        doses = [_injection(header) for header in headers]
        declared = {_declared(header) for header in headers}
        return cls(
            units=_same(headers, "Units", word),
            suv_type=_same(headers, "SUVType", word),
            decay_correction=_same(headers, "DecayCorrection", word),
            corrections=frozenset(_same(headers, "CorrectedImage", words)),
            weight=_same(headers, "PatientWeight", number),
            size=_same(headers, "PatientSize", number),
            sex=_same(headers, "PatientSex", word),
            dose=_same(doses, "RadionuclideTotalDose", number),
            half_life_s=_same(doses, "RadionuclideHalfLife", number),
            injected_s=_same(doses, "RadiopharmaceuticalStartDateTime", datetime_s),
            injected_time_s=_same(doses, "RadiopharmaceuticalStartTime", time_s),
            series_s=_same(headers, "SeriesTime", lambda header, _: moment_s(header, "Series")),
            # Slices that state different ones do not state one for the series.
            declared=declared.pop() if len(declared) == 1 else (),
            tracer=_same(doses, "Radiopharmaceutical", lambda item, _: read_tracer(item)),
            frames=tuple(map(_frame, headers)),
        )


def _injection(header: Dataset) -> Dataset:
    sequence = items(header, "RadiopharmaceuticalInformationSequence")
    if not sequence:
        raise missing("RadiopharmaceuticalInformationSequence")
    if len(sequence) > 1:
        raise UnitError(
            f"the series states {len(sequence)} injections; an SUV has one",
            field="RadiopharmaceuticalInformationSequence",
            remedy="give a series of one tracer",
        )
    return sequence[0]


def _same(
    datasets: Sequence[Dataset], keyword: str, read: Callable[[Dataset, str], _Value]
) -> _Value:
    values = {read(dataset, keyword) for dataset in datasets}
    if len(values) > 1:
        raise UnitError(
            f"the slices of the series differ in {keyword}",
            field=keyword,
            remedy="keep one scan of one patient a folder",
        )
    return values.pop()


def _declared(header: Dataset) -> tuple[tuple[str, float], ...]:
    """DecayCorrectionDateTime, GE's PET scan_datetime and Siemens' decay correction time."""
    standard = datetime_s(header, "DecayCorrectionDateTime")
    found = [] if standard is None else [("DecayCorrectionDateTime", standard)]
    for name, tag in (("GE (0009,xx0d)", _GE_SCAN), ("Siemens (0071,xx22)", _SIEMENS_DECAY)):
        text = private_text(header, tag)
        if _DATETIME.fullmatch(text):
            moment = parse_datetime_s(text, name, header)
            found += [] if moment is None else [(name, moment)]
    return tuple(found)


def _frame(header: Dataset) -> SuvFrame:
    reference_ms = number(header, "FrameReferenceTime")
    duration_ms = number(header, "ActualFrameDuration")
    return SuvFrame(
        acquired_s=moment_s(header, "Acquisition"),
        reference_s=None if reference_ms is None else reference_ms / 1000.0,
        duration_s=None if duration_ms is None else duration_ms / 1000.0,
        philips_suv=private_number(header, _PHILIPS_SUV),
        philips_activity=private_number(header, _PHILIPS_ACTIVITY),
    )

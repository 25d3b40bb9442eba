"""When the tracer was injected, and to what time the values of a PET series are corrected.

Sources: DICOM PS3.3 C.8.9.1.1.4, the QIBA FDG-PET profile, the IBSI-SUV manual (Vácha et al.), and
what Siemens, GE and Philips scanners were seen to write.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import median

from pcrnet.errors import UnitError
from pcrnet.imaging.dicom.clock import DAY_S, nearest_day_s
from pcrnet.imaging.dicom.tags import missing
from pcrnet.imaging.pet.suv_numbers import CheckedNumber, positive, read_half_life_s
from pcrnet.imaging.pet.suv_tags import SuvFrame, SuvTags

_MAX_HALF_LIVES = 6.0
_USUAL_HALF_LIVES = 2.0
_BACK_COMPUTED_SPREAD_S = 2.0
_MAX_START_BEFORE_S = 900.0


@dataclass(frozen=True)
class Reference:
    """The time to which a series is corrected.

    Attributes:
        seconds: On the clock of the tags.
        source: Which tags say so.
        note: Why it is not SeriesTime; "" where it is, or where the maker states it.
    """

    seconds: float
    source: str
    note: str = ""


def reference_time(tags: SuvTags) -> Reference:
    """The time to which a series with DecayCorrection START, or an enhanced one, is corrected.

    An enhanced object states it. Of others, in this order: the decay reference that the maker
    itself states; SeriesTime, unless it is later than the earliest AcquisitionTime (then the
    series was made anew); the time computed back from AcquisitionTime, FrameReferenceTime and
    ActualFrameDuration, where all slices agree on it; the earliest AcquisitionTime.

    Raises:
        MissingTagError: DecayCorrectionDateTime of an enhanced object; SeriesTime or
            AcquisitionTime of others.
    """
    if tags.decay_correction == "STATED":
        stated = dict(tags.declared).get("DecayCorrectionDateTime")
        if stated is None:
            raise missing("DecayCorrectionDateTime")
        return Reference(stated, "DecayCorrectionDateTime")
    earliest = min(acquired_s(tags))
    for source, moment in tags.declared:
        # De-identification that moves only the public dates leaves private ones days away.
        if abs(moment - earliest) < DAY_S:
            return Reference(moment, source)
    if tags.series_s is None:
        raise missing("SeriesTime")
    if tags.series_s <= earliest:
        return Reference(tags.series_s, "SeriesTime")
    note = "SeriesTime is later than the earliest AcquisitionTime, so it is not the reference"
    moments = [_frame_reference_s(frame, read_half_life_s(tags)) for frame in tags.frames]
    known = [moment for moment in moments if moment is not None]
    # GE's AcquisitionTime is that of the first bed, and its FrameReferenceTime counts from the
    # start of the frame: then the slices disagree, or the scan would begin after its first slice.
    agreed = len(known) == len(moments) and max(known) - min(known) <= _BACK_COMPUTED_SPREAD_S
    if agreed and median(known) <= earliest + 1.0:
        source = "AcquisitionTime, FrameReferenceTime and ActualFrameDuration"
        return Reference(median(known), source, note)
    return Reference(earliest, "earliest AcquisitionTime", note)


def acquired_s(tags: SuvTags) -> tuple[float, ...]:
    """Start of the acquisition of each slice.

    Raises:
        MissingTagError: A slice without AcquisitionTime.
    """
    known = tuple(frame.acquired_s for frame in tags.frames if frame.acquired_s is not None)
    if len(known) < len(tags.frames):
        raise missing("AcquisitionTime")
    return known


def injection(tags: SuvTags, before_s: float, *, begun_s: float | None = None) -> CheckedNumber:
    """When the tracer was injected: the DateTime, else the last such Time before a moment.

    A DateTime of the evening with the date of a scan after midnight is that of the day before:
    scanners are seen to put the scan's date to the time alone. A dynamic scan starts before its
    injection, and its late frames are corrected to that start too: then the moment may lie up to
    15 minutes before the injection, if these slices were acquired after it.

    Args:
        tags: Of the series.
        before_s: To what time the values are corrected.
        begun_s: When the first of the slices was acquired; None where that is not known.

    Raises:
        MissingTagError: Neither is stated.
        UnitError: Not between 0 and 6 half-lives before the moment.
    """
    found = _injection(tags, before_s)
    half_life_s = read_half_life_s(tags)
    if 0.0 <= before_s - found.value <= _MAX_HALF_LIVES * half_life_s:
        return found
    started_s = _after_start(tags, before_s, begun_s)
    if started_s is not None:
        return CheckedNumber(
            started_s,
            f"the injection lies {started_s - before_s:.0f} s after the start of the series, to "
            "which a dynamic scan is corrected, and before these slices",
        )
    day_before_s = found.value - DAY_S
    same_date = found.value // DAY_S == before_s // DAY_S
    if same_date and 0.0 <= before_s - day_before_s <= _USUAL_HALF_LIVES * half_life_s:
        return CheckedNumber(
            day_before_s,
            "RadiopharmaceuticalStartDateTime lies in the evening after the scan: it is read as "
            "that of the evening before, the scan being after midnight",
        )
    raise UnitError(
        f"the scan lies {(before_s - found.value) / 3600.0:.2f} h after the injection; expected 0 "
        f"to {_MAX_HALF_LIVES * half_life_s / 3600.0:.1f} h ({_MAX_HALF_LIVES:.0f} half-lives)",
        field="RadiopharmaceuticalStartDateTime",
        remedy="correct the injection time; if dates were moved, move all alike",
    )


def _after_start(tags: SuvTags, start_s: float, begun_s: float | None) -> float | None:
    """The injection, where it lies soon after a moment and not after the first slice."""
    stated_s = tags.injected_s
    if stated_s is None:
        if tags.injected_time_s is None:
            return None
        stated_s = nearest_day_s(tags.injected_time_s, start_s)
    soon = 0.0 < stated_s - start_s <= _MAX_START_BEFORE_S
    return stated_s if soon and begun_s is not None and stated_s <= begun_s else None


def undecayed_s(tags: SuvTags) -> tuple[tuple[float, ...], str]:
    """When the activity of each slice that is not decay corrected was what its values say.

    The moment that an enhanced object states (FrameReferenceDateTime), else the moment in the
    frame at which the activity equals its mean; and which tags say so.

    Raises:
        MissingTagError: AcquisitionTime or ActualFrameDuration, where no moment is stated.
    """
    stated = tuple(frame.stands_for_s for frame in tags.frames if frame.stands_for_s is not None)
    if len(stated) == len(tags.frames):
        return stated, "FrameReferenceDateTime of each frame"
    half_life_s = read_half_life_s(tags)
    moments = tuple(
        begun + mean_after_s(positive(frame.duration_s, "ActualFrameDuration"), half_life_s)
        for begun, frame in zip(acquired_s(tags), tags.frames, strict=True)
    )
    return moments, "AcquisitionTime of each slice and the mean over its ActualFrameDuration"


def mean_after_s(duration_s: float, half_life_s: float) -> float:
    """How long into a frame the activity equals its mean, ln(λT / (1 − e^(−λT))) / λ."""
    exponent = math.log(2.0) / half_life_s * duration_s
    return half_life_s * math.log2(exponent / -math.expm1(-exponent))


def decay_since(elapsed_s: float, half_life_s: float) -> float:
    """Activity at the start of a time over that at its end, 2^(t / half-life)."""
    return float(2.0 ** (elapsed_s / half_life_s))


def _frame_reference_s(frame: SuvFrame, half_life_s: float) -> float | None:
    """QIBA's back-computation: when the activity equals its mean, less FrameReferenceTime."""
    if frame.acquired_s is None or frame.reference_s is None or frame.duration_s is None:
        return None
    duration_s = positive(frame.duration_s, "ActualFrameDuration")
    return frame.acquired_s + mean_after_s(duration_s, half_life_s) - frame.reference_s


def _injection(tags: SuvTags, before_s: float) -> CheckedNumber:
    of_day = tags.injected_time_s
    if tags.injected_s is not None:
        apart = 0.0 if of_day is None else abs(tags.injected_s % DAY_S - of_day)
        note = (
            f"RadiopharmaceuticalStartTime differs by {apart:.0f} s from "
            "RadiopharmaceuticalStartDateTime, which is used"
        )
        return CheckedNumber(tags.injected_s, note if apart > 1.0 else "")
    if of_day is None:
        raise missing("RadiopharmaceuticalStartDateTime or RadiopharmaceuticalStartTime")
    same_day = before_s - before_s % DAY_S + of_day
    if same_day <= before_s:
        return CheckedNumber(same_day)
    return CheckedNumber(same_day - DAY_S, "the injection was before midnight, the scan after")

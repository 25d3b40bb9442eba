"""The times of a PET series on one clock: zones brought together, removed dates made good.

A date that de-identification removed is not needed where the times lie within a day of one another.
What was concluded is noted.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pcrnet.errors import UnitError
from pcrnet.imaging.dicom.clock import (
    DAY_S,
    Clock,
    clock_of,
    nearest_day_s,
    one_night_s,
    states_zone,
    time_s,
)
from pcrnet.imaging.dicom.groups import FrameGroups
from pcrnet.imaging.dicom.tags import PrivateTag, private_text, word

if TYPE_CHECKING:
    from pydicom import Dataset

_GE_SCAN = PrivateTag(0x0009, "GEMS_PETD_01", 0x0D, needs_creator=False)
_SIEMENS_DECAY = PrivateTag(0x0071, "SIEMENS MED PT", 0x22, needs_creator=False)
_DATETIME = re.compile(r"\d{14}(\.\d{1,6})?([+-]\d{2}:?\d{2})?")
_STARTED = "RadiopharmaceuticalStartDateTime"
_STARTED_TIME = "RadiopharmaceuticalStartTime"


@dataclass(frozen=True)
class SuvTimes:
    """When things happened, in seconds on one local clock; None is not stated.

    Attributes:
        injected_s: RadiopharmaceuticalStartDateTime.
        injected_time_s: RadiopharmaceuticalStartTime, in seconds since midnight.
        series_s: SeriesDate and SeriesTime.
        acquired_s: Start of the acquisition of each slice.
        stands_for_s: Of each slice, when the activity was what the values say, as an enhanced
            object states it.
        declared: Decay reference times that the maker itself states: name of the tag, and time.
        notes: What was concluded where zones or dates are missing.
    """

    injected_s: float | None
    injected_time_s: float | None
    series_s: float | None
    acquired_s: tuple[float | None, ...]
    stands_for_s: tuple[float | None, ...]
    declared: tuple[tuple[str, float], ...]
    notes: tuple[str, ...]


def read_suv_times(groups: Sequence[FrameGroups], dose: Dataset) -> SuvTimes:
    """Read the times of all slices, in the order given.

    Args:
        groups: Headers of the slices or frames.
        dose: The item of the Radiopharmaceutical Information Sequence, alike for all.

    Raises:
        UnitError: Slices that state different zones or series times.
        DicomFileError: A date, time or zone that is damaged.
    """
    contents = [of.find("FrameContentSequence") for of in groups]
    clock = _one_clock(groups, contents, dose)
    acquired = [_acquired(of, at, clock) for of, at in zip(groups, contents, strict=True)]
    series = {_place(of.header, "Series", clock) for of in groups}
    if len(series) > 1:
        raise _differing("SeriesTime")
    acquired_s, series_s, dated, notes = _dated(acquired, series.pop())
    injected_s, injected_time_s, of_injection = _injected(dose, clock, dated=dated)
    declared = {_declared(of.header, clock) for of in groups}
    return SuvTimes(
        injected_s=injected_s,
        injected_time_s=injected_time_s,
        series_s=series_s,
        acquired_s=acquired_s,
        stands_for_s=tuple(clock.datetime_s(of, "FrameReferenceDateTime") for of in contents),
        # Slices that state different ones do not state one for the series.
        declared=declared.pop() if len(declared) == 1 else (),
        notes=(*_zone_notes(clock, dose, groups[0].header), *notes, *of_injection),
    )


_Place = tuple[float | None, bool]
"""Seconds, and whether they count from a date instead of from midnight."""


def _one_clock(groups: Sequence[FrameGroups], contents: Sequence[Dataset], dose: Dataset) -> Clock:
    clocks = {
        clock_of(of.header, (content, dose)) for of, content in zip(groups, contents, strict=True)
    }
    if len({clock.zone_s for clock in clocks}) > 1:
        raise _differing("TimezoneOffsetFromUTC")
    return clocks.pop()


def _acquired(groups: FrameGroups, content: Dataset, clock: Clock) -> _Place:
    of_frame = clock.datetime_s(content, "FrameAcquisitionDateTime")
    return (of_frame, True) if of_frame is not None else _place(groups.header, "Acquisition", clock)


def _place(header: Dataset, stem: str, clock: Clock) -> _Place:
    moment = clock.moment_s(header, stem)
    return (moment, True) if moment is not None else (time_s(header, f"{stem}Time"), False)


def _dated(
    acquired: Sequence[_Place], series: _Place
) -> tuple[tuple[float | None, ...], float | None, bool, tuple[str, ...]]:
    """Acquisitions and series on one clock, whether it has dates, and what was concluded."""
    notes = [
        f"{stem}Date is missing: {stem}Time is taken to be within half a day of the other times"
        for stem, places in (("Acquisition", acquired), ("Series", (series,)))
        if any(seconds is not None and not dated for seconds, dated in places)
    ]
    anchors = [seconds for seconds, dated in (*acquired, series) if dated and seconds is not None]
    if anchors:
        anchor = min(anchors)
        placed = [_near(place, anchor) for place in (*acquired, series)]
        return tuple(placed[:-1]), placed[-1], True, tuple(notes)
    times = [seconds for seconds, _ in acquired if seconds is not None]
    in_order = iter(one_night_s(times))
    acquired_s = tuple(None if seconds is None else next(in_order) for seconds, _ in acquired)
    earliest = min((seconds for seconds in acquired_s if seconds is not None), default=None)
    series_s = series[0]
    if series_s is not None and earliest is not None:
        series_s = nearest_day_s(series_s, earliest)
    return acquired_s, series_s, False, tuple(notes)


def _near(place: _Place, anchor_s: float) -> float | None:
    seconds, dated = place
    return seconds if seconds is None or dated else nearest_day_s(seconds, anchor_s)


def _injected(
    dose: Dataset, clock: Clock, *, dated: bool
) -> tuple[float | None, float | None, tuple[str, ...]]:
    """DateTime, time of day, and what was concluded."""
    moment = clock.datetime_s(dose, _STARTED)
    of_day = clock.of_day_s(dose, _STARTED_TIME)
    if moment is None:
        return None, of_day, ()
    notes = []
    if of_day is not None and clock.source == _STARTED:
        # Nothing else states a zone; the time of day is local, and tells the zone of the scanner.
        local = nearest_day_s(of_day, moment)
        if abs(local - moment) > 1.0 and (local - moment) % 900.0 == 0.0:
            moment = local
            notes.append(
                f"{_STARTED} is in another time zone than the scanner, which {_STARTED_TIME} tells"
            )
    if not dated:
        notes.append(f"dates are missing: of {_STARTED} only the time counts")
        return None, moment % DAY_S, tuple(notes)
    return moment, of_day, tuple(notes)


def _declared(header: Dataset, clock: Clock) -> tuple[tuple[str, float], ...]:
    """DecayCorrectionDateTime, GE's PET scan_datetime and Siemens' decay correction time."""
    standard = clock.datetime_s(header, "DecayCorrectionDateTime")
    found = [] if standard is None else [("DecayCorrectionDateTime", standard)]
    for name, tag in (("GE (0009,xx0d)", _GE_SCAN), ("Siemens (0071,xx22)", _SIEMENS_DECAY)):
        text = private_text(header, tag)
        if _DATETIME.fullmatch(text):
            moment = clock.parse_s(text, name, header)
            found += [] if moment is None else [(name, moment)]
    return tuple(found)


def _zone_notes(clock: Clock, dose: Dataset, header: Dataset) -> tuple[str, ...]:
    """Where no zone is stated for the series, some times are taken to be in that of others."""
    if not clock.assumed:
        return ()
    injected_alike = not word(dose, _STARTED) or states_zone(dose, _STARTED)
    decay = "DecayCorrectionDateTime"
    scan_alike = word(header, decay) != "" and states_zone(header, decay)
    if injected_alike and scan_alike:
        return ()
    return (
        "TimezoneOffsetFromUTC is missing: times that state no zone are taken to be in that of "
        f"{clock.source}",
    )


def _differing(keyword: str) -> UnitError:
    return UnitError(
        f"the slices of the series differ in {keyword}",
        field=keyword,
        remedy="keep one scan of one patient a folder",
    )

"""Dates and times of DICOM as seconds on the one clock of a data set, whatever zone states them.

Dates and times are local to the zone that TimezoneOffsetFromUTC (0008,0201) states. It lies in the
data set and holds for the items of its sequences too, unless an item or a DateTime states its own
(PS3.3 C.12.1.1, PS3.5 6.2).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from pcrnet.imaging.dicom.tags import unreadable, word

if TYPE_CHECKING:
    from pydicom import Dataset

DAY_S = 86_400.0

_ZONE_TAG = "TimezoneOffsetFromUTC"
_DATE = re.compile(r"(\d{4})\.?(\d{2})\.?(\d{2})")
_TIME = re.compile(r"(\d{2})(?::?(\d{2})(?::?(\d{2}(?:\.\d{1,6})?))?)?")
_ZONE = re.compile(r"([+-])(\d{2}):?(\d{2})$")
_MAX_ZONE_S = 14 * 3600.0
_DATETIMES = (
    "DecayCorrectionDateTime",
    "FrameAcquisitionDateTime",
    "FrameReferenceDateTime",
    "AcquisitionDateTime",
    "RadiopharmaceuticalStartDateTime",
)
"""Moments of the scan first: where the data set states no zone, theirs is the scanner's."""


@dataclass(frozen=True)
class Clock:
    """The local clock of one data set. Only differences of its seconds mean anything.

    Attributes:
        zone_s: Seconds by which it is ahead of UTC; None where nothing says so.
        source: The tag that says so; "" for none.
    """

    zone_s: float | None = None
    source: str = ""

    @property
    def assumed(self) -> bool:
        """Whether its zone was taken from a moment, for want of TimezoneOffsetFromUTC."""
        return self.source not in ("", _ZONE_TAG)

    def moment_s(self, dataset: Dataset, stem: str) -> float | None:
        """A point in time; None where time or date is absent.

        Args:
            dataset: Where to look: the data set, or an item of it.
            stem: "Acquisition" reads AcquisitionDateTime, else AcquisitionDate and
                AcquisitionTime.
        """
        together = self.datetime_s(dataset, f"{stem}DateTime")
        if together is not None:
            return together
        day = word(dataset, f"{stem}Date")
        time = time_s(dataset, f"{stem}Time")
        if not day or time is None:
            return None
        return day_s(day, f"{stem}Date") + time + self._ahead_s(own_zone_s(dataset))

    def datetime_s(self, dataset: Dataset, keyword: str) -> float | None:
        """A DT value; None where it is absent or lacks the time."""
        return self.parse_s(word(dataset, keyword), keyword, dataset)

    def parse_s(self, text: str, keyword: str, dataset: Dataset | None = None) -> float | None:
        """DT text; its own zone counts before that of the item in which it lies."""
        zone = _ZONE.search(text)
        local = text[: zone.start()] if zone else text
        if len(local) <= 8:
            return None
        seconds = day_s(local[:8], keyword) + parse_time_s(local[8:], keyword)
        stated = _zone_s(zone, keyword) if zone else own_zone_s(dataset)
        return seconds + self._ahead_s(stated)

    def of_day_s(self, dataset: Dataset, keyword: str) -> float | None:
        """A TM value in seconds since this clock's midnight."""
        found = time_s(dataset, keyword)
        return None if found is None else (found + self._ahead_s(own_zone_s(dataset))) % DAY_S

    def _ahead_s(self, stated_s: float | None) -> float:
        return 0.0 if stated_s is None or self.zone_s is None else self.zone_s - stated_s


def clock_of(header: Dataset, items: Iterable[Dataset] = ()) -> Clock:
    """The clock of a data set.

    Args:
        header: The data set.
        items: Items of its sequences that state moments. Where the data set states no zone, the
            first moment of it and of them that states one counts.

    Raises:
        DicomFileError: A zone that is none.
    """
    stated = own_zone_s(header)
    if stated is not None:
        return Clock(stated, _ZONE_TAG)
    places = (header, *items)
    for keyword in _DATETIMES:
        for place in places:
            zone = _ZONE.search(word(place, keyword))
            if zone:
                return Clock(_zone_s(zone, keyword), keyword)
    for item in places[1:]:
        found = own_zone_s(item)
        if found is not None:
            return Clock(found, f"{_ZONE_TAG} of an item")
    return Clock()


def states_zone(dataset: Dataset, keyword: str) -> bool:
    """Whether a DT value, or the item in which it lies, states its zone."""
    return bool(_ZONE.search(word(dataset, keyword))) or own_zone_s(dataset) is not None


def own_zone_s(dataset: Dataset | None) -> float | None:
    """The zone that a data set or an item states itself.

    Raises:
        DicomFileError: It is none.
    """
    text = word(dataset, _ZONE_TAG) if dataset is not None else ""
    if not text:
        return None
    zone = _ZONE.fullmatch(text)
    if zone is None:
        raise unreadable(_ZONE_TAG, "hours and minutes with a sign expected")
    return _zone_s(zone, _ZONE_TAG)


def time_s(dataset: Dataset, keyword: str) -> float | None:
    """A TM value in seconds since midnight."""
    text = word(dataset, keyword)
    return parse_time_s(text, keyword) if text else None


def day_s(text: str, keyword: str) -> float:
    """A DA value as the seconds at which its day begins."""
    match = _DATE.fullmatch(text)
    try:
        day = date(*map(int, match.groups())) if match else None
    except ValueError:
        day = None
    if day is None:
        raise unreadable(keyword, "a date expected")
    return day.toordinal() * DAY_S


def parse_time_s(text: str, keyword: str) -> float:
    """TM text in seconds since midnight."""
    match = _TIME.fullmatch(text)
    if match is None:
        raise unreadable(keyword, "a time expected")
    hours, minutes, seconds = (float(part or 0) for part in match.groups())
    if hours > 23 or minutes > 59 or seconds >= 61:
        raise unreadable(keyword, "a time expected")
    return hours * 3600 + minutes * 60 + seconds


def nearest_day_s(of_day_s: float, anchor_s: float) -> float:
    """A time of day on the day that brings it nearest to a moment, within half a day of it."""
    return of_day_s % DAY_S + DAY_S * round((anchor_s - of_day_s % DAY_S) / DAY_S)


def one_night_s(times_s: list[float]) -> list[float]:
    """Times whose dates were removed, on one clock: the small hours follow a late evening."""
    if not times_s or max(times_s) >= DAY_S or max(times_s) - min(times_s) < DAY_S / 2:
        return times_s
    return [time + DAY_S if time < DAY_S / 2 else time for time in times_s]


def _zone_s(match: re.Match[str], keyword: str) -> float:
    sign, hours, minutes = match.groups()
    seconds = int(hours) * 3600 + int(minutes) * 60
    if seconds > _MAX_ZONE_S or int(minutes) > 59:
        raise unreadable(keyword, "a time zone expected")
    return float(-seconds if sign == "-" else seconds)

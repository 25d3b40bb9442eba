"""Dates and times on one clock, whatever zone states them."""

from __future__ import annotations

import warnings

import pytest
from pydicom import Dataset

from pcrnet.errors import DicomFileError
from pcrnet.imaging.dicom.clock import Clock, clock_of, nearest_day_s, one_night_s, time_s

STARTED = "RadiopharmaceuticalStartDateTime"


def dataset(**tags: object) -> Dataset:
    found = Dataset()
    for keyword, stored in tags.items():
        setattr(found, keyword, stored)
    return found


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("07", 25200.0), ("0700", 25200.0), ("070003.25", 25203.25), ("07:00:03", 25203.0)],
)
def test_times_of_day_in_every_spelling(text: str, seconds: float) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert time_s(dataset(SeriesTime=text), "SeriesTime") == seconds


def test_moments_differ_by_elapsed_seconds_across_midnight_and_years() -> None:
    eve = Clock().moment_s(dataset(SeriesDate="20231231", SeriesTime="235930"), "Series")
    morning = Clock().moment_s(dataset(SeriesDate="20240101", SeriesTime="000015.5"), "Series")
    assert eve is not None
    assert morning is not None
    assert morning - eve == 45.5


def test_a_moment_needs_date_and_time() -> None:
    assert Clock().moment_s(dataset(SeriesTime="100000"), "Series") is None
    assert Clock().moment_s(dataset(SeriesDate="20240101", SeriesTime=""), "Series") is None
    assert (
        Clock().datetime_s(dataset(AcquisitionDateTime="20240101"), "AcquisitionDateTime") is None
    )


def test_a_stated_time_zone_is_brought_to_that_of_the_data_set() -> None:
    here = dataset(TimezoneOffsetFromUTC="+0100", AcquisitionDateTime="20240101100000")
    there = dataset(TimezoneOffsetFromUTC="+0100", AcquisitionDateTime="20240101090000+0000")
    moments = [clock_of(of).datetime_s(of, "AcquisitionDateTime") for of in (here, there)]
    assert moments[0] == moments[1]


@pytest.mark.parametrize("text", ["2500AA", "256000", "1", "101061.5"])
def test_times_that_are_none_are_refused(text: str) -> None:
    damaged = Dataset()
    damaged.add_new("SeriesTime", "LO", text)
    with pytest.raises(DicomFileError, match="SeriesTime"):
        time_s(damaged, "SeriesTime")


@pytest.mark.parametrize("text", ["20240230", "2024", "CANARY"])
def test_dates_that_are_none_are_refused(text: str) -> None:
    damaged = dataset(SeriesTime="100000")
    damaged.add_new("SeriesDate", "LO", text)
    with pytest.raises(DicomFileError, match="SeriesDate") as caught:
        Clock().moment_s(damaged, "Series")
    assert "CANARY" not in str(caught.value)


def test_the_zone_of_the_data_set_holds_for_its_items() -> None:
    clock = clock_of(dataset(TimezoneOffsetFromUTC="+0100"))
    local = clock.datetime_s(dataset(**{STARTED: "20240101233000"}), STARTED)
    universal = clock.datetime_s(dataset(**{STARTED: "20240101223000+0000"}), STARTED)
    behind = clock.datetime_s(dataset(**{STARTED: "20240101133000-0900"}), STARTED)
    ahead = clock.datetime_s(dataset(**{STARTED: "20240102040000+0530"}), STARTED)
    assert local == universal == behind == ahead


def test_the_zone_of_an_item_holds_for_its_times() -> None:
    clock = clock_of(dataset(TimezoneOffsetFromUTC="+0100"))
    item = dataset(
        TimezoneOffsetFromUTC="+0000", RadiopharmaceuticalStartTime="233000",
        RadiopharmaceuticalStartDateTime="20240101233000",
    )  # fmt: skip
    assert clock.of_day_s(item, "RadiopharmaceuticalStartTime") == 1800.0
    assert clock.datetime_s(item, STARTED) == Clock().datetime_s(
        dataset(**{STARTED: "20240102003000"}), STARTED
    )


def test_without_a_zone_of_the_data_set_that_of_the_scan_counts_before_that_of_the_injection() -> (
    None
):
    header = dataset(DecayCorrectionDateTime="20240101110000+0200")
    clock = clock_of(header, [dataset(**{STARTED: "20240101080000+0000"})])
    assert (clock.zone_s, clock.assumed) == (7200.0, True)
    assert clock.datetime_s(header, "DecayCorrectionDateTime") - clock.datetime_s(
        dataset(**{STARTED: "20240101080000+0000"}), STARTED
    ) == pytest.approx(3600.0)


@pytest.mark.parametrize("text", ["0100", "+1", "+9900", "+0175", "CANARY"])
def test_zones_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(DicomFileError, match="TimezoneOffsetFromUTC") as caught:
        clock_of(dataset(TimezoneOffsetFromUTC=text))
    assert "CANARY" not in str(caught.value)


def test_times_without_dates_lie_on_the_nearest_day_and_one_night() -> None:
    day_s = 86_400.0
    assert nearest_day_s(23.5 * 3600, 10 * day_s + 600) == 10 * day_s - 1800
    assert nearest_day_s(600.0, 10 * day_s - 1800) == 10 * day_s + 600
    assert one_night_s([day_s - 10, 20.0]) == [day_s - 10, day_s + 20]
    assert one_night_s([0.0, 3600.0]) == [0.0, 3600.0]

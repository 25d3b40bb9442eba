"""Tags as numbers, words and seconds."""

from __future__ import annotations

import logging
import threading
import warnings

import pytest
from pydicom import Dataset

from pcrnet.errors import DicomFileError, MissingTagError
from pcrnet.imaging.dicom_tags import (
    PrivateTag,
    datetime_s,
    moment_s,
    number,
    numbers,
    private_number,
    private_text,
    quiet,
    required_number,
    time_s,
    word,
    words,
)


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
    eve = moment_s(dataset(SeriesDate="20231231", SeriesTime="235930"), "Series")
    morning = moment_s(dataset(SeriesDate="20240101", SeriesTime="000015.5"), "Series")
    assert eve is not None
    assert morning is not None
    assert morning - eve == 45.5


def test_a_moment_needs_date_and_time() -> None:
    assert moment_s(dataset(SeriesTime="100000"), "Series") is None
    assert moment_s(dataset(SeriesDate="20240101", SeriesTime=""), "Series") is None
    assert datetime_s(dataset(AcquisitionDateTime="20240101"), "AcquisitionDateTime") is None


def test_a_stated_time_zone_is_brought_to_that_of_the_data_set() -> None:
    here = dataset(TimezoneOffsetFromUTC="+0100", AcquisitionDateTime="20240101100000")
    there = dataset(TimezoneOffsetFromUTC="+0100", AcquisitionDateTime="20240101090000+0000")
    assert datetime_s(here, "AcquisitionDateTime") == datetime_s(there, "AcquisitionDateTime")


def test_absent_and_empty_are_none_or_an_error_by_name() -> None:
    for found in (dataset(), dataset(PatientWeight=None), dataset(PatientWeight="")):
        assert number(found, "PatientWeight") is None
        with pytest.raises(MissingTagError) as caught:
            required_number(found, "PatientWeight")
        assert caught.value.field == "PatientWeight"
    assert word(dataset(), "Units") == ""
    assert words(dataset(Manufacturer=["attn ", "DECY"]), "Manufacturer") == ("ATTN", "DECY")


def test_values_that_are_no_numbers_are_refused_unseen() -> None:
    damaged = Dataset()
    damaged.add_new("PatientWeight", "LO", "CANARY")
    damaged.add_new("PatientSize", "FD", float("nan"))
    damaged.add_new("PixelSpacing", "FD", [1.0, 2.0, 3.0])
    for read in (
        lambda: number(damaged, "PatientWeight"),
        lambda: number(damaged, "PatientSize"),
        lambda: numbers(damaged, "PixelSpacing", 2),
    ):
        with pytest.raises(DicomFileError) as caught:
            read()
        assert "CANARY" not in str(caught.value)


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
        moment_s(damaged, "Series")
    assert "CANARY" not in str(caught.value)


def test_private_values_are_found_in_their_block_wherever_it_lies() -> None:
    tag = PrivateTag(0x7053, "Philips PET Private Group", 0x09, needs_creator=False)
    second = Dataset()
    second.private_block(0x7053, "ANOTHER", create=True).add_new(0x09, "DS", "9")
    assert private_number(second, tag) is None
    second.private_block(0x7053, tag.creator, create=True).add_new(0x09, "UN", b"1.5 ")
    assert private_number(second, tag) == 1.5


def test_a_block_without_its_name_counts_only_where_that_is_allowed() -> None:
    nameless = Dataset()
    nameless.add_new((0x7053, 0x1009), "UN", b"1.5")
    allowed = PrivateTag(0x7053, "Philips PET Private Group", 0x09, needs_creator=False)
    strict = PrivateTag(0x7053, "Philips PET Private Group", 0x09)
    assert private_number(nameless, allowed) == 1.5
    assert private_number(nameless, strict) is None
    assert private_text(nameless, strict) == ""


def test_quiet_holds_back_warnings_and_log_records(caplog: pytest.LogCaptureFixture) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with quiet():
            warnings.warn("CANARY", UserWarning, stacklevel=1)
            logging.getLogger("pydicom").error("CANARY")
    assert not caught
    assert not caplog.records
    assert not logging.getLogger("pydicom").disabled


def test_the_first_thread_to_leave_does_not_end_the_silence_of_another(
    caplog: pytest.LogCaptureFixture,
) -> None:
    inside, leave = threading.Event(), threading.Event()

    def other() -> None:
        with quiet():
            inside.set()
            leave.wait(10)

    thread = threading.Thread(target=other)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with quiet():
            thread.start()
            assert inside.wait(10)
        logging.getLogger("pydicom").error("CANARY")
        warnings.warn("CANARY", UserWarning, stacklevel=1)
        leave.set()
        thread.join(10)
        assert not caught
        assert not caplog.records
        warnings.warn("told again", UserWarning, stacklevel=1)
        assert len(caught) == 1
    assert not logging.getLogger("pydicom").disabled

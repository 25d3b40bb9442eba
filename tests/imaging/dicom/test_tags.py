"""Tags as numbers and words."""

from __future__ import annotations

import logging
import threading
import warnings

import pytest
from pydicom import Dataset

from pcrnet.errors import DicomFileError, MissingTagError
from pcrnet.imaging.dicom.tags import (
    PrivateTag,
    number,
    numbers,
    private_number,
    private_text,
    quiet,
    required_number,
    word,
    words,
)


def dataset(**tags: object) -> Dataset:
    found = Dataset()
    for keyword, stored in tags.items():
        setattr(found, keyword, stored)
    return found


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

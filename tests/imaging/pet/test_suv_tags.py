"""The record of tags that an SUV rests on."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import pytest
from pydicom import Dataset

from pcrnet.errors import DicomFileError, MissingTagError, UnitError
from pcrnet.imaging.dicom.groups import FrameGroups
from pcrnet.imaging.pet.suv_tags import SuvTags

MakeSlice = Callable[..., Dataset]


def test_times_are_seconds_on_one_clock(make_slice: MakeSlice) -> None:
    tags = SuvTags.from_groups([FrameGroups(make_slice(0, "PT"))])
    assert tags.series_s is not None
    assert tags.injected_s is not None
    assert tags.series_s - tags.injected_s == 3600.0
    assert tags.injected_time_s == 9 * 3600.0
    assert tags.frames[0].acquired_s == tags.series_s


def test_slices_of_two_patients_are_refused(make_slice: MakeSlice) -> None:
    with pytest.raises(UnitError) as caught:
        SuvTags.from_groups(
            map(FrameGroups, [make_slice(0, "PT"), make_slice(1, "PT", PatientWeight=71.0)])
        )
    assert caught.value.field == "PatientWeight"


def test_two_injections_are_refused(make_slice: MakeSlice) -> None:
    slice_ = make_slice(0, "PT")
    injection = slice_.RadiopharmaceuticalInformationSequence[0]
    slice_.RadiopharmaceuticalInformationSequence = [injection, injection]
    with pytest.raises(UnitError, match="2 injections"):
        SuvTags.from_groups([FrameGroups(slice_)])


def test_a_series_without_injection_is_refused(make_slice: MakeSlice) -> None:
    with pytest.raises(MissingTagError, match="RadiopharmaceuticalInformationSequence"):
        SuvTags.from_groups([FrameGroups(make_slice(0, "MR"))])


def test_a_reference_time_that_slices_do_not_share_is_none(make_slice: MakeSlice) -> None:
    slices = [make_slice(n, "PT") for n in range(2)]
    for n, slice_ in enumerate(slices):
        block = slice_.private_block(0x0009, "GEMS_PETD_01", create=True)
        block.add_new(0x0D, "DT", f"2024010210000{n}")
    assert SuvTags.from_groups(map(FrameGroups, slices)).declared == ()
    assert [name for name, _ in SuvTags.from_groups([FrameGroups(slices[0])]).declared] == [
        "GE (0009,xx0d)"
    ]


def test_a_damaged_number_is_named_and_not_shown(make_slice: MakeSlice) -> None:
    slice_ = make_slice(0, "PT", PatientWeight=None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        slice_.add_new("PatientWeight", "LO", "CANARY")
    with pytest.raises(DicomFileError, match="PatientWeight") as caught:
        SuvTags.from_groups([FrameGroups(slice_)])
    assert "CANARY" not in str(caught.value)

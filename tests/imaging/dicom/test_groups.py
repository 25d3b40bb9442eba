"""Attributes of single slices, of frames, and of converted files, wherever they lie."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from pydicom import Dataset

from pcrnet.errors import DicomFileError
from pcrnet.imaging.dicom.groups import (
    FrameGroups,
    RealWorldMap,
    frame_groups,
    real_world_maps,
)

MakeSlice = Callable[..., Dataset]


def spaced(mm: float) -> Dataset:
    """A data set with a group of pixel measures."""
    measures, holder = Dataset(), Dataset()
    measures.SliceThickness = mm
    holder.PixelMeasuresSequence = [measures]
    return holder


def mapping(slope: float | None, unit: str) -> Dataset:
    code, item = Dataset(), Dataset()
    code.CodeValue = unit
    item.RealWorldValueIntercept = 1.0
    item.MeasurementUnitsCodeSequence = [code]
    if slope is not None:
        item.RealWorldValueSlope = slope
    return item


def test_a_single_slice_has_one_set_of_groups_its_header(make_slice: MakeSlice) -> None:
    header = make_slice(0)
    (groups,) = frame_groups(header)
    assert groups.header is header
    assert groups.find("PixelMeasuresSequence") is header


def test_a_group_of_the_frame_goes_before_the_shared_and_that_before_the_header() -> None:
    header, shared, own = spaced(1.0), spaced(2.0), spaced(3.0)
    for groups, expected in (
        (FrameGroups(header, shared, own), 3.0),
        (FrameGroups(header, shared, Dataset()), 2.0),
        (FrameGroups(header), 1.0),
    ):
        assert groups.find("PixelMeasuresSequence").SliceThickness == expected


def test_frames_without_groups_of_their_own_are_refused(make_slice: MakeSlice) -> None:
    header = make_slice(0, NumberOfFrames=2, PerFrameFunctionalGroupsSequence=[Dataset()])
    with pytest.raises(DicomFileError, match="functional groups for 1"):
        frame_groups(header)


def test_converted_attributes_lie_over_the_header_and_leave_it_as_it_is(
    make_slice: MakeSlice,
) -> None:
    header = make_slice(0, NumberOfFrames=2, AcquisitionTime="100000")
    shared, frames = Dataset(), [Dataset(), Dataset()]
    common, late = Dataset(), Dataset()
    common.AcquisitionDate, late.AcquisitionTime = "20240203", "110000"
    shared.UnassignedSharedConvertedAttributesSequence = [common]
    frames[1].UnassignedPerFrameConvertedAttributesSequence = [late]
    header.SharedFunctionalGroupsSequence = [shared]
    header.PerFrameFunctionalGroupsSequence = frames
    first, second = frame_groups(header)
    assert (first.header.AcquisitionDate, first.header.AcquisitionTime) == ("20240203", "100000")
    assert (second.header.AcquisitionDate, second.header.AcquisitionTime) == ("20240203", "110000")
    assert (header.AcquisitionDate, header.AcquisitionTime) == ("20240102", "100000")


def test_linear_maps_are_read_with_their_units_and_tables_passed_over() -> None:
    header = Dataset()
    header.RealWorldValueMappingSequence = [
        mapping(2.0, "um2/s"),
        mapping(None, "Bq/ml"),
        mapping(3.0, "Bq/ml"),
    ]
    assert real_world_maps(FrameGroups(header)) == (
        RealWorldMap(2.0, 1.0, "UM2/S"),
        RealWorldMap(3.0, 1.0, "BQ/ML"),
    )
    assert real_world_maps(FrameGroups(Dataset())) == ()

"""Slices as single files and as frames of enhanced multi-frame files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydicom import Dataset

from pcrnet.errors import (
    DicomFileError,
    GeometryError,
    LocalizerError,
    MissingTagError,
    NotAVolumeError,
    UnitError,
)
from pcrnet.imaging.dicom.frames import Frame, read_frames
from pcrnet.imaging.dicom.series import open_series

MakeSlice = Callable[..., Dataset]
SaveSeries = Callable[..., Path]


@pytest.fixture
def frame_of(save_series: SaveSeries) -> Callable[[Dataset], Frame]:
    def read(header: Dataset) -> Frame:
        with open_series(save_series([header])) as series:
            (frame,) = read_frames(series.objects)
        return frame

    return read


def test_a_slice_carries_its_plane_and_scale(
    make_slice: MakeSlice, frame_of: Callable[[Dataset], Frame]
) -> None:
    frame = frame_of(make_slice(2, RescaleSlope=0.5, RescaleIntercept=-3.0))
    assert frame.shape == (4, 6)
    assert frame.position_mm == (10.0, -20.0, 36.0)
    assert (frame.row, frame.column) == ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0))
    assert frame.spacing_mm == (2.0, 1.5)
    assert (frame.slope, frame.intercept) == (0.5, -3.0)


def test_a_slice_without_rescaling_keeps_its_values(
    make_slice: MakeSlice, frame_of: Callable[[Dataset], Frame]
) -> None:
    frame = frame_of(make_slice(0, RescaleSlope=None, RescaleIntercept=None))
    assert (frame.slope, frame.intercept) == (1.0, 0.0)


@pytest.mark.parametrize(
    "keyword", ["ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"]
)
def test_a_slice_without_geometry_is_refused_by_the_name_of_its_tag(
    make_slice: MakeSlice, frame_of: Callable[[Dataset], Frame], keyword: str
) -> None:
    with pytest.raises(MissingTagError) as caught:
        frame_of(make_slice(0, **{keyword: None}))
    assert caught.value.field == keyword


@pytest.mark.parametrize(
    ("tags", "error"),
    [
        ({"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}, LocalizerError),
        ({"ImageType": ["DERIVED", "PRIMARY", "PROJECTION IMAGE", "VASCULAR"]}, LocalizerError),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "M", "ND", "MOSAIC"]}, NotAVolumeError),
        ({"SeriesType": ["STATIC", "REPROJECTION"]}, LocalizerError),
        ({"PixelSpacing": [0.0, 1.0]}, GeometryError),
        ({"NumberOfFrames": 2}, DicomFileError),
        ({"ModalityLUTSequence": [Dataset()]}, UnitError),
    ],
)
def test_what_is_no_plain_slice_is_refused(
    make_slice: MakeSlice,
    frame_of: Callable[[Dataset], Frame],
    tags: dict[str, Any],
    error: type[Exception],
) -> None:
    with pytest.raises(error):
        frame_of(make_slice(0, **tags))


@pytest.mark.parametrize(
    ("group", "creator", "element", "representation", "stored", "expected"),
    [
        (0x0019, "SIEMENS MR HEADER", 0x0C, "IS", "800", 800.0),
        (0x2001, "Philips Imaging DD 001", 0x03, "FL", 800.0, 800.0),
        (0x0043, "GEMS_PARM_01", 0x39, "IS", ["1000000800", "8", "0", "0"], 800.0),
        (0x0043, "GEMS_PARM_01", 0x39, "IS", ["0", "0", "0", "7"], 0.0),
        (0x0019, "SIEMENS MR HEADER", 0x0C, "LO", "CANARY", None),
        (0x0019, "ANOTHER MAKER", 0x0C, "IS", "800", None),
    ],
)
def test_b_values_are_found_where_makers_hide_them(
    make_slice: MakeSlice,
    frame_of: Callable[[Dataset], Frame],
    group: int,
    creator: str,
    element: int,
    representation: str,
    stored: Any,
    expected: float | None,
) -> None:
    header = make_slice(0)
    header.private_block(group, creator, create=True).add_new(element, representation, stored)
    assert frame_of(header).b_value == expected


def test_a_gradient_counts_only_with_diffusion_weighting(
    make_slice: MakeSlice, frame_of: Callable[[Dataset], Frame]
) -> None:
    direction = [0.70710678, 0.0, -0.70710678]
    weighted = make_slice(0, DiffusionBValue=800.0, DiffusionGradientOrientation=direction)
    unweighted = make_slice(0, DiffusionBValue=0.0, DiffusionGradientOrientation=direction)
    assert frame_of(weighted).gradient == (0.707, 0.0, -0.707)
    assert frame_of(unweighted).gradient is None


def test_durations_of_ge_are_in_microseconds(
    make_slice: MakeSlice, frame_of: Callable[[Dataset], Frame]
) -> None:
    header = make_slice(0)
    header.private_block(0x0019, "GEMS_ACQU_01", create=True).add_new(0x5A, "FL", 90e6)
    assert frame_of(header).duration_s == pytest.approx(90.0)


def test_trigger_times_and_temporal_positions_are_seconds_into_the_acquisition(
    make_slice: MakeSlice, frame_of: Callable[[Dataset], Frame]
) -> None:
    assert frame_of(make_slice(0, TriggerTime=90_000.0)).offset_s == 90.0
    position = make_slice(0, TemporalPositionIdentifier=3, TemporalResolution=60_000.0)
    assert frame_of(position).offset_s == 120.0
    assert frame_of(position).temporal_index == 3


def test_an_enhanced_file_gives_a_record_a_frame(test_data: Path) -> None:
    path = test_data / "dicom_edge_cases" / "philips_enhanced_dti.zip"
    with open_series(path) as series:
        frames = read_frames(series.objects)
    assert [frame.number for frame in frames] == list(range(32))
    assert {frame.b_value for frame in frames} == {0.0, 1300.0}
    assert len({frame.gradient for frame in frames}) == 4
    assert len({round(frame.position_mm[2], 2) for frame in frames}) == 8
    assert all(frame.slope == pytest.approx(2.38510378510378) for frame in frames)


def test_times_without_dates_run_on_past_midnight(
    make_slice: MakeSlice, save_series: SaveSeries
) -> None:
    times = ("235900", "000100", "000300")
    slices = [make_slice(k, AcquisitionDate=None, AcquisitionTime=at) for k, at in enumerate(times)]
    with open_series(save_series(slices)) as series:
        by_place = sorted(read_frames(series.objects), key=lambda frame: frame.position_mm[2])
    begun = [frame.acquired_s for frame in by_place]
    assert [at - begun[0] for at in begun] == [0.0, 120.0, 240.0]

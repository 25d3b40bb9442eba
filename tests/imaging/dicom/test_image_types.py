"""ImageType decides what an image may be."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pydicom import Dataset

from pcrnet.errors import DuplicateSliceError, ImageError, SeriesError
from pcrnet.imaging.dicom.image_types import shown_types
from pcrnet.imaging.dicom_reader import read_dicom_series

MakeSlice = Callable[..., Dataset]
MakeEnhanced = Callable[..., Dataset]
SaveSeries = Callable[..., Path]


def read(save: SaveSeries, slices: list[Dataset], kind: str, channel: str = "") -> np.ndarray:
    return read_dicom_series(save(slices), kind, channel=channel or kind).volume.array


@pytest.mark.parametrize(
    ("kind", "types"),
    [
        ("adc", ["DERIVED", "PRIMARY", "DIFFUSION", "TRACEW", "ND"]),
        ("adc", ["DERIVED", "PRIMARY", "EXPONENTIAL"]),
        ("adc", ["DERIVED", "PRIMARY", "DIFFUSION", "FA"]),
        ("adc", ["DERIVED", "PRIMARY", "EADC"]),
        ("adc", ["DERIVED", "PRIMARY", "SUB", "NONE"]),
        ("dce", ["DERIVED", "PRIMARY", "SUB", "NONE"]),
        ("dce", ["DERIVED", "SECONDARY", "PROCESSED SUBTRACT"]),
        ("dce", ["DERIVED", "PRIMARY", "M", "SUB_2"]),
        ("dce", ["DERIVED", "PRIMARY", "DCE", "SER"]),
        ("dce", ["DERIVED", "PRIMARY", "PERFUSION", "RELATIVE_ENHANCEMENT"]),
        ("dce", ["DERIVED", "PRIMARY", "PERFUSION", "TIME_TO_PEAK"]),
        ("dce", ["DERIVED", "PRIMARY", "PERFUSION", "MAX_ENH", "M"]),
        ("adc", ["DERIVED", "PRIMARY", "PERFUSION", "WASH_OUT_RATE"]),
        ("dce", ["DERIVED", "PRIMARY", "DIFFUSION", "ADC"]),
        ("dce", ["DERIVED", "PRIMARY", "MAXIMUM"]),
        ("dce", ["ORIGINAL", "PRIMARY", "P", "ND"]),
    ],
)
def test_what_the_type_says_is_no_such_map_is_refused(
    make_slice: MakeSlice, save_series: SaveSeries, kind: str, types: list[str]
) -> None:
    slices = [make_slice(k, ImageType=types, pixels=np.full((4, 6), 900 + k)) for k in range(3)]
    with pytest.raises(SeriesError) as caught:
        read(save_series, slices, kind)
    assert caught.value.field == "ImageType"


def test_the_type_of_an_enhanced_frame_decides(
    make_slice: MakeSlice, make_enhanced: MakeEnhanced, save_series: SaveSeries
) -> None:
    enhanced = make_enhanced([make_slice(k, pixels=np.full((4, 6), 900 + k)) for k in range(3)])
    kind = Dataset()
    kind.FrameType = ["DERIVED", "PRIMARY", "DIFFUSION", "SUBTRACTION"]
    enhanced.SharedFunctionalGroupsSequence[0].MRImageFrameTypeSequence = [kind]
    with pytest.raises(SeriesError, match="SUBTRACTION"):
        read(save_series, [enhanced], "dce")


def test_an_adc_map_is_read_and_unknown_terms_are_not_shown(
    make_slice: MakeSlice, save_series: SaveSeries
) -> None:
    types = ["DERIVED", "PRIMARY", "DIFFUSION", "ADC", "CANARY"]
    slices = [make_slice(k, ImageType=types, pixels=np.full((4, 6), 900 + k)) for k in range(3)]
    assert read(save_series, slices, "adc").max() == pytest.approx(0.902)
    assert shown_types(types) == ("ADC", "DERIVED", "DIFFUSION", "PRIMARY")


@pytest.mark.parametrize(
    ("keyword", "kinds"),
    [("EchoTime", (2.4, 4.8)), ("ImageType", (["ORIGINAL", "PRIMARY", "M"], ["ORIGINAL", "R"]))],
)
def test_echoes_made_one_after_the_other_are_no_phases(
    make_slice: MakeSlice, save_series: SaveSeries, keyword: str, kinds: tuple
) -> None:
    slices = [
        make_slice(k, ContentTime=f"10000{n}", **{keyword: kind})
        for n, kind in enumerate(kinds)
        for k in range(3)
    ]
    with pytest.raises(DuplicateSliceError) as caught:
        read(save_series, slices, "dce", "dce_pre")
    assert caught.value.field == keyword


@pytest.mark.parametrize(
    ("tag", "stamps"),
    [
        ("ContentTime", ("100000", "100100", "100230", "100400")),
        ("TriggerTime", ("0", "60000", "150000", "240000")),
    ],
)
@pytest.mark.parametrize("acquired", ["100000", None])
def test_phases_are_told_apart_by_content_or_trigger_time_alone(
    make_slice: MakeSlice, save_series: SaveSeries, tag: str, stamps: tuple, acquired: str | None
) -> None:
    levels = (100, 100, 220, 260)
    slices = [
        make_slice(k, AcquisitionTime=acquired, pixels=np.full((4, 6), level), **{tag: stamp})
        for stamp, level in zip(stamps, levels, strict=True)
        for k in range(3)
    ]
    found = read_dicom_series(save_series(slices[::-1]), "dce", channel="dce_early")
    assert found.volume.array.max() == 260
    assert dict(found.provenance.numbers)["seconds after injection"] == 90.0


def test_voxels_without_a_number_are_refused(
    make_slice: MakeSlice, save_series: SaveSeries
) -> None:
    slices = [make_slice(k, RescaleSlope="1e308", RescaleIntercept="1e308") for k in range(3)]
    with pytest.raises(ImageError, match="not finite"):
        read(save_series, slices, "zscore")

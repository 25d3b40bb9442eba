"""The one image series of a folder, and files that must not be believed."""

from __future__ import annotations

import shutil
import struct
import time
import tracemalloc
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from pydicom import Dataset, dcmread
from pydicom.data import get_testdata_file
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    RTStructureSetStorage,
)

from pcrnet.errors import DicomFileError, ImageError, SeriesError
from pcrnet.imaging.dicom.series import MAX_SEQUENCE_DEPTH, decode_frames, open_series

MakeSlice = Callable[..., Dataset]
SaveSeries = Callable[..., Path]


def nested(depth: int, *, defined_length: bool) -> bytes:
    """A sequence within a sequence within …, in explicit little endian."""
    body = b""
    for _ in range(depth):
        if defined_length:
            item = b"\xfe\xff\x00\xe0" + struct.pack("<I", len(body)) + body
            body = b"\x40\x00\x30\xa7SQ\0\0" + struct.pack("<I", len(item)) + item
        else:
            item = b"\xfe\xff\x00\xe0\xff\xff\xff\xff" + body + b"\xfe\xff\x0d\xe0" + bytes(4)
            body = b"\x40\x00\x30\xa7SQ\0\0\xff\xff\xff\xff" + item + b"\xfe\xff\xdd\xe0" + bytes(4)
    return body


def with_sequence(path: Path, sequence: bytes) -> None:
    """Put a sequence before the pixel data of a file."""
    data = path.read_bytes()
    at = data.index(b"\xe0\x7f\x10\x00")
    path.write_bytes(data[:at] + sequence + data[at:])


def test_slices_are_found_with_their_pixels(make_slice: MakeSlice, save_series: SaveSeries) -> None:
    folder = save_series([make_slice(n) for n in range(3)])
    with open_series(folder) as series:
        assert series.modality == "MR"
        sums = sorted(int(decode_frames(image).sum()) for image in series.objects)
    assert sums == [276, 276 + 2400, 276 + 4800]


def test_what_is_no_image_is_passed_over_and_counted(
    make_slice: MakeSlice, save_series: SaveSeries
) -> None:
    contours = make_slice(0, SOPClassUID=RTStructureSetStorage, Modality="RTSTRUCT")
    del contours.Rows, contours.PixelData
    folder = save_series([make_slice(0), contours])
    (folder / "readme.txt").write_text("hello")
    with open_series(folder) as series:
        assert len(series.objects) == 1
        assert len(series.notes) == 2


def test_several_series_are_listed_by_number_and_modality_alone(
    make_slice: MakeSlice, save_series: SaveSeries
) -> None:
    pet = [make_slice(n, "PT", SeriesDescription="CANARY") for n in range(2)]
    mri = [make_slice(n, SeriesInstanceUID="1.2.4") for n in range(3)]
    with (
        pytest.raises(SeriesError, match="2 series: 3 files of MR, 2 files of PT") as caught,
        open_series(save_series(pet + mri)),
    ):
        pass
    assert "CANARY" not in str(caught.value)


def test_a_folder_without_images_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SeriesError, match="no DICOM image"), open_series(tmp_path):
        pass


@pytest.mark.parametrize("name", ["no_meta.dcm", "meta_missing_tsyntax.dcm", "badVR.dcm"])
def test_files_that_are_no_dicom_images_are_refused(test_data: Path, name: str) -> None:
    with (
        pytest.raises((DicomFileError, SeriesError)),
        open_series(test_data / "dicom_edge_cases" / "pydicom" / name),
    ):
        pass


def test_truncated_pixels_are_refused(test_data: Path) -> None:
    path = test_data / "dicom_edge_cases" / "pydicom" / "MR_truncated.dcm"
    with open_series(path) as series, pytest.raises(DicomFileError, match="truncated"):
        decode_frames(series.objects[0])


def test_big_endian_pixels_equal_the_little_endian_ones(test_data: Path) -> None:
    twin = get_testdata_file("MR_small.dcm")
    path = test_data / "dicom_edge_cases" / "pydicom" / "MR_small_bigendian.dcm"
    with open_series(path) as series:
        assert np.array_equal(decode_frames(series.objects[0])[0], dcmread(twin).pixel_array)


def test_a_file_cut_anywhere_is_refused(
    make_slice: MakeSlice, save_series: SaveSeries, tmp_path: Path
) -> None:
    folder = save_series([make_slice(0)])
    data = next(folder.iterdir()).read_bytes()
    for length in range(0, len(data) - 1, 7):
        (tmp_path / "cut.dcm").write_bytes(data[:length])
        with (
            pytest.raises(ImageError),
            open_series(tmp_path / "cut.dcm") as series,
        ):
            decode_frames(series.objects[0])


def test_a_cut_slice_among_whole_ones_is_not_passed_over(
    make_slice: MakeSlice, save_series: SaveSeries
) -> None:
    folder = save_series([make_slice(n) for n in range(3)])
    victim = sorted(folder.iterdir())[0]
    victim.write_bytes(victim.read_bytes()[:120])
    with pytest.raises(DicomFileError, match="signature"), open_series(folder):
        pass


@pytest.mark.parametrize("defined_length", [True, False])
@pytest.mark.parametrize("depth", [MAX_SEQUENCE_DEPTH + 1, 100, 2000])
def test_deeply_nested_sequences_are_refused_at_once(
    make_slice: MakeSlice, save_series: SaveSeries, depth: int, defined_length: bool
) -> None:
    path = next(save_series([make_slice(0)]).iterdir())
    with_sequence(path, nested(depth, defined_length=defined_length))
    begin = time.process_time()
    with pytest.raises(DicomFileError), open_series(path):
        pass
    assert time.process_time() - begin < 1.0


@pytest.mark.parametrize("defined_length", [True, False])
def test_sequences_as_deep_as_real_ones_pass(
    make_slice: MakeSlice, save_series: SaveSeries, defined_length: bool
) -> None:
    path = next(save_series([make_slice(0)]).iterdir())
    with_sequence(path, nested(MAX_SEQUENCE_DEPTH, defined_length=defined_length))
    with open_series(path) as series:
        assert decode_frames(series.objects[0]).shape == (1, 4, 6)


def test_nesting_is_seen_in_implicit_vr_too(make_slice: MakeSlice, save_series: SaveSeries) -> None:
    slice_ = make_slice(0)
    slice_.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    level = slice_
    for _ in range(MAX_SEQUENCE_DEPTH + 1):
        level.RelatedSeriesSequence = [Dataset()]
        level = level.RelatedSeriesSequence[0]
    with pytest.raises(DicomFileError, match="nested"), open_series(save_series([slice_])):
        pass


def test_a_deflated_file_is_read(make_slice: MakeSlice, save_series: SaveSeries) -> None:
    slice_ = make_slice(0)
    slice_.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    with open_series(save_series([slice_])) as series:
        assert int(decode_frames(series.objects[0]).sum()) == 276


def test_a_deflated_bomb_is_refused_fast_and_in_little_memory(
    make_slice: MakeSlice, save_series: SaveSeries
) -> None:
    slice_ = make_slice(0, pixels=np.zeros((5000, 5000)))
    slice_.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    folder = save_series([slice_])
    assert next(folder.iterdir()).stat().st_size < 1 << 20
    tracemalloc.start()
    begin = time.process_time()
    with pytest.raises(DicomFileError, match="times its size"), open_series(folder):
        pass
    elapsed, (_, peak) = time.process_time() - begin, tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert elapsed < 1.0
    assert peak < 50e6


@pytest.mark.parametrize(("rows", "frames"), [(65535, 1000), (0, 1)])
def test_impossible_matrix_sizes_are_refused_before_memory_is_taken(
    make_slice: MakeSlice, save_series: SaveSeries, rows: int, frames: int
) -> None:
    slice_ = make_slice(0, Rows=rows, Columns=rows, NumberOfFrames=frames)
    with (
        open_series(save_series([slice_])) as series,
        pytest.raises(DicomFileError, match="header states"),
    ):
        decode_frames(series.objects[0])


def test_colour_images_are_refused(make_slice: MakeSlice, save_series: SaveSeries) -> None:
    with (
        open_series(save_series([make_slice(0, SamplesPerPixel=3)])) as series,
        pytest.raises(DicomFileError, match="colour"),
    ):
        decode_frames(series.objects[0])


def test_an_image_that_ends_before_its_size_is_refused(
    make_slice: MakeSlice, save_series: SaveSeries
) -> None:
    short = make_slice(0, Rows=None, PixelData=None)
    with pytest.raises(DicomFileError, match="Rows"), open_series(save_series([short])):
        pass


def test_large_private_values_are_not_kept(make_slice: MakeSlice, save_series: SaveSeries) -> None:
    slice_ = make_slice(0)
    slice_.private_block(0x0029, "SIEMENS CSA HEADER", create=True).add_new(
        0x10, "OB", bytes(100_000)
    )
    with open_series(save_series([slice_])) as series:
        assert (0x0029, 0x1010) not in series.objects[0].header


def test_an_archive_reads_like_its_folder(
    make_slice: MakeSlice, save_series: SaveSeries, tmp_path: Path
) -> None:
    folder = save_series([make_slice(n) for n in range(2)])
    archive = shutil.make_archive(str(tmp_path / "archive"), "zip", folder)
    assert zipfile.is_zipfile(archive)
    sums: list[Sequence[int]] = []
    for path in (folder, Path(archive)):
        with open_series(path) as series:
            sums.append(sorted(int(decode_frames(image).sum()) for image in series.objects))
    assert sums[0] == sums[1]


def test_more_pixels_than_stated_are_refused(
    make_slice: MakeSlice, save_series: SaveSeries
) -> None:
    slice_ = make_slice(0)
    slice_.PixelData = slice_.PixelData[:10] + slice_.PixelData
    with (
        open_series(save_series([slice_])) as series,
        pytest.raises(DicomFileError, match="more of them than"),
    ):
        decode_frames(series.objects[0])

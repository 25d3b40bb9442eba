"""A series that lost a slice, or gained one of another scan, is not read."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from pydicom import Dataset

from pcrnet.errors import DicomFileError, DuplicateSliceError, SeriesError, SliceGapError
from pcrnet.imaging.dicom.series import open_series

MakeSlice = Callable[..., Dataset]


@pytest.fixture
def save(tmp_path: Path) -> Callable[..., Path]:
    """Writes slices one after the other, under names without a suffix."""

    def write(slices: list[Dataset]) -> Path:
        folder = tmp_path / "series"
        folder.mkdir()
        for number, header in enumerate(slices):
            header.save_as(folder / f"IM{number:04d}", enforce_file_format=True)
        return folder

    return write


def opened(path: Path) -> int:
    with open_series(path) as series:
        return len(series.objects)


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def zeroed(path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


def scrambled(path: Path) -> None:
    path.write_bytes(path.read_bytes()[::-1])


def dangling(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.with_name("CANARY"))


@pytest.mark.parametrize("damage", [emptied, zeroed, scrambled, dangling])
def test_a_last_slice_that_is_no_image_any_more_is_missed(
    make_slice: MakeSlice, save: Callable[..., Path], damage: Callable[[Path], None]
) -> None:
    folder = save([make_slice(k) for k in range(5)])
    assert opened(folder) == 5
    damage(folder / "IM0004")
    with pytest.raises(DicomFileError, match="slice may be"):
        opened(folder)


def test_an_archive_misses_an_emptied_slice_too(
    make_slice: MakeSlice, save: Callable[..., Path]
) -> None:
    folder = save([make_slice(k) for k in range(5)])
    emptied(folder / "IM0004")
    archive = folder.with_name("series.zip")
    with zipfile.ZipFile(archive, "w") as packed:
        for file in sorted(folder.iterdir()):
            packed.write(file, file.name)
    with pytest.raises(DicomFileError, match="is empty"):
        opened(archive)


def test_texts_and_hidden_files_are_passed_over(
    make_slice: MakeSlice, save: Callable[..., Path]
) -> None:
    folder = save([make_slice(k) for k in range(3)])
    (folder / "LICENSE").write_text("free")
    (folder / "Thumbs.db").write_bytes(bytes(300))
    (folder / ".DS_Store").write_bytes(b"")
    with open_series(folder) as series:
        assert (len(series.objects), series.notes) == (
            3,
            ("3 files that are not DICOM were passed over",),
        )


@pytest.mark.parametrize(
    ("keyword", "other"),
    [
        ("PatientID", "CANARY"), ("PatientID", None), ("StudyInstanceUID", "1.2.9"),
        ("PatientName", "CANARY"), ("PatientBirthDate", "19610203"),
        ("SOPClassUID", "1.2.840.10008.5.1.4.1.1.2"),
        ("FrameOfReferenceUID", "1.2.9"), ("Modality", "OT"), ("BitsStored", 12),
        ("PixelRepresentation", 1),
    ],
)  # fmt: skip
def test_one_slice_of_another_scan_is_named_by_its_tag(
    make_slice: MakeSlice, save: Callable[..., Path], keyword: str, other: object
) -> None:
    own = {"PatientID": "MERLE", "StudyInstanceUID": "1.2.8", "FrameOfReferenceUID": "1.2.8"}
    slices = [make_slice(k, **own) for k in range(5)]
    if other is None:
        delattr(slices[4], keyword)
    else:
        setattr(slices[4], keyword, other)
    with pytest.raises(SeriesError, match="1 of 5 images differ") as caught:
        opened(save(slices))
    assert caught.value.field == keyword
    assert not {"CANARY", "MERLE"} & set(str(caught.value).split())


def test_a_copy_of_a_slice_is_named(make_slice: MakeSlice, save: Callable[..., Path]) -> None:
    folder = save([make_slice(k) for k in range(3)])
    shutil.copy(folder / "IM0000", folder / "IM0003")
    with pytest.raises(DuplicateSliceError, match="1 of 4 images"):
        opened(folder)


@pytest.mark.parametrize(
    ("tags", "whole"),
    [
        ({"NumberOfSlices": 5}, True),
        ({"NumberOfSlices": 6}, False),
        ({"ImagesInAcquisition": 5}, True),
        ({"ImagesInAcquisition": 15}, True),  # three series of one acquisition
        ({"ImagesInAcquisition": 2}, True),  # of one bed
        ({"ImagesInAcquisition": 7, "ImageType": ["DERIVED", "SECONDARY"]}, True),  # reformatted
        ({"ImagesInAcquisition": 6}, False),
        ({"InConcatenationTotalNumber": 6}, False),
    ],
)
def test_the_slices_are_counted_against_the_headers(
    make_slice: MakeSlice, save: Callable[..., Path], tags: dict[str, int], whole: bool
) -> None:
    folder = save([make_slice(k, "PT", **tags) for k in range(5)])
    if whole:
        assert opened(folder) == 5
    else:
        with pytest.raises(SliceGapError, match="holds 5") as caught:
            opened(folder)
        assert caught.value.field == next(iter(tags))


@pytest.mark.parametrize("odd", [None, 5, 32])
def test_one_header_that_counts_otherwise_hides_no_lost_slice(
    make_slice: MakeSlice, save: Callable[..., Path], odd: int | None
) -> None:
    tags: list[dict[str, int]] = [{"NumberOfSlices": 6} for _ in range(5)]
    tags[2] = {} if odd is None else {"NumberOfSlices": odd}
    with pytest.raises(SliceGapError, match="holds 5 slices, and its headers state 6"):
        opened(save([make_slice(k, "PT", **tags[k]) for k in range(5)]))


def test_two_time_frames_of_all_slices_are_whole(
    make_slice: MakeSlice, save: Callable[..., Path]
) -> None:
    slices = [
        make_slice(k, "PT", AcquisitionTime=time, NumberOfSlices=3, ImagesInAcquisition=3)
        for time in ("100000", "100500")
        for k in range(3)
    ]
    assert opened(save(slices)) == 6


@pytest.mark.parametrize("bits", [(16, 12, 15), (16, 12, 10), (8, 16, 15)])
def test_bits_that_lie_elsewhere_than_stated_are_refused(
    make_slice: MakeSlice, save: Callable[..., Path], bits: tuple[int, int, int]
) -> None:
    allocated, stored, high = bits
    tags = {"BitsAllocated": allocated, "BitsStored": stored, "HighBit": high}
    with pytest.raises(DicomFileError) as caught:
        opened(save([make_slice(k, **tags) for k in range(3)]))
    assert caught.value.field == "HighBit"


@pytest.mark.parametrize("keyword", ["RescaleSlope", "RescaleIntercept"])
def test_a_scale_that_one_slice_lacks_is_not_taken_for_one(
    make_slice: MakeSlice, save: Callable[..., Path], keyword: str
) -> None:
    slices = [make_slice(k, RescaleSlope=2.0) for k in range(4)]
    delattr(slices[2], keyword)
    with pytest.raises(SeriesError, match=f"1 of 4 images lack {keyword}"):
        opened(save(slices))

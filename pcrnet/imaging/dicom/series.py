"""The one image series among some files: headers first, pixels on demand.

Files are read with distrust: ``force`` is never used, a data set is never printed or walked, and
deflated or deeply nested data sets are refused before they cost memory or time.
"""

from __future__ import annotations

import io
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from pcrnet.errors import DicomFileError, SeriesError
from pcrnet.imaging.dicom.files import StoredFile, expansion_limit, open_files, too_large
from pcrnet.imaging.dicom.series_integrity import check_strays, check_whole
from pcrnet.imaging.dicom.tags import number, quiet, required_number, word

if TYPE_CHECKING:
    from pydicom import Dataset

MAX_SEQUENCE_DEPTH = 16
MAX_STORED_VALUES = 1 << 29
"""Rows × columns × frames of one file."""

_SIGNATURE_OFFSET = 128
_SIGNATURE = b"DICM"
_ITEM_TAG = b"\xfe\xff\x00\xe0"
_BULK_BYTES = 16 << 10
_SUFFIXES = (".dcm", ".dicom", ".ima")
_DEFLATED = "1.2.840.10008.1.2.1.99"
_MODALITIES = frozenset({"PT", "MR", "CT", "NM", "US", "CR", "DX", "MG", "XA", "RF", "OT", "SC"})
_NOT_IMAGES = frozenset({"SEG", "RTDOSE", "RTIMAGE", "SR", "PR", "KO", "REG", "RWV", "DOC"})
_EXPORT_AGAIN = "export the series again from the scanner or PACS"


@dataclass(frozen=True, eq=False)
class ImageObject:
    """One DICOM image object: its header, and the file with its pixels."""

    header: Dataset
    file: StoredFile


@dataclass(frozen=True, eq=False)
class DicomSeries:
    """The one image series of a folder or archive.

    Attributes:
        objects: Its image objects, in no meaningful order.
        modality: As "PT"; "other" where it is none of the standard's image modalities.
        notes: What was passed over.
    """

    objects: tuple[ImageObject, ...]
    modality: str
    notes: tuple[str, ...]


@contextmanager
def open_series(path: Path) -> Iterator[DicomSeries]:
    """Open a folder, a zip archive or a single file that holds exactly one image series.

    Objects that are no images (RTSTRUCT, SEG, reports) and files that are not DICOM are passed
    over and counted. A file that claims to be DICOM and cannot be read is an error: a slice could
    be missing without anyone noticing.

    Raises:
        DicomFileError: A damaged, truncated, encrypted, over-large or falsely named file.
        SeriesError: No image series, or several, or images of several scans.
        DuplicateSliceError, SliceGapError: Images that are there twice, or missing.
    """
    with quiet(), open_files(path) as files:
        headers = [(file, read_header(file, alone=len(files) == 1)) for file in files]
        series = _only_series(headers)
        check_strays(
            [file for file, header in headers if header is None],
            [image.file for image in series.objects],
        )
        check_whole([image.header for image in series.objects])
        yield series


def decode_frames(image: ImageObject) -> NDArray[Any]:
    """The stored values of one object, before rescaling: (frames, rows, columns).

    Raises:
        DicomFileError: Truncated or damaged pixel data, or pixels that are not one number each.
    """
    shape = stored_shape(image.header)
    if required_number(image.header, "SamplesPerPixel") != 1:
        raise DicomFileError(
            "the images are in colour; expected one number a pixel",
            field="SamplesPerPixel",
            remedy="give the original series instead of a screenshot or fused display",
        )
    pixels = _decode(image.file)
    if isinstance(pixels, str) or pixels.size != np.prod(shape):
        reason = pixels if isinstance(pixels, str) else "they do not fill rows, columns and frames"
        raise DicomFileError(
            f"the pixel data are truncated or damaged ({reason})",
            field="PixelData",
            remedy=_EXPORT_AGAIN,
        )
    return pixels.reshape(shape)


def stored_shape(header: Dataset) -> tuple[int, int, int]:
    """Frames, rows and columns, as the header states them.

    Raises:
        DicomFileError: None, or absurdly many of them.
    """
    rows, columns = int(required_number(header, "Rows")), int(required_number(header, "Columns"))
    frames = int(number(header, "NumberOfFrames") or 1)
    if min(rows, columns, frames) < 1 or rows * columns * frames > MAX_STORED_VALUES:
        raise DicomFileError(
            f"the header states {rows} × {columns} pixels in {frames} frames",
            field="Rows",
            remedy=_EXPORT_AGAIN,
        )
    return frames, rows, columns


def _decode(file: StoredFile) -> NDArray[Any] | str:
    """The pixels, or the kind of failure: its text may quote the file."""
    import pydicom

    with file.open() as stream:
        try:
            dataset = pydicom.dcmread(stream)
            pixels = np.asarray(dataset.pixel_array)
            # pydicom leaves out what is too much; then what it keeps may not be in its place.
            excess = 0 if _is_packed(dataset) else len(dataset[_pixel_tag(dataset)].value)
        except Exception as error:  # decoders of damaged bytes raise anything
            return type(error).__name__
    if excess > pixels.nbytes + 1:  # padded to an even length
        return "there are more of them than the header states"
    return pixels


def _is_packed(dataset: Dataset) -> bool:
    """Whether the pixels are compressed, or are not whole bytes each."""
    bits = int(required_number(dataset, "BitsAllocated"))
    return bool(dataset.file_meta.TransferSyntaxUID.is_compressed) or bits % 8 != 0


def _pixel_tag(dataset: Dataset) -> str:
    names = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
    return next(name for name in names if name in dataset)


def read_header(file: StoredFile, *, alone: bool = False) -> Dataset | None:
    """The data set before the pixel data; None where the file neither is nor is named DICOM.

    Args:
        file: Where to read.
        alone: Whether it is the only file, so that it has to be DICOM whatever its name.

    Raises:
        DicomFileError: A damaged, truncated, over-large or falsely named file.
    """
    start = file.head(_SIGNATURE_OFFSET + len(_SIGNATURE))
    if start[_SIGNATURE_OFFSET:] != _SIGNATURE:
        if alone or file.suffix in _SUFFIXES:
            raise DicomFileError(
                "a file that should be DICOM lacks the DICOM signature",
                remedy="export the series again, as DICOM Part 10 files",
            )
        return None
    with file.open() as stream:
        header = _parse(stream)
    if isinstance(header, str):
        raise DicomFileError(
            f"a DICOM file is damaged or truncated ({header})", remedy=_EXPORT_AGAIN
        )
    _drop_bulk(header)
    _check_depth(header)
    for keyword in ("SOPClassUID", "SeriesInstanceUID", "Modality"):
        if not word(header, keyword) and "DirectoryRecordSequence" not in header:
            raise DicomFileError(
                f"a DICOM file lacks its {keyword}, or ends before it",
                field=keyword,
                remedy=_EXPORT_AGAIN,
            )
    return header


def _parse(stream: BinaryIO) -> Dataset | str:
    """The header, or the kind of failure: its text may quote the file."""
    import pydicom

    try:
        _check_deflated(stream)
        stream.seek(0)
        return pydicom.dcmread(stream, stop_before_pixels=True)
    except DicomFileError:
        raise
    except Exception as error:  # parsers of damaged bytes raise anything
        return type(error).__name__


def _check_deflated(stream: BinaryIO) -> None:
    """Refuse a deflated data set that would expand beyond its limit, without keeping any of it."""
    from pydicom.filereader import read_dataset

    stream.seek(_SIGNATURE_OFFSET + len(_SIGNATURE))
    meta = read_dataset(stream, False, True, stop_when=lambda tag, _vr, _size: tag.group != 2)
    if word(meta, "TransferSyntaxUID") != _DEFLATED:
        return
    begin = stream.tell()
    left = expansion_limit(stream.seek(0, io.SEEK_END) - begin)
    stream.seek(begin)
    expander = zlib.decompressobj(-zlib.MAX_WBITS)
    while packed := stream.read(1 << 16):
        while packed:
            left -= len(expander.decompress(packed, 1 << 20))
            if left < 0:
                raise too_large()
            packed = expander.unconsumed_tail


def _check_depth(header: Dataset) -> None:
    """Refuse sequences nested deeper than any real object has, level by level."""
    level: list[Dataset] = [header]
    for _ in range(MAX_SEQUENCE_DEPTH + 1):
        level = [item for dataset in level for item in _nested(dataset)]
        if not level:
            return
    raise DicomFileError(
        f"sequences are nested more than {MAX_SEQUENCE_DEPTH} deep", remedy=_EXPORT_AGAIN
    )


def _nested(dataset: Dataset) -> list[Dataset]:
    """All items of all sequences one level below; other elements stay undecoded."""
    found: list[Dataset] = []
    for stored in tuple(dataset.values()):
        if _may_be_sequence(stored.VR, stored.value):
            try:
                element = dataset[stored.tag]
                found += element.value if element.VR == "SQ" else ()
            except Exception as error:  # parsers of damaged bytes raise anything
                kind = type(error).__name__
                raise DicomFileError(
                    f"a sequence cannot be read ({kind})", remedy=_EXPORT_AGAIN
                ) from None
    return found


def _may_be_sequence(representation: str | None, stored: object) -> bool:
    if representation is None and isinstance(stored, bytes):
        # Implicit VR names no types: there a sequence is told by the tag of its first item.
        return stored[:4] == _ITEM_TAG
    return representation == "SQ"


def _drop_bulk(header: Dataset) -> None:
    """Forget large private values, so that thousands of headers fit in memory."""
    for stored in tuple(header.values()):
        bulk = isinstance(stored.value, bytes) and len(stored.value) > _BULK_BYTES
        if bulk and not _may_be_sequence(stored.VR, stored.value):
            del header[stored.tag]


def _only_series(headers: Sequence[tuple[StoredFile, Dataset | None]]) -> DicomSeries:
    images: dict[str, list[ImageObject]] = {}
    passed_over: Counter[str] = Counter()
    for file, header in headers:
        if header is None:
            passed_over["that are not DICOM"] += 1
        elif not is_image(header):
            passed_over["that are no images"] += 1
        else:
            images.setdefault(word(header, "SeriesInstanceUID"), []).append(
                ImageObject(header, file)
            )
    if not images:
        raise SeriesError(
            f"holds no DICOM image among {len(headers)} files",
            remedy="name the folder or zip that holds the images of one series",
        )
    if len(images) > 1:
        listed = ", ".join(
            f"{len(objects)} files of {_modality(objects[0].header)}"
            for objects in sorted(images.values(), key=len, reverse=True)
        )
        raise SeriesError(
            f"holds {len(images)} series: {listed}",
            remedy="keep one series a folder or zip, and name that",
        )
    objects = next(iter(images.values()))
    notes = tuple(f"{count} files {what} were passed over" for what, count in passed_over.items())
    return DicomSeries(tuple(objects), _modality(objects[0].header), notes)


def is_image(header: Dataset) -> bool:
    """Whether an object is an image of a scan, and not drawn on one, planned or reported.

    Raises:
        DicomFileError: An image that ends before its Rows.
    """
    if word(header, "Modality") in _NOT_IMAGES:
        return False
    if "Rows" not in header and _storage_class(header).endswith("Image Storage"):
        raise DicomFileError(
            "a DICOM image ends before, or lacks, its Rows", field="Rows", remedy=_EXPORT_AGAIN
        )
    return "Rows" in header


def _storage_class(header: Dataset) -> str:
    from pydicom.uid import UID

    return UID(word(header, "SOPClassUID")).name


def _modality(header: Dataset) -> str:
    """Only the standard's own words may leave a header."""
    modality = word(header, "Modality")
    return modality if modality in _MODALITIES else "other"

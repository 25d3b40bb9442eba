"""Whether the files of a series are all there, and all of it.

A slice that is lost at the end of a stack, or taken from another scan, leaves no gap. What gives it
away are the file that is no image any more, the numbers of images that the headers state, and the
identifiers that the headers share. Identifiers are compared and never shown.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pcrnet.errors import (
    DicomFileError,
    DuplicateSliceError,
    ImageError,
    SeriesError,
    SliceGapError,
)
from pcrnet.imaging.dicom.files import StoredFile
from pcrnet.imaging.dicom.tags import number, value, word

if TYPE_CHECKING:
    from pydicom import Dataset

_IDENTIFIERS = (
    "PatientID", "PatientName", "PatientBirthDate", "StudyInstanceUID", "FrameOfReferenceUID",
    "Modality", "SOPClassUID",
)  # fmt: skip
_ENCODING = (
    "SamplesPerPixel", "PhotometricInterpretation", "BitsAllocated", "BitsStored",
    "PixelRepresentation",
)  # fmt: skip
_SCALES = ("RescaleSlope", "RescaleIntercept")
_HEAD_BYTES = 256
_EXPORT_AGAIN = "export the whole series again, one series a folder"


def check_strays(strays: Sequence[StoredFile], images: Sequence[StoredFile]) -> None:
    """Refuse a file that is no DICOM and may once have been an image of the series.

    Args:
        strays: Files without the DICOM signature.
        images: The images found beside them.

    Raises:
        DicomFileError: A file named like the images, or without a suffix, that is empty or begins
            with nothing but zeros; a binary file named like the images.
    """
    named_like = {file.kin for file in images}
    for file in strays:
        if file.hidden or (file.kin and file.kin not in named_like):
            continue
        head = file.head(_HEAD_BYTES)
        if not head.strip(b"\0"):
            problem = "is empty" if not head else "holds zeros in the place of a header"
        elif b"\0" in head and file.kin in named_like:
            problem = "is named like the images and is no DICOM"
        else:
            continue
        raise DicomFileError(
            f"a file of the series {problem}: a slice may be lost",
            remedy="copy the series again from its source, or remove what does not belong to it",
        )


def check_whole(headers: Sequence[Dataset]) -> None:
    """Check that images belong together, that none is there twice, and that all are there.

    Args:
        headers: Of all image objects of one series.

    Raises:
        SeriesError: Images of several patients, studies, frames of reference, modalities or
            encodings.
        DuplicateSliceError: One image in several files.
        SliceGapError: Fewer images than the headers state.
        DicomFileError: Bits that are not where the standard has them.
    """
    for keyword in (*_IDENTIFIERS, *_ENCODING):
        _check_alike(headers, keyword)
    for keyword in _SCALES:
        _check_all_or_none(headers, keyword)
    _check_bits(headers[0])
    names = Counter(word(header, "SOPInstanceUID") for header in headers)
    copies = sum(count - 1 for name, count in names.items() if name)
    if copies:
        raise DuplicateSliceError(
            f"{copies} of {len(headers)} images are there twice",
            field="SOPInstanceUID",
            remedy="remove the copies",
        )
    _check_count(headers)


def _check_alike(headers: Sequence[Dataset], keyword: str) -> None:
    found = Counter(word(header, keyword) for header in headers)
    if len(found) > 1:
        others = len(headers) - max(found.values())
        raise SeriesError(
            f"{others} of {len(headers)} images differ from the others in {keyword}",
            field=keyword,
            remedy="keep one scan of one patient a folder: remove what belongs to another",
        )


def _check_all_or_none(headers: Sequence[Dataset], keyword: str) -> None:
    """A scale that some slices lack would be taken for 1 there."""
    lacking = sum(value(header, keyword) is None for header in headers)
    if 0 < lacking < len(headers):
        raise SeriesError(
            f"{lacking} of {len(headers)} images lack {keyword}, which the others state",
            field=keyword,
            remedy=_EXPORT_AGAIN,
        )


def _check_bits(header: Dataset) -> None:
    """PS3.3 C.7.6.3.1: HighBit is one less than BitsStored, which BitsAllocated can hold."""
    allocated, stored, high = (
        number(header, keyword) for keyword in ("BitsAllocated", "BitsStored", "HighBit")
    )
    if stored is None or high is None or allocated is None:
        return
    if not 0 < stored <= allocated or high != stored - 1:
        raise DicomFileError(
            f"states {stored:g} of {allocated:g} bits, the highest being number {high:g}; it has "
            "to be one less than the bits stored, or values are shifted",
            field="HighBit",
            remedy="export the series again from the scanner or PACS",
        )


def _check_count(headers: Sequence[Dataset]) -> None:
    """Against NumberOfSlices (PET), ImagesInAcquisition and InConcatenationTotalNumber."""
    positions = len({_position(header) for header in headers})
    stated = _stated(headers, "NumberOfSlices")
    if stated and "NumberOfFrames" not in headers[0] and positions < stated:
        raise _lost(positions, "slices", stated, "NumberOfSlices")
    stated = _stated(headers, "ImagesInAcquisition")
    images = len(headers)
    # It counts the images of a bed or a phase with some makers, those of several series with
    # others; what was computed from a scan keeps the number of that scan.
    of_scan = word(headers[0], "ImageType") != "DERIVED" and stated > positions
    if of_scan and images % stated and stated % positions and stated % images:
        raise _lost(images, "images", stated, "ImagesInAcquisition")
    stated = _stated(headers, "InConcatenationTotalNumber")
    if stated and images < stated:
        raise _lost(images, "parts", stated, "InConcatenationTotalNumber")


def _stated(headers: Sequence[Dataset], keyword: str) -> int:
    """The number that most headers state, else 0: it is no reason not to read a series."""
    try:
        found = Counter(number(header, keyword) for header in headers)
    except ImageError:
        return 0
    stated, times = found.most_common(1)[0]
    sure = stated is not None and 0 < stated < 1e6 and 2 * times > len(headers)
    return int(stated) if stated is not None and sure else 0


def _position(header: Dataset) -> str:
    return str(value(header, "ImagePositionPatient"))


def _lost(found: int, what: str, stated: int, keyword: str) -> SliceGapError:
    return SliceGapError(
        f"holds {found} {what}, and its headers state {stated}: some are missing",
        field=keyword,
        remedy=_EXPORT_AGAIN,
    )

"""The folders and archives of a DICOM tree, each with the header of one of its files."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pcrnet.errors import ImageError
from pcrnet.imaging.dicom_files import StoredFile, open_files
from pcrnet.imaging.dicom_tags import quiet, word, words

if TYPE_CHECKING:
    from pydicom import Dataset

Progress = Callable[[int, int], None]

_TAGS = (
    "SOPClassUID",
    "Modality",
    "PatientID",
    "StudyInstanceUID",
    "StudyDate",
    "SeriesInstanceUID",
    "SeriesDescription",
    "ProtocolName",
    "ClinicalTrialTimePointID",
    "ImageType",
)


@dataclass(frozen=True, eq=False)
class SeriesFolder:
    """A folder without folders in it, or a zip archive.

    Attributes:
        path: As a cell of the cohort table would name it.
        header: A few tags of its first DICOM file. Free text: never to be shown.
    """

    path: Path
    header: Dataset

    @property
    def description(self) -> str:
        """Series description, else protocol, in capitals, to find words in; never to be shown."""
        return word(self.header, "SeriesDescription") or word(self.header, "ProtocolName")

    @property
    def image_type(self) -> frozenset[str]:
        """The coded parts of ImageType."""
        return frozenset(words(self.header, "ImageType"))


def find_series(source: Path, progress: Progress | None = None) -> Iterator[SeriesFolder]:
    """Every innermost folder and every zip archive that holds DICOM files, in order of name.

    Args:
        source: Top of the tree.
        progress: Called with folders and archives looked into, and all of them.
    """
    places = [path for path in sorted([source, *source.rglob("*")]) if _may_hold_series(path)]
    for done, path in enumerate(places, start=1):
        header = _first_header(path)
        if header is not None:
            yield SeriesFolder(path, header)
        if progress is not None:
            progress(done, len(places))


def _may_hold_series(path: Path) -> bool:
    innermost = path.is_dir() and not any(child.is_dir() for child in path.iterdir())
    return innermost or path.suffix.lower() == ".zip"


def _first_header(path: Path) -> Dataset | None:
    """The first header that names its series; damaged and other files are skipped."""
    try:
        with quiet(), open_files(path) as files:
            for file in files:
                header = _read(file)
                if header is not None and word(header, "SeriesInstanceUID"):
                    return header
    except ImageError:
        return None
    return None


def _read(file: StoredFile) -> Dataset | None:
    import pydicom
    from pydicom.errors import InvalidDicomError

    with file.open() as stream:
        try:
            return pydicom.dcmread(stream, stop_before_pixels=True, specific_tags=list(_TAGS))
        except (InvalidDicomError, EOFError, ValueError, AttributeError):
            return None

"""The folders and archives of a DICOM tree, each with the header of one of its files."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pcrnet.errors import ImageError
from pcrnet.imaging.dicom.files import StoredFile, open_files
from pcrnet.imaging.dicom.image_types import image_types
from pcrnet.imaging.dicom.series import is_image, read_header
from pcrnet.imaging.dicom.tags import quiet, word
from pcrnet.processes import Progress

if TYPE_CHECKING:
    from pydicom import Dataset


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
    "Rows",
)


@dataclass(frozen=True, eq=False)
class SeriesFolder:
    """A series in a folder, a zip archive or a file of its own.

    Attributes:
        path: As a cell of the cohort table would name it.
        header: A few tags of its first DICOM file. Free text: never to be shown.
        mixed: Whether the folder holds more than the series, so that no cell can name it.
    """

    path: Path
    header: Dataset
    mixed: bool = False

    @property
    def description(self) -> str:
        """Series description, else protocol, in capitals, to find words in; never to be shown."""
        return word(self.header, "SeriesDescription") or word(self.header, "ProtocolName")

    @property
    def image_type(self) -> frozenset[str]:
        """The terms of ImageType. Free text: never to be shown."""
        return image_types(self.header)


def find_series(source: Path, progress: Progress | None = None) -> Iterator[SeriesFolder]:
    """Every folder and zip archive that holds DICOM files, in order of name.

    A folder that holds several series, or other folders as well, is taken apart: a series of one
    file is given as that file, one of several files as the folder with :attr:`~SeriesFolder.mixed`.

    Args:
        source: Top of the tree.
        progress: Called with folders and archives looked into, and all of them.
    """
    places = sorted(_places(source))
    for done, (path, innermost) in enumerate(places, start=1):
        yield from _series_of(path, innermost=innermost)
        if progress is not None:
            progress(done, len(places))


def _places(source: Path) -> Iterator[tuple[Path, bool]]:
    """Folders with files and archives, and whether each is one without folders in it."""
    for folder, folders, names in os.walk(source):
        archives = [name for name in names if name.lower().endswith(".zip")]
        yield from ((Path(folder, name), True) for name in archives)
        if len(names) > len(archives):
            yield Path(folder), not folders


def _series_of(path: Path, *, innermost: bool) -> Iterator[SeriesFolder]:
    files = _direct_files(path) if path.is_dir() else ()
    few = [files[n] for n in sorted({0, len(files) // 2, len(files) - 1})] if files else [path]
    sample = _by_series(few)
    if innermost and len(sample) <= 1:
        header = next(iter(sample.values()))[0][1] if sample else _first_header(path)
        if header is not None:
            yield SeriesFolder(path, header)
        return
    series = _by_series(files)
    images = {uid: found for uid, found in series.items() if _shows(found[0][1])}
    if innermost and len(images) <= 1:
        found = next(iter((*images.values(), *series.values())), None)
        if found is not None:
            yield SeriesFolder(path, found[0][1])
        return
    for found in series.values():
        file, header = found[0]
        yield SeriesFolder(file if len(found) == 1 else path, header, mixed=len(found) > 1)


def _direct_files(folder: Path) -> list[Path]:
    return sorted(
        path for path in folder.iterdir() if path.is_file() and path.suffix.lower() != ".zip"
    )


def _by_series(files: Sequence[Path]) -> dict[str, list[tuple[Path, Dataset]]]:
    """Series UID to its files and headers; damaged and other files are skipped."""
    series: dict[str, list[tuple[Path, Dataset]]] = {}
    for path in files:
        header = _first_header(path)
        if header is not None:
            series.setdefault(word(header, "SeriesInstanceUID"), []).append((path, header))
    return series


def _shows(header: Dataset) -> bool:
    try:
        return is_image(header)
    except ImageError:
        return True  # damaged: the reader will say so


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
    """A few tags of a file, so that the headers of a whole tree fit in memory."""
    from pydicom import Dataset

    try:
        header = read_header(file)
    except ImageError:
        return None
    if header is None:
        return None
    few = Dataset()
    for keyword in _TAGS:
        if (element := header.get_item(keyword)) is not None:
            few[element.tag] = element
    return few

"""The files of a folder or zip archive, one after the other, capped before they expand.

Nothing is extracted and no file is named after a tag or an archive member.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from pcrnet.errors import DicomFileError, SeriesError

MAX_FILES = 50_000
MAX_FILE_BYTES = 1 << 30

_FREE_BYTES = 32 << 20
_MAX_EXPANSION = 100


@dataclass(frozen=True)
class StoredFile:
    """A file in a folder or archive.

    Attributes:
        suffix: Ending of its name in small letters, as ".dcm"; "" for hidden files.
        open: Opens its bytes anew, as long as the folder or archive is open.
    """

    suffix: str
    open: Callable[[], BinaryIO]


@contextmanager
def open_files(path: Path) -> Iterator[tuple[StoredFile, ...]]:
    """The files of a folder (with its subfolders) or zip archive, or the one file itself.

    Raises:
        DicomFileError: Nothing there, a damaged or encrypted archive, or a file that is larger
            than :data:`MAX_FILE_BYTES` or expands like a bomb.
        SeriesError: More files than any series has.
    """
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if file.is_file())
        _check_count(len(files))
        yield tuple(StoredFile(_suffix(file.name), _file_opener(file)) for file in files)
    elif zipfile.is_zipfile(path):
        with _open_archive(path) as archive:
            members = [member for member in archive.infolist() if not member.is_dir()]
            _check_count(len(members))
            yield tuple(
                StoredFile(_suffix(member.filename), _member_opener(archive, member))
                for member in members
            )
    elif path.is_file():
        yield (StoredFile(_suffix(path.name), _file_opener(path)),)
    else:
        raise DicomFileError(
            "there is no such file or folder", remedy="give the folder or zip of one DICOM series"
        )


def expansion_limit(packed_bytes: int) -> int:
    """What packed bytes may unpack to: images reach 10:1 or so, bombs 1000:1."""
    return min(MAX_FILE_BYTES, max(_FREE_BYTES, _MAX_EXPANSION * packed_bytes))


def too_large() -> DicomFileError:
    """The error for a file beyond its limit."""
    return DicomFileError(
        f"a file is larger than {MAX_FILE_BYTES >> 20} MB, or unpacks to more than "
        f"{_MAX_EXPANSION} times its size",
        remedy="export the series again, without deflate compression",
    )


def _suffix(name: str) -> str:
    base = name.rsplit("/", 1)[-1]
    return "" if base.startswith(".") or "." not in base else f".{base.rsplit('.', 1)[1].lower()}"


def _file_opener(path: Path) -> Callable[[], BinaryIO]:
    def open_file() -> BinaryIO:
        try:
            if path.stat().st_size > MAX_FILE_BYTES:
                raise too_large()
            return path.open("rb")
        except OSError as error:
            raise DicomFileError(
                f"a file cannot be opened ({type(error).__name__})",
                remedy="check that the files may be read",
            ) from None

    return open_file


def _member_opener(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Callable[[], BinaryIO]:
    def open_member() -> BinaryIO:
        if member.file_size > expansion_limit(member.compress_size):
            raise too_large()
        try:
            return io.BytesIO(archive.read(member))
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError) as error:
            # RuntimeError: encrypted, or packed by an unknown method; the text names the member.
            raise _damaged_archive(type(error).__name__) from None

    return open_member


def _open_archive(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        raise _damaged_archive(type(error).__name__) from None


def _damaged_archive(kind: str) -> DicomFileError:
    return DicomFileError(
        f"the zip archive cannot be unpacked ({kind})",
        remedy="make the archive anew, without a password",
    )


def _check_count(files: int) -> None:
    if files > MAX_FILES:
        raise SeriesError(
            f"holds {files} files; one series has at most {MAX_FILES}",
            remedy="name the folder of the series, not of the whole study",
        )

"""The files of a folder or zip archive, one after the other, capped before they expand.

Nothing is extracted and no file is named after a tag or an archive member.
"""

from __future__ import annotations

import io
import lzma
import os
import stat
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
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
        hidden: Whether its name begins with a dot.
        open: Opens its bytes anew, as long as the folder or archive is open.
        head: Its first bytes, so many at most, without unpacking more.
    """

    suffix: str
    hidden: bool
    open: Callable[[], BinaryIO]
    head: Callable[[int], bytes]

    @property
    def kin(self) -> str:
        """What images of one series share in their names: the suffix, unless it is a number."""
        return "" if self.suffix[1:].isdigit() else self.suffix


@contextmanager
def open_files(path: Path) -> Iterator[tuple[StoredFile, ...]]:
    """The files of a folder (with its subfolders) or zip archive, or the one file itself.

    Raises:
        DicomFileError: Nothing there, a link to nothing, a damaged or encrypted archive, or one
            that expands like a bomb; a file that is larger than :data:`MAX_FILE_BYTES`.
        SeriesError: More files than any series has.
    """
    if path.is_dir():
        files = files_below(path)
        _check_count(len(files))
        yield tuple(map(_on_disk, files))
    elif not path.is_file():  # opening a pipe would wait for ever
        raise DicomFileError(
            "there is no such file or folder", remedy="give the folder or zip of one DICOM series"
        )
    elif zipfile.is_zipfile(path):
        with _open_archive(path) as archive:
            members = [member for member in archive.infolist() if not member.is_dir()]
            _check_count(len(members))
            _check_expansion(members)
            yield tuple(_in_archive(archive, member) for member in members)
    else:
        yield (_on_disk(path),)


def files_below(folder: Path) -> list[Path]:
    """The files of a folder and its subfolders, in order of their paths: what a series consists of.

    Whoever reads or digests a series goes by this list.

    Raises:
        DicomFileError: A subfolder that cannot be listed; a link that leads nowhere, a pipe or a
            device, unless hidden. A slice could be behind it.
    """

    def refuse(error: OSError) -> None:
        raise DicomFileError(
            f"a folder in it cannot be listed ({type(error).__name__})",
            remedy="check that the files may be read",
        ) from None

    found = []
    for parent, _, names in os.walk(folder, onerror=refuse):
        for path in (Path(parent, name) for name in names):
            if path.is_file():
                found.append(path)
            elif not path.name.startswith("."):
                raise _no_file(path)
    return sorted(found)


def _no_file(path: Path) -> DicomFileError:
    is_link = stat.S_ISLNK(path.lstat().st_mode)
    what = "a link that leads nowhere" if is_link else "a pipe or a device"
    return DicomFileError(
        f"holds {what} in the place of a file: a slice may be missing",
        remedy="copy the series again from its source",
    )


def expansion_limit(packed_bytes: int) -> int:
    """What packed bytes may unpack to: images reach 10:1 or so, bombs 1000:1."""
    return min(MAX_FILE_BYTES, max(_FREE_BYTES, _MAX_EXPANSION * packed_bytes))


def too_large() -> DicomFileError:
    """The error for a file beyond its limit."""
    return DicomFileError(
        f"a file is larger than {MAX_FILE_BYTES >> 20} MB, or unpacks to more than "
        f"{_MAX_EXPANSION} times its size, alone or with the others of its archive",
        remedy="export the series again, without deflate compression",
    )


def _on_disk(path: Path) -> StoredFile:
    opened = _file_opener(path)

    def head(size: int) -> bytes:
        with opened() as stream:
            return stream.read(size)

    return StoredFile(_suffix(path.name), path.name.startswith("."), opened, head)


def _in_archive(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> StoredFile:
    base = member.filename.rsplit("/", 1)[-1]

    def head(size: int) -> bytes:
        with _unpacking(), archive.open(member) as stream:
            return stream.read(size)

    return StoredFile(_suffix(base), base.startswith("."), _member_opener(archive, member), head)


def _suffix(base: str) -> str:
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
        with _unpacking():
            return io.BytesIO(archive.read(member))

    return open_member


@contextmanager
def _unpacking() -> Iterator[None]:
    try:
        yield
    except (
        zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError, RuntimeError, ValueError,
    ) as error:  # fmt: skip
        # RuntimeError: encrypted, of a later version, or packed by a method that is not known; the
        # text names the member.
        raise _damaged_archive(type(error).__name__) from None


def _check_expansion(members: Sequence[zipfile.ZipInfo]) -> None:
    """Refuse an archive whose members together unpack like a bomb, however small each is."""
    packed = sum(member.compress_size for member in members)
    if sum(member.file_size for member in members) > max(_FREE_BYTES, _MAX_EXPANSION * packed):
        raise too_large()


def _open_archive(path: Path) -> zipfile.ZipFile:
    with _unpacking():
        return zipfile.ZipFile(path)


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

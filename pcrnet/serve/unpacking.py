"""A zip archive of a stranger, unpacked into a folder of its own or refused.

Everything that an archive says of itself is checked before a byte is unpacked, and the bytes are
counted while they are: what it says may be a lie.
"""

from __future__ import annotations

import errno
import lzma
import stat
import unicodedata
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from pcrnet.errors import PcrnetError
from pcrnet.serve.limits import Limits

_CHUNK_BYTES = 1 << 20
_MAX_DEPTH = 32
_MAX_NAME_BYTES = 255
_MAX_EXPANSION = 200
_FREE_BYTES = 64 << 20
"""So much may unpack from next to nothing: empty background packs by 1000:1."""
_ZIP_START = b"PK\x03\x04"
_METHODS = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})


class UploadError(PcrnetError):
    """An upload that cannot be taken: no archive, a damaged one, or one that does not play fair."""


class UploadTooLargeError(UploadError):
    """An upload beyond the limits of the server, packed or unpacked."""


class NoRoomError(PcrnetError):
    """An upload for which the server has no room at present."""


def no_room(error: OSError) -> NoRoomError | None:
    """What a client is told of a full disk; None of any other trouble."""
    if error.errno not in (errno.ENOSPC, errno.EDQUOT):
        return None
    return NoRoomError(
        "the server has no room for the upload at present",
        remedy="send it again in a while; the server's owner can give it a larger disk",
    )


def unpack(archive: Path, folder: Path, limits: Limits) -> frozenset[str]:
    """Unpack an archive into an empty folder.

    Args:
        archive: The upload.
        folder: Where to; nothing is written outside.
        limits: What may be unpacked.

    Returns:
        The names of its files, with "/" between folders.

    Raises:
        UploadError: It is no zip archive, is damaged or encrypted, or holds links, paths that lead
            out of it, names twice, or archives within.
        UploadTooLargeError: It has more files or bytes than the limits allow, or expands like a
            bomb.
        NoRoomError: The disk is full.
    """
    try:
        with zipfile.ZipFile(archive) as opened:
            members = [member for member in opened.infolist() if not member.is_dir()]
            _check_sizes(members, limits)
            names = [_checked_name(member) for member in members]
            _check_twins(names)
            left = limits.unpacked_bytes
            for member, name in zip(members, names, strict=True):
                left -= _unpack_one(opened, member, folder.joinpath(*name.split("/")), left)
    except (
        zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, RuntimeError, ValueError,
        NotImplementedError, OSError,
    ) as error:  # fmt: skip
        if isinstance(error, OSError) and (full := no_room(error)) is not None:
            raise full from None
        # Its text may name a member, and a member a patient.
        raise UploadError(
            f"the upload cannot be unpacked ({type(error).__name__})",
            field="images",
            remedy="send one zip archive, stored or deflated, without a password",
        ) from None
    return frozenset(names)


def _check_sizes(members: Sequence[zipfile.ZipInfo], limits: Limits) -> None:
    if not members:
        raise UploadError("the archive is empty", field="images", remedy="put the scans into it")
    if len(members) > limits.files:
        raise UploadTooLargeError(
            f"the archive holds {len(members)} files; at most {limits.files} are taken",
            field="images",
            remedy="leave out the series that are not needed",
        )
    packed = sum(member.compress_size for member in members)
    unpacked = sum(member.file_size for member in members)
    if unpacked > min(limits.unpacked_bytes, max(_FREE_BYTES, _MAX_EXPANSION * packed)):
        raise _too_large(limits)


def _too_large(limits: Limits) -> UploadTooLargeError:
    return UploadTooLargeError(
        f"the archive unpacks to more than {limits.unpacked_mb} MB, or to more than "
        f"{_MAX_EXPANSION} times its size",
        field="images",
        remedy="leave out the series that are not needed",
    )


def _checked_name(member: zipfile.ZipInfo) -> str:
    """The path of a member below the folder. It is never repeated: it may name a patient."""
    name = unicodedata.normalize("NFC", member.filename)
    parts = name.split("/")
    mode = member.external_attr >> 16
    kind = stat.S_IFMT(mode)
    if kind not in (0, stat.S_IFREG):
        raise _refused("a link or a device")
    if member.flag_bits & 0x1:
        raise _refused("an encrypted file")
    if member.compress_type not in _METHODS:
        raise _refused("a file that is neither stored nor deflated")
    # orig_filename: zipfile cuts a name at a null character.
    unsafe = "\\" in name or ":" in name or not member.orig_filename.isprintable()
    leads_out = PurePosixPath(name).is_absolute() or {"", ".", ".."} & set(parts)
    if unsafe or leads_out or not name.isprintable():
        raise _refused("a path that leads out of it, or a name that no system agrees on")
    if len(parts) > _MAX_DEPTH or any(len(part.encode()) > _MAX_NAME_BYTES for part in parts):
        raise _refused("a path that is too long")
    return name


def _check_twins(names: Sequence[str]) -> None:
    keys = [name.casefold() for name in names]
    folders = {str(parent) for key in keys for parent in PurePosixPath(key).parents}
    if len(set(keys)) < len(keys) or folders & set(keys):
        raise _refused("a name twice (case makes no difference)")


def _refused(what: str) -> UploadError:
    return UploadError(
        f"the archive holds {what}", field="images", remedy="pack plain files and folders anew"
    )


def _unpack_one(archive: zipfile.ZipFile, member: zipfile.ZipInfo, path: Path, left: int) -> int:
    """Write one member; returns its bytes, at most those that it declared."""
    path.parent.mkdir(parents=True, exist_ok=True)
    written = 0
    with archive.open(member) as source, path.open("xb") as target:
        while chunk := source.read(_CHUNK_BYTES):
            if not written and chunk.startswith(_ZIP_START):
                raise _refused("another archive")
            written += len(chunk)
            if written > min(left, member.file_size):
                raise _refused("a file larger than it says")
            target.write(chunk)
    return written

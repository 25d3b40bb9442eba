"""What a file holds, as a digest that is not computed twice."""

from __future__ import annotations

import hashlib
import stat
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from pcrnet.errors import ImageError, IntegrityError
from pcrnet.imaging.dicom.files import files_below
from pcrnet.storage import read_record, sha256_file, sha256_json, write_json

_SETTLED_NS = 2_000_000_000
_MAX_BYTES = 256 << 20  # a line for each DICOM file of the cohort


class DigestMemo:
    """SHA-256 of source files, remembered by the identity that the file system gives them.

    Device, inode, size, time of modification and time of status change together stand for the
    content. A file changed less than two seconds ago is not remembered: a second change could
    leave all five as they are. No path is stored.

    Args:
        path: JSON file that keeps the memo between runs; lost or damaged, it is built anew. None
            keeps nothing.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._known: dict[str, str] = {}
        if path is not None:
            with suppress(IntegrityError):  # a memo is made anew
                self._known = _sound(read_record(path, max_bytes=_MAX_BYTES))
        self._changed = False

    def digest(self, path: Path) -> str:
        """SHA-256 of a file, or of a folder's files taken together, whatever their names.

        Raises:
            OSError: The path cannot be read.
            ImageError: It is, or its folder holds, neither a file nor a folder.
        """
        if path.is_dir():
            parts = sorted(self.digest(file) for file in files_below(path))
            return hashlib.sha256("\n".join(parts).encode()).hexdigest()
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):  # reading a pipe would wait for ever
            raise ImageError("is neither a file nor a folder", remedy="correct the path")
        identity = ":".join(
            str(part)
            for part in (
                status.st_dev,
                status.st_ino,
                status.st_size,
                status.st_mtime_ns,
                status.st_ctime_ns,
            )
        )
        if identity not in self._known:
            digest = sha256_file(path)
            if time.time_ns() - max(status.st_mtime_ns, status.st_ctime_ns) < _SETTLED_NS:
                return digest
            self._known[identity] = digest
            self._changed = True
        return self._known[identity]

    def save(self) -> None:
        """Keep what has been learnt since the memo was read; other processes' finds are merged."""
        if self._changed and self._path is not None:
            self._known = DigestMemo(self._path)._known | self._known
            write_json(self._path, {"sha256": sha256_json(self._known), "digests": self._known})
            self._changed = False


def _sound(record: Mapping[str, object]) -> dict[str, str]:
    """What a memo says, or nothing: one wrong digest in it would be believed for ever."""
    known = record.get("digests")
    if not isinstance(known, dict) or record.get("sha256") != sha256_json(known):
        return {}
    return {key: value for key, value in known.items() if isinstance(value, str)}

"""What a file holds, as a digest that is not computed twice."""

from __future__ import annotations

import hashlib
import json
import re
import stat
import time
from contextlib import suppress
from functools import cache
from pathlib import Path

from pcrnet.errors import ImageError
from pcrnet.imaging.dicom_files import files_below
from pcrnet.storage import sha256_file, write_json

_SETTLED_NS = 2_000_000_000
_IMPORTED = re.compile(r"^\s*from pcrnet\.imaging\.(\w+) import", re.MULTILINE)  # also in functions


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
            with suppress(OSError, ValueError, TypeError):
                stored = json.loads(path.read_text(encoding="utf-8"))
                self._known = {str(key): str(value) for key, value in dict(stored).items()}
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
            write_json(self._path, self._known)
            self._changed = False


@cache
def code_digest() -> str:
    """SHA-256 of the source files that turn images into tensors."""
    digest = hashlib.sha256()
    for path in tensor_sources():
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def tensor_sources() -> list[Path]:
    """The modules of this folder that decide a tensor: ``preprocess`` with all that it imports.

    And ``cache``, which stores it. Drawing, measuring and converting are not among them, so that
    work on a picture throws no tensor away.
    """
    folder = Path(__file__).parent
    found = {folder / "cache.py"}
    waiting = [folder / "preprocess.py"]
    while waiting:
        path = waiting.pop()
        if path not in found:
            found.add(path)
            names = _IMPORTED.findall(path.read_text(encoding="utf-8"))
            waiting += [folder / f"{name}.py" for name in names]
    return sorted(found)

"""What a file holds, as a digest that is not computed twice."""

from __future__ import annotations

import hashlib
import os
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path

from pcrnet.errors import IntegrityError
from pcrnet.storage import read_record, sha256_file, sha256_json, write_json

_SETTLED_NS = 2_000_000_000
_MAX_BYTES = 256 << 20  # a line for each DICOM file of the cohort
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
            with suppress(IntegrityError):  # a memo is made anew
                self._known = _sound(read_record(path, max_bytes=_MAX_BYTES))
        self._changed = False

    def digest(self, path: Path) -> str:
        """SHA-256 of a file, or of a folder's files taken together, whatever their names.

        Raises:
            OSError: The path cannot be read.
        """
        if path.is_dir():
            parts = sorted(self.digest(file) for file in _files_below(path))
            return hashlib.sha256("\n".join(parts).encode()).hexdigest()
        status = path.stat()
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


def _files_below(folder: Path) -> Iterator[Path]:
    for parent, _, names in os.walk(folder):
        for name in names:
            yield Path(parent) / name

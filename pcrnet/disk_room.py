"""Asking before hours of work: whether an output can be written, and holding the room for it."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pcrnet.storage import is_stream, writing_to

_CHUNK_BYTES = 1 << 20
_TRIAL_BYTES = 1 << 16


def require_writable(path: Path) -> None:
    """Find out, before hours of work, whether a file can be written.

    A file beside it is tried and removed, and so are the folders above it that had to be made.
    What stands at ``path`` is not touched.

    Raises:
        OutputError: It cannot.
    """
    if is_stream(path):
        if not os.access(path, os.W_OK):
            with writing_to(path):
                raise PermissionError(errno.EACCES, "")
        return
    with writing_to(path):
        target = Path(os.path.realpath(path))
        if target.is_dir():
            raise IsADirectoryError(errno.EISDIR, "")
        made = [folder for folder in target.parents if not folder.exists()]
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            trial = target.with_name(f".{os.getpid()}.trial.{target.name}")
            try:
                trial.write_bytes(bytes(_TRIAL_BYTES))  # an empty file fits on a full disk, too
            finally:
                trial.unlink(missing_ok=True)
        finally:
            for folder in made:
                with suppress(OSError):
                    folder.rmdir()


@contextmanager
def ballast(path: Path, size: int) -> Iterator[None]:
    """Hold room for ``size`` bytes beside ``path`` for as long as the block runs.

    For what takes long to compute and must be written at its end: leaving the block frees the room,
    whatever else has filled the disk meanwhile. Streams need none.

    Raises:
        OutputError: There is no such room, or nothing can be written there.
    """
    if is_stream(path):
        yield
        return
    with writing_to(path):
        target = Path(os.path.realpath(path))
        target.parent.mkdir(parents=True, exist_ok=True)
        held = target.with_name(f".{os.getpid()}.ballast.{target.name}")
    try:
        with writing_to(path), held.open("wb") as stream:
            while size > 0:  # holes would hold nothing
                size -= stream.write(bytes(min(size, _CHUNK_BYTES)))
            stream.flush()
            os.fsync(stream.fileno())
        yield
    finally:
        with suppress(OSError):
            held.unlink(missing_ok=True)

"""Durable files: whole or absent, never half written; read through one door; and their digests."""

from __future__ import annotations

import csv
import errno
import hashlib
import io
import json
import math
import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from pcrnet.csv_text import unguard
from pcrnet.drafts import draft_of
from pcrnet.errors import IntegrityError, OutputError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_CHUNK_BYTES = 1 << 20
MAX_RECORD_BYTES = 16 << 20
"""A record is a page of facts, or at most a line for each of some ten thousand patients."""
MAX_RECORD_DEPTH = 32
_RESTORE = "restore the file from where it was written, or delete what it belongs to and begin anew"


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path`` that replaces it once the block has succeeded.

    The one place where outputs are written. The file is flushed to the disk before the rename, so
    that a crash, a full disk or a SIGKILL leaves either the old file or the new one. On an error
    the temporary file is removed. The temporary name ends like ``path`` does, because writers
    choose their format by it. A link stays a link: what it leads to is replaced. A device or a
    pipe (:func:`is_stream`) is yielded itself and written straight.

    Raises:
        OutputError: Nothing can be written there: a folder, no permission, a full disk.
    """
    with writing_to(path):
        if is_stream(path):
            yield path
            return
        target = Path(os.path.realpath(path))
        if target.is_dir():
            raise IsADirectoryError(errno.EISDIR, "")
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = draft_of(target)
        try:
            yield temporary
            if not temporary.exists():
                raise RuntimeError(f"nothing was written to {path.name}")
            with temporary.open("rb") as written:
                os.fsync(written.fileno())
            temporary.replace(target)
        finally:
            # Where the folder itself is gone or no folder, there is nothing to remove either.
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
        _flush_folder(target.parent)


def create_once(path: Path, data: bytes) -> bool:
    """Write a file that is not there yet; of all who try, on any machine, one succeeds.

    The file appears whole: it is written under another name and linked. Where a file system knows
    no links it is created by ``O_EXCL`` and written then.

    Returns:
        Whether it was this call that made the file.

    Raises:
        OutputError: Nothing can be written there.
    """
    with writing_to(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = draft_of(path)
        try:
            draft.write_bytes(data)
            try:
                path.hardlink_to(draft)
            except FileExistsError:
                return False
            except OSError:
                return _create(path, data)
            return True
        finally:
            draft.unlink(missing_ok=True)


def _create(path: Path, data: bytes) -> bool:
    try:
        with path.open("xb") as stream:
            stream.write(data)
    except FileExistsError:
        return False
    return True


def _flush_folder(folder: Path) -> None:
    with suppress(OSError):  # some file systems flush no folders
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def is_stream(path: Path) -> bool:
    """Whether a path is a device or a pipe, ``/dev/stdout`` among them, and no file to replace.

    What a shell has redirected is written straight as well, although it may be a file: it holds
    that file open and would not see another take its name.
    """
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    redirected = path.is_symlink() and path.absolute().parts[1] in ("dev", "proc")
    return not stat.S_ISDIR(mode) and (redirected or not stat.S_ISREG(mode))


@contextmanager
def writing_to(path: Path) -> Iterator[None]:
    """Turn what a file system may refuse into one error that names the place.

    Raises:
        OutputError: In place of any OSError of the block.
    """
    try:
        yield
    except OSError as error:
        problem, remedy = _WHY_NOT.get(error.errno or 0, (f"({type(error).__name__})", ""))
        raise OutputError(
            f"cannot be written: {problem}", file=path, remedy=remedy or "name another place"
        ) from error


_FULL = ("the disk is full", "free space, or name a place on another disk")
_CLOSED = ("it may not be written to", "change its permissions, or name another place")
_WHY_NOT: Mapping[int, tuple[str, str]] = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _FULL,
    errno.EACCES: _CLOSED,
    errno.EPERM: _CLOSED,
    errno.EROFS: _CLOSED,
    errno.EISDIR: ("it is a folder", "name a file"),
    errno.EEXIST: ("a file stands where a folder is needed", ""),
    errno.ENOTDIR: ("a file stands where a folder is needed", ""),
    errno.ENOENT: ("no folder can be made there", ""),
    errno.ENAMETOOLONG: ("its name is too long", "shorten it"),
    errno.EPIPE: ("who read it has stopped reading", "start the command again"),
}


def make_folder(path: Path) -> Path:
    """Make a folder, and those above it, unless it is there; return it.

    Raises:
        OutputError: It cannot be made, or a file stands in its place.
    """
    with writing_to(path):
        path.mkdir(parents=True, exist_ok=True)
    return path


def write_text(path: Path, text: str) -> None:
    """Write ``text`` as UTF-8, atomically."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, data: bytes) -> None:
    """Write ``data``, atomically."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)


def write_json(path: Path, value: object) -> None:
    """Write ``value`` as indented JSON, atomically; NaN and infinity are refused (ValueError)."""
    write_text(path, json.dumps(value, indent=2, allow_nan=False, ensure_ascii=False) + "\n")


def read_json(path: Path, *, remedy: str = _RESTORE, max_bytes: int = MAX_RECORD_BYTES) -> Any:  # noqa: ANN401 - JSON has no narrower type
    """Read JSON that pcrnet wrote and anything may have happened to since.

    The one door for records: the work is bounded whatever the file holds, and it either gives what
    was written or an error that says what is wrong. What the fields hold is taken out within
    :func:`taking_apart`.

    Args:
        path: The record.
        remedy: What the user can do about a damaged one.
        max_bytes: Larger files are refused unread.

    Raises:
        IntegrityError: It is missing, no regular file, too large, no JSON, nested deeper than
            :data:`MAX_RECORD_DEPTH`, or holds a key twice, NaN or infinity.
    """
    data = read_bounded(path, remedy=remedy, max_bytes=max_bytes)
    with taking_apart(path, remedy=remedy):
        value = json.loads(
            data.decode(),
            object_pairs_hook=_without_twins,
            parse_constant=_refuse,
            parse_float=_finite,
        )
        _check_depth(value)
        return value


def read_record(
    path: Path, *, remedy: str = _RESTORE, max_bytes: int = MAX_RECORD_BYTES
) -> dict[str, Any]:
    """Read a JSON object, as :func:`read_json` does.

    Raises:
        IntegrityError: As there; or it is another kind of value.
    """
    value = read_json(path, remedy=remedy, max_bytes=max_bytes)
    if not isinstance(value, dict):
        raise _damaged(path, "it holds no JSON object", remedy)
    return value


def read_rows(
    path: Path,
    columns: Sequence[str],
    *,
    remedy: str = _RESTORE,
    max_bytes: int = MAX_RECORD_BYTES,
) -> list[dict[str, str]]:
    """Read a CSV record with exactly these columns, as :func:`read_record` reads JSON.

    Raises:
        IntegrityError: It cannot be read, has other columns, or a row with too few or too many
            cells.
    """
    data = read_bounded(path, remedy=remedy, max_bytes=max_bytes)
    with taking_apart(path, remedy=remedy):
        header, *rows = csv.reader(io.StringIO(data.decode(), newline=""), strict=True)
        if header != list(columns):
            raise ValueError("its columns are not those that were written")
        return [dict(zip(columns, map(unguard, row), strict=True)) for row in rows]


def read_arrays(path: Path, what: str, *, remedy: str = _RESTORE) -> dict[str, NDArray[np.float64]]:
    """Read arrays (any shape) that pcrnet wrote as safetensors; their shapes are for the caller.

    Args:
        path: The file.
        what: It holds, as it stands in the error.
        remedy: What the user can do about a damaged one.

    Raises:
        IntegrityError: It is missing, cannot be read, or is no such file.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        arrays: dict[str, NDArray[np.float64]] = load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise IntegrityError(f"the {what} cannot be loaded", file=path, remedy=remedy) from error
    return arrays


def read_bounded(path: Path, *, remedy: str = _RESTORE, max_bytes: int = MAX_RECORD_BYTES) -> bytes:
    """The bytes of a regular file of no more than ``max_bytes``; a pipe is not waited for.

    Raises:
        IntegrityError: It is missing, cannot be read, is no regular file, or is too large.
    """
    try:
        with open(path, "rb", opener=_at_once) as stream:
            if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
                raise _damaged(path, "it is no regular file", remedy)
            data = stream.read(max_bytes + 1)
    except OSError as error:
        raise _damaged(path, f"it cannot be read ({type(error).__name__})", remedy) from error
    if len(data) > max_bytes:
        raise _damaged(path, f"it has more than {max_bytes} bytes", remedy)
    return data


def _at_once(path: str, flags: int) -> int:
    """Open a file without waiting for a writer, should it be a pipe."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


@contextmanager
def taking_apart(path: Path, *, remedy: str = _RESTORE) -> Iterator[None]:
    """Turn whatever a damaged record makes code stumble over into one error that names the file.

    Raises:
        IntegrityError: A field is missing or of another type or value than was written.
    """
    try:
        yield
    except UnicodeDecodeError as error:
        raise _damaged(path, "it is not UTF-8 text", remedy) from error
    except json.JSONDecodeError as error:
        raise _damaged(path, f"it is not JSON (line {error.lineno})", remedy) from error
    except KeyError as error:
        raise _damaged(path, f"the field {error} is missing", remedy) from error
    except RecursionError as error:
        raise _damaged(path, "it is nested too deep", remedy) from error
    except (ValueError, TypeError, LookupError, AttributeError, OverflowError, csv.Error) as error:
        raise _damaged(path, str(error)[:200], remedy) from error


def _damaged(path: Path, problem: str, remedy: str) -> IntegrityError:
    return IntegrityError(f"the record is damaged: {problem}", file=path, remedy=remedy)


def _without_twins(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice")
    return found


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no number of a record")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text[:20]} is no number of a record")
    return number


def _check_depth(value: object) -> None:
    """Refuse what later code could not walk through; the parser alone would let 900 levels pass."""
    level: list[object] = [value]
    for _ in range(MAX_RECORD_DEPTH + 1):
        if not level:
            return
        level = [
            inner
            for outer in level
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
    raise ValueError(f"it is nested deeper than {MAX_RECORD_DEPTH} levels")


def sha256_file(path: Path) -> str:
    """SHA-256 of a file's bytes, as 64 hexadecimal digits."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def sha256_json(value: object) -> str:
    """SHA-256 of a JSON value in its canonical form (sorted keys, no spaces, no NaN)."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()

"""Names of what is half written, and its removal once whoever wrote it is gone."""

from __future__ import annotations

import hashlib
import os
import platform
import re
import secrets
import shutil
import time
from contextlib import suppress
from functools import cache
from pathlib import Path

_ABANDONED_S = 24 * 3600.0
_PARTIAL = ".*.partial.*"
_DRAFT = re.compile(r"\.[0-9a-f]{8}-\d+-[0-9a-f]+\.partial\..+")


def sweep_abandoned(folder: Path, *, below: bool = True) -> None:
    """Remove what processes that were killed had half written in a folder that several may use.

    A file or folder of a process of this machine goes once the process is no longer there. Of other
    machines and containers nothing is known: theirs goes when a day old.

    Args:
        folder: Where it may lie.
        below: Whether folders within are looked through, too.
    """
    found = folder.rglob(_PARTIAL) if below else folder.glob(_PARTIAL)
    for leftover in list(found):
        with suppress(OSError):  # another process has swept it
            if not is_abandoned(leftover):
                continue
            if leftover.is_dir() and not leftover.is_symlink():
                shutil.rmtree(leftover)
            else:
                leftover.unlink()


def draft_of(target: Path) -> Path:
    """A name that nobody else uses: in containers that share a folder, process numbers recur."""
    owner = f"{_realm()}-{os.getpid()}-{secrets.token_hex(4)}"
    return target.with_name(f".{owner}.partial.{target.name}")


def is_abandoned(partial: Path) -> bool:
    """Whether whoever writes under a name of :func:`draft_of` has died, or a day ago stopped.

    What has another name is somebody else's: a folder of exports may be anybody's folder.
    """
    if not _DRAFT.fullmatch(partial.name):
        return False
    realm, _, rest = partial.name[1:].partition("-")
    process = rest.partition("-")[0]
    if realm == _realm() and process.isdecimal():
        try:
            os.kill(int(process), 0)
        except ProcessLookupError:
            return True
        except (OSError, OverflowError):  # it is there, and another user's
            pass
    return time.time() - partial.stat().st_mtime > _ABANDONED_S


@cache
def _realm() -> str:
    """Names those who see the same process numbers: this machine, or this container on it."""
    names = [platform.node()]
    with suppress(OSError):  # of Linux alone
        names.append(str(Path("/proc/self/ns/pid").readlink()))
    return hashlib.sha256(" ".join(names).encode()).hexdigest()[:8]

"""Folders that appear when whole: an export over nothing, a bundle in place of the old one."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pcrnet.drafts import draft_of, sweep_abandoned
from pcrnet.errors import OutputError
from pcrnet.storage import make_folder, writing_to


@contextmanager
def folder_draft(path: Path) -> Iterator[Path]:
    """Yield a folder of this process alone, to be filled and then given the name ``path``.

    What is left of it when the block ends is removed, and before it begins what processes that were
    killed have left beside ``path``.

    Raises:
        OutputError: Nothing can be written there.
    """
    target = path.absolute()
    sweep_abandoned(target.parent, below=False)
    draft = draft_of(target)
    try:
        yield make_folder(draft)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def replace_folder(draft: Path, path: Path) -> None:
    """Give a draft its name, in the place of the folder that has it.

    The folders change places by renaming: whoever is killed meanwhile leaves either, or for an
    instant none, and never a half. Of several that do so at once the last one stays.

    Raises:
        OutputError: It cannot be done; a file stands there, say.
    """
    target = path.absolute()
    with writing_to(path):
        while True:
            old = draft_of(target)
            try:
                if target.is_dir():
                    target.rename(old)
                draft.rename(target)
                return
            except FileNotFoundError:
                if not draft.is_dir():
                    raise
            except OSError as error:  # another process was quicker between the two lines
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                    raise
            finally:
                shutil.rmtree(old, ignore_errors=True)


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Yield a folder beside ``path`` that takes its name once the block has succeeded.

    Raises:
        OutputError: Something stands there already, or nothing can be written there.
    """
    require_free(path)
    with folder_draft(path) as draft:
        yield draft
        require_free(path)  # of two that make the same folder, one finds that it came too late
        with writing_to(path):
            if path.is_dir():
                path.rmdir()
            draft.rename(path)


def require_free(path: Path) -> None:
    """Refuse a place where something stands already; an empty folder is nothing.

    Raises:
        OutputError: A file or a folder that holds something stands there.
    """
    with writing_to(path):
        taken = path.is_file() or (path.is_dir() and any(path.iterdir()))
    if taken:
        raise OutputError(
            "something stands there already, and an export replaces nothing",
            file=path,
            remedy="name another folder, or remove that one",
        )

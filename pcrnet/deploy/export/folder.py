"""A folder that appears when it is whole, and never over anything that is there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pcrnet.errors import OutputError
from pcrnet.storage import folder_draft, writing_to


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

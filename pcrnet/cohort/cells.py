"""What single cells of a cohort table may hold. No message repeats a cell."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path

from pcrnet.errors import CohortError

_LONGEST_NAME = 64


def name_problems(text: str, column: str) -> Iterator[CohortError]:
    """What is wrong with a pseudonym or a site: both are shown in reports and spreadsheets."""
    if text[:1] in tuple("=+-@"):
        yield CohortError(
            f"begins with {text[0]}, which spreadsheets run as a formula",
            field=column,
            remedy="begin it with a letter or a digit",
        )
    unusual = not text.isprintable() or set(text) & set("/\\") or text.startswith(".")
    if unusual or len(text) > _LONGEST_NAME:
        yield CohortError(
            f"expected at most {_LONGEST_NAME} printable characters without / and \\, the first "
            "of them no dot",
            field=column,
            remedy="use letters, digits, - and _",
        )


def parse_days(text: str, column: str) -> float | None:
    """Days from the start of therapy; None for an empty cell.

    Raises:
        CohortError: Not a finite number.
    """
    if not text:
        return None
    try:
        days = float(text)
    except ValueError:
        days = math.nan
    if not math.isfinite(days):
        raise CohortError(
            "expected a number of days from the start of therapy, or an empty cell",
            field=column,
            remedy="write days as 21 or 21.5, negative before the start",
        )
    return days


def find_file(folder: Path, text: str, column: str) -> Path | None:
    """The absolute path that a cell names, relative to the folder of the table.

    Returns:
        A path that exists and may be read; None for an empty cell.

    Raises:
        CohortError: No such file, or a relative path that leads out of the folder.
    """
    if not text:
        return None
    if not text.isprintable():
        raise CohortError(
            "the path holds control characters", field=column, remedy="type the path anew"
        )
    if Path(os.path.normpath(text)).parts[:1] == (os.pardir,):
        # Such a path silently means other files once the folder has been copied elsewhere.
        raise CohortError(
            "the path leads out of the folder of the table",
            field=column,
            remedy="put the table above its images, or give an absolute path",
        )
    path = Path(os.path.normpath(folder.absolute() / text))
    try:
        readable = path.exists() and os.access(path, os.R_OK)
    except OSError:  # for instance a name longer than the file system allows
        readable = False
    if not readable:
        hint = "write / between folders" if "\\" in text else "correct the path"
        raise CohortError(
            "the file does not exist, or may not be read",
            field=column,
            remedy=f"{hint}, relative to the folder of the table; leave the cell empty if the "
            "scan was not acquired",
        )
    return path

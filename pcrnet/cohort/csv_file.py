"""A CSV file as rows of text, or the reason why it is none."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from pcrnet.csv_text import unguard
from pcrnet.errors import CohortError

_SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "bars"}


def read_rows(path: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Read the header and every row that holds anything.

    A formula that :func:`pcrnet.csv_text.guard` made harmless is the text that it was.

    Returns:
        The column names; and for each row its number, as a spreadsheet counts (the header is row
        1), and its cells. Spaces around names and cells are dropped.

    Raises:
        CohortError: No file, no UTF-8 (a byte order mark is fine), or no CSV with commas.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise CohortError(
            f"cannot be read ({type(error).__name__})",
            file=path.name,
            remedy="give the path of the cohort table",
        ) from None
    except UnicodeDecodeError as error:
        raise CohortError(
            f"is not UTF-8 text (byte {error.start})",
            file=path.name,
            remedy="save it as CSV UTF-8",
        ) from None
    if "\0" in text:
        raise CohortError("is not text", file=path.name, remedy="save it as CSV UTF-8")
    try:
        records = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    except csv.Error as error:
        raise CohortError(
            f"is not well-formed CSV ({error})",
            file=path.name,
            remedy="check the quotation marks, or save the table anew as CSV UTF-8",
        ) from error
    rows = [
        (number, [unguard(cell.strip()) for cell in cells])
        for number, cells in enumerate(records, start=1)
        if any(cell.strip() for cell in cells)
    ]
    if not rows:
        raise CohortError("is empty", file=path.name, remedy="the first row holds column names")
    header = rows[0][1]
    for separator, name in _SEPARATORS.items():
        if header[0].count(separator) >= len(header):
            raise CohortError(
                f"its columns are separated by {name}",
                file=path.name,
                remedy="save it as CSV with commas (and decimal points)",
            )
    return header, rows[1:]

"""CSV as pcrnet writes it: safe to open in a spreadsheet, and read back exactly.

A spreadsheet runs a cell that begins with ``=``, ``+``, ``-`` or ``@`` as a formula, and some skip
a leading tab or line break first. Such text gets an apostrophe in front; numbers stay numbers.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence

_FORMULA = r"[=+\-@\t\r\n＝＋－＠]"
_TO_GUARD = re.compile(f"'*{_FORMULA}")
_GUARDED = re.compile(f"'+{_FORMULA}")


def guard(text: str) -> str:
    """The text as a cell that no spreadsheet runs; :func:`unguard` gives the text again."""
    # What looks guarded already gets another apostrophe, so that no two texts share a cell.
    return f"'{text}" if _TO_GUARD.match(text) and not _is_number(text) else text


def unguard(cell: str) -> str:
    """The text behind a cell that :func:`guard` wrote; any other cell as it is."""
    return cell[1:] if _GUARDED.match(cell) else cell


def csv_text(rows: Iterable[Iterable[object]]) -> str:
    """Rows as CSV with commas and line feeds; None is an empty cell."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerows(["" if cell is None else guard(str(cell)) for cell in cells] for cells in rows)
    return stream.getvalue()


def csv_of_records(columns: Sequence[str], records: Iterable[Mapping[str, object]]) -> str:
    """Records as CSV, a column for each name; what a record lacks is an empty cell."""
    return csv_text([columns, *([record.get(name) for name in columns] for record in records)])


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True

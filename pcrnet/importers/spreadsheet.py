"""A spreadsheet, of whatever format, as rows of text."""

from __future__ import annotations

from pathlib import Path

from pcrnet.csv_text import unguard
from pcrnet.errors import CohortError
from pcrnet.table_file import read_records

_SUFFIXES = (".csv", ".tsv", ".xlsx")


def read_sheet(path: Path, sheet: str | None = None) -> list[dict[str, str]]:
    """Read a CSV, TSV or XLSX table; its first row names the columns.

    Args:
        path: The file, in any form that :mod:`pcrnet.table_file` reads.
        sheet: Name of the sheet in an XLSX file; the first one if None or absent.

    Returns:
        One mapping a row. Numbers without a fraction have no decimal point; unknown is "".

    Raises:
        CohortError: A file that cannot be read, or no reader for XLSX installed.
    """
    suffix = path.suffix.lower()
    if suffix not in _SUFFIXES:
        raise _unreadable(path, f"{suffix or 'no ending'} is no spreadsheet")
    records, _ = read_records(path, error=CohortError, sheet=sheet)
    rows = [[unguard(cell) for cell in cells] for _, cells in records]
    if not rows:
        raise _unreadable(path, "it is empty")
    header = rows[0]
    return [dict(zip(header, row, strict=False)) for row in rows[1:] if any(row)]


def find_file(folder: Path, names: tuple[str, ...]) -> Path | None:
    """The first of some file names in a folder, whatever their case."""
    there = {path.name.casefold(): path for path in sorted(folder.iterdir())}
    return next((there[name.casefold()] for name in names if name.casefold() in there), None)


def known(text: str) -> str:
    """A cell without the ways in which spreadsheets write unknown."""
    return "" if text.casefold() in {"", "na", "nan", "n/a", "none", "null", "unknown"} else text


def _unreadable(path: Path, reason: str) -> CohortError:
    return CohortError(
        f"cannot be read as a table ({reason})",
        file=path.name,
        remedy="give the table as it was published, or saved as CSV UTF-8",
    )

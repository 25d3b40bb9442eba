"""A spreadsheet, of whatever format, as rows of text."""

from __future__ import annotations

import csv
from pathlib import Path

from pcrnet.errors import CohortError

_SEPARATORS = {".csv": ",", ".tsv": "\t"}


def read_sheet(path: Path, sheet: str | None = None) -> list[dict[str, str]]:
    """Read a CSV, TSV or XLSX table; its first row names the columns.

    Args:
        path: The file; its ending says the format.
        sheet: Name of the sheet in an XLSX file; the first one if None or absent.

    Returns:
        One mapping a row. Numbers without a fraction have no decimal point; unknown is "".

    Raises:
        CohortError: A file that cannot be read, or no reader for XLSX installed.
    """
    suffix = path.suffix.lower()
    try:
        if suffix in _SEPARATORS:
            text = path.read_text(encoding="utf-8-sig")
            rows = list(csv.reader(text.splitlines(), delimiter=_SEPARATORS[suffix]))
        elif suffix == ".xlsx":
            rows = _read_xlsx(path, sheet)
        else:
            raise _unreadable(path, f"{suffix or 'no ending'} is no spreadsheet")
    except (OSError, UnicodeDecodeError) as error:
        raise _unreadable(path, type(error).__name__) from None
    if not rows:
        raise _unreadable(path, "it is empty")
    header = [name.strip() for name in rows[0]]
    return [
        dict(zip(header, (cell.strip() for cell in row), strict=False))
        for row in rows[1:]
        if any(cell.strip() for cell in row)
    ]


def find_file(folder: Path, names: tuple[str, ...]) -> Path | None:
    """The first of some file names in a folder, whatever their case."""
    there = {path.name.casefold(): path for path in sorted(folder.iterdir())}
    return next((there[name.casefold()] for name in names if name.casefold() in there), None)


def known(text: str) -> str:
    """A cell without the ways in which spreadsheets write unknown."""
    return "" if text.casefold() in {"", "na", "nan", "n/a", "none", "null", "unknown"} else text


def _read_xlsx(path: Path, sheet: str | None) -> list[list[str]]:
    try:
        from openpyxl import load_workbook
        from openpyxl.utils.exceptions import InvalidFileException
    except ImportError:
        raise CohortError(
            "reading XLSX needs the package openpyxl",
            file=path.name,
            remedy="pip install 'pcrnet[xlsx]', or save the sheet as CSV UTF-8 beside it",
        ) from None
    from zipfile import BadZipFile

    try:
        book = load_workbook(path, read_only=True, data_only=True)
    except (BadZipFile, InvalidFileException, KeyError, ValueError) as error:
        raise _unreadable(path, type(error).__name__) from None
    chosen = book[sheet] if sheet in book.sheetnames else book.worksheets[0]
    rows = [[_text(value) for value in row] for row in chosen.iter_rows(values_only=True)]
    book.close()
    return rows


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def _unreadable(path: Path, reason: str) -> CohortError:
    return CohortError(
        f"cannot be read as a table ({reason})",
        file=path.name,
        remedy="give the table as it was published, or saved as CSV UTF-8",
    )

"""A table of anybody as rows of text: CSV in its many dialects, or a sheet of an Excel file.

Read are UTF-8, UTF-16 and Windows-1252; commas, semicolons, tabs, bars or spaces between the cells;
comments (``#``) before the header; decimal commas where no comma parts the cells.
"""

from __future__ import annotations

import codecs
import csv
import io
import lzma
import re
import zipfile
import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pcrnet.csv_text import unguard
from pcrnet.errors import PcrnetError

_DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars", " ": "spaces"}
_ROWS_TRIED = 50
_UNKNOWN = frozenset({"", "na", "<na>", "nan", "n/a", "#n/a", "null", "."})
_DECIMAL_COMMA = re.compile(r"[+\-−–]?\d*,\d+(?:[eE][+\-−–]?\d+)?")
_THOUSANDS = re.compile(r"[1-9]\d{0,2},\d{3}")
_NUMBER = re.compile(r"[+\-−–]?\d+(?:[.,]\d+)?(?:[eE][+\-−–]?\d+)?")
_LEADING_MINUS = re.compile(r"(^|[eE])[−–](?=[.\d])")
_RULE = frozenset("-:|+ \r")
"""Of the line below the header of a table that was printed for people, as Markdown and psql do."""
_OTHER_FORMATS = {
    b"\xd0\xcf\x11\xe0": "an Excel file of the old kind (.xls)",
    b"\x1f\x8b": "compressed by gzip",
    b"%PDF": "a PDF",
    b"PAR1": "a Parquet file",
    b"<html": "HTML",
    b"<!doctype": "HTML",
    b"<table": "HTML",
    b"<?xml": "XML",
    b'{"': "JSON",
    b"[{": "JSON",
}
_START = 1024
_REMEDY = "save the table as CSV UTF-8, or as .xlsx"


@dataclass(frozen=True)
class TextTable:
    """Names and cells without the spaces around them.

    Attributes:
        header: The column names; none is empty.
        rows: For each row that holds anything its number, as a spreadsheet counts, and its cells,
            one a column.
        remarks: What was not plain CSV in UTF-8 and how it was taken, one sentence each.
    """

    header: tuple[str, ...]
    rows: tuple[tuple[int, tuple[str, ...]], ...]
    remarks: tuple[str, ...] = ()

    def columns(self) -> dict[str, tuple[str, ...]]:
        """Column name to its cells."""
        return {
            name: tuple(cells[place] for _, cells in self.rows)
            for place, name in enumerate(self.header)
        }


def is_unknown(cell: str) -> bool:
    """Whether a cell says that nothing is known: empty, or R's and Excel's NA, NaN, NULL, a dot."""
    return cell.strip().casefold() in _UNKNOWN


def decimal_point(cell: str) -> str:
    """A number with a decimal comma or a typographic minus (or dash) as Python writes it."""
    comma = _DECIMAL_COMMA.fullmatch(cell)
    return _LEADING_MINUS.sub(r"\1-", cell.replace(",", ".") if comma else cell)


def read_text_table(
    path: Path, *, error: type[PcrnetError] = PcrnetError, sheet: str | None = None
) -> TextTable:
    """Read a table in whatever form it comes.

    Args:
        path: CSV or XLSX; the content, not the ending, says which.
        error: The error to raise.
        sheet: Sheet of an Excel file; the first that holds anything if None or absent.

    Raises:
        PcrnetError: Of the type ``error``: the file cannot be read, is no table, has no row below
            its header, a column name twice, or rows with another number of cells.
    """
    records, remarks = read_records(path, error=error, sheet=sheet)
    return _as_table(path, records, remarks, error)


def read_records(
    path: Path, *, error: type[PcrnetError] = PcrnetError, sheet: str | None = None
) -> tuple[list[tuple[int, list[str]]], list[str]]:
    """All rows of a table with their numbers, whatever they hold, and the remarks on it.

    Arguments and errors as :func:`read_text_table`, but for what rows and names must be.
    """
    try:
        data = path.read_bytes()
    except OSError as problem:
        raise _unreadable(path, type(problem).__name__, error, "name an existing file") from None
    start = data[:_START].removeprefix(codecs.BOM_UTF8).lstrip()
    for signature, kind in _OTHER_FORMATS.items():
        if start.startswith(signature) or start.lower().startswith(signature):
            raise _unreadable(path, f"it is {kind}", error)
    if data.startswith(b"PK\x03\x04"):
        return _read_xlsx(path, data, sheet, error)
    text, remarks = _decode(path, data, error)
    records, more = _parse(path, text, error)
    return records, remarks + more


def _unreadable(
    path: Path, reason: str, error: type[PcrnetError], remedy: str = _REMEDY
) -> PcrnetError:
    return error(f"cannot be read as a table ({reason})", file=path.name, remedy=remedy)


# --- text


def _decode(path: Path, data: bytes, error: type[PcrnetError]) -> tuple[str, list[str]]:
    remarks: list[str] = []
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encoding = "utf-16"
    elif data[1:2] == b"\0" and data[3:4] == b"\0":
        encoding = "utf-16-le"
    elif data[:1] == b"\0" and data[2:3] == b"\0":
        encoding = "utf-16-be"
    else:
        encoding = "utf-8-sig"
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError:
        text = data.decode("cp1252", errors="replace")
        remarks.append("its text is not UTF-8 and was taken for Windows-1252 (Latin-1)")
    # What neither text nor Windows-1252 holds: the bytes of something else.
    if re.search(r"[\0-\x08\x0e-\x1f]", text) or (remarks and "\ufffd" in text):
        raise _unreadable(path, "it is not text", error)
    return text, remarks


def _parse(
    path: Path, text: str, error: type[PcrnetError]
) -> tuple[list[tuple[int, list[str]]], list[str]]:
    lines = text.splitlines(keepends=True)
    skipped, comments, declared = 0, 0, ""
    for line in lines:
        if line.startswith("#"):
            comments += 1
        elif match := re.fullmatch(r"sep=(.)\s*", line):
            declared = match[1]
        elif line.strip():
            break
        skipped += 1
    body = "".join(lines[skipped:])
    delimiter = declared or _find_delimiter(body)
    body = _without_rule(body)
    try:
        records = _records(body, delimiter)
    except csv.Error as problem:
        hint = "check the quotation marks, or save the table anew as CSV UTF-8"
        raise _unreadable(path, str(problem), error, hint) from None
    remarks = []
    if comments:
        remarks.append(f"{comments} lines of comment before its header were skipped")
    if delimiter != ",":
        remarks.append(f"its cells are parted by {_DELIMITERS.get(delimiter, delimiter)}")
        records, changed = _with_decimal_points(records)
        remarks += ["its decimal commas were read as decimal points"] if changed else []
    if delimiter == " ":
        records = _without_row_names(records)
    return [(number + skipped, cells) for number, cells in records], remarks


def _without_rule(text: str) -> str:
    """The text with the line that parts the header from the rows left empty."""
    header, *others = text.split("\n", 2)
    if others and "---" in others[0] and _RULE.issuperset(others[0]):
        others[0] = ""
    return "\n".join([header, *others])


def _records(text: str, delimiter: str) -> list[tuple[int, list[str]]]:
    reader = csv.reader(
        io.StringIO(text, newline=""),
        delimiter=delimiter,
        strict=True,
        skipinitialspace=delimiter == " ",
    )
    return [(number, [cell.strip() for cell in cells]) for number, cells in enumerate(reader, 1)]


def _find_delimiter(text: str) -> str:
    """The one that gives most rows as many cells as the header; of equals the one that cuts most.

    Spaces part cells only where nothing else does: names may hold them.
    """
    found = [(_fit(text, delimiter), delimiter) for delimiter in _DELIMITERS if delimiter != " "]
    best, delimiter = max(found, key=lambda fit: fit[0])
    if best[1] < 2 and _fit(text, " ")[1] > 1:
        return " "
    return delimiter if best[1] > 1 else ","


def _fit(text: str, delimiter: str) -> tuple[float, int]:
    lines = text.splitlines(keepends=True)[:_ROWS_TRIED]
    try:
        counts = [len(cells) for _, cells in _records("".join(lines), delimiter) if any(cells)]
    except csv.Error:
        # A quoted line break at the last line tried: the lines before it decide.
        counts = [line.count(delimiter) + 1 for line in lines]
    if not counts or counts[0] < 2:
        return 0.0, 1
    return sum(count == counts[0] for count in counts) / len(counts), counts[0]


def _with_decimal_points(
    records: list[tuple[int, list[str]]],
) -> tuple[list[tuple[int, list[str]]], bool]:
    """Columns of numbers, some of them with a decimal comma, with decimal points."""
    width = max((len(cells) for _, cells in records), default=0)
    numeric = []
    for place in range(width):
        cells = [cells[place] for _, cells in records[1:] if place < len(cells)]
        known = [cell for cell in cells if not is_unknown(cell)]
        numbers = all(_NUMBER.fullmatch(cell) or _DECIMAL_COMMA.fullmatch(cell) for cell in known)
        commas = [cell for cell in known if "," in cell]
        # 1,234 throughout may as well be thousands: such a column stays text.
        if numbers and not all(_THOUSANDS.fullmatch(cell) for cell in commas):
            numeric.append(place)
    changed = [
        (number, [decimal_point(c) if k in numeric else c for k, c in enumerate(cells)])
        for number, cells in records[1:]
    ]
    return records[:1] + changed, bool(numeric)


def _without_row_names(
    records: list[tuple[int, list[str]]],
) -> list[tuple[int, list[str]]]:
    """R's ``write.table`` names the rows and leaves that column out of the header."""
    width = len(records[0][1]) + 1
    if not all(len(cells) == width for _, cells in records[1:]):
        return records
    return records[:1] + [(number, cells[1:]) for number, cells in records[1:]]


# --- Excel


def _read_xlsx(
    path: Path, data: bytes, sheet: str | None, error: type[PcrnetError]
) -> tuple[list[tuple[int, list[str]]], list[str]]:
    try:
        from openpyxl import load_workbook
        from openpyxl.utils.exceptions import InvalidFileException
    except ImportError:
        raise error(
            "reading XLSX needs the package openpyxl",
            file=path.name,
            remedy="pip install 'pcrnet[xlsx]', or save the sheet as CSV UTF-8 beside it",
        ) from None
    try:
        book = load_workbook(io.BytesIO(data), read_only=True, data_only=True)
        # A hidden sheet is what somebody put out of sight: it is read where there is no other.
        shown = [page.title for page in book.worksheets if page.sheet_state == "visible"]
        names = [sheet] if sheet in book.sheetnames else shown or book.sheetnames
        sheets = {
            name: [
                (number, [_cell_text(value) for value in row])
                for number, row in enumerate(book[name].iter_rows(values_only=True), 1)
            ]
            for name in names
        }
        book.close()
    # Damaged archives and XML surface as whatever the parsers below raise.
    except (
        zipfile.BadZipFile, zlib.error, lzma.LZMAError, InvalidFileException, EOFError, OSError,
        RuntimeError, LookupError, ValueError, TypeError, AttributeError, SyntaxError,
    ) as problem:  # fmt: skip
        raise _unreadable(path, f"no XLSX file: {type(problem).__name__}", error) from None
    filled = [name for name, rows in sheets.items() if any(any(cells) for _, cells in rows)]
    # A sheet of notes holds one column, whose lines are no patients.
    tables = [name for name in filled if _columns_filled(sheets[name]) > 1] or filled
    remarks = []
    if len(filled) > 1:
        place = filled.index(tables[0]) + 1
        remarks.append(
            f"of its {len(filled)} sheets the {'first' if place == 1 else f'one numbered {place}'} "
            "was read"
        )
    return (sheets[tables[0]] if tables else []), remarks


def _columns_filled(rows: Sequence[tuple[int, list[str]]]) -> int:
    return len({place for _, cells in rows for place, cell in enumerate(cells) if cell})


def _cell_text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()


# --- rows and columns


def _as_table(
    path: Path,
    records: Sequence[tuple[int, list[str]]],
    remarks: list[str],
    error: type[PcrnetError],
) -> TextTable:
    filled = [(number, cells) for number, cells in records if any(cells)]
    if not filled:
        raise error("is empty", file=path.name, remedy="the first row holds the column names")
    header = [unguard(name) for name in filled[0][1]]
    while header and not header[-1]:
        header.pop()
    width = len(header)
    rows = [
        (number, [unguard(cell) for cell in cells])
        for number, cells in filled[1:]
        if not (cells[0].startswith("#") and (len(cells) != width or not any(cells[1:])))
    ]
    ragged = {
        number: len(cells) for number, cells in rows if len(cells) < width or any(cells[width:])
    }
    if ragged:
        raise _ragged(path, ragged, width, error)
    if doubled := sorted(name for name, count in Counter(header).items() if name and count > 1):
        raise error(
            "the column is there more than once",
            file=path.name,
            field=", ".join(doubled),
            remedy="keep one of them",
        )
    named = [place for place, name in enumerate(header) if name]
    return TextTable(
        header=tuple(header[place] for place in named),
        rows=tuple((number, tuple(cells[place] for place in named)) for number, cells in rows),
        remarks=tuple(remarks),
    )


def _ragged(
    path: Path, ragged: dict[int, int], width: int, error: type[PcrnetError]
) -> PcrnetError:
    found = ", ".join(str(count) for count in sorted(set(ragged.values()))[:3])
    # Decimal commas that part cells make twice as many at most.
    if min(ragged.values()) > 2 * width:
        return error(
            f"its first row holds {width} {'name' if width == 1 else 'names'} and those below "
            f"hold up to {max(ragged.values())} cells: it is probably a title",
            file=path.name,
            remedy="delete what stands above the row of column names",
        )
    return error(
        f"{rows_in_words(list(ragged))}: {found} cells for {width} columns",
        file=path.name,
        remedy="put text that holds the separator in quotes; with decimal commas, part the cells "
        "by semicolons",
    )


def rows_in_words(numbers: Sequence[int], shown: int = 5) -> str:
    """``row 3``, or ``rows 3, 4, 5, 6, 7 and 12 more``."""
    more = f" and {len(numbers) - shown} more" if len(numbers) > shown else ""
    listed = ", ".join(str(number) for number in numbers[:shown])
    return f"row{'s' if len(numbers) > 1 else ''} {listed}{more}"

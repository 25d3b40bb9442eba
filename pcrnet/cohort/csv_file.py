"""The file of a cohort as rows of text, or the reason why it is none."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pcrnet.csv_text import unguard
from pcrnet.errors import CohortError
from pcrnet.table_file import read_records


@dataclass(frozen=True)
class CohortText:
    """A table before anything in it is understood.

    Attributes:
        header: The column names.
        rows: For each row that holds anything its number, as a spreadsheet counts (the header is
            row 1 where nothing stands above it), and its cells. Spaces around cells are dropped.
        remarks: What was no plain CSV in UTF-8, and how it was taken, one sentence each.
    """

    header: list[str]
    rows: list[tuple[int, list[str]]]
    remarks: tuple[str, ...] = ()


def read_rows(path: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Header and rows of :func:`read_cohort_text`."""
    text = read_cohort_text(path)
    return text.header, text.rows


def read_cohort_text(path: Path) -> CohortText:
    """Read the header and every row that holds anything.

    A formula that :func:`pcrnet.csv_text.guard` made harmless is the text that it was. Read is what
    :mod:`pcrnet.table_file` reads: what a spreadsheet makes of a table outside of the English world
    too, with semicolons and decimal commas, and the spreadsheet itself. The cells that follow the
    last name are dropped where they are empty in every row.

    Raises:
        CohortError: No file, no text, or no table.
    """
    records, remarks = read_records(path, error=CohortError)
    rows = [
        (number, [unguard(cell.strip()) for cell in cells])
        for number, cells in records
        if any(cell.strip() for cell in cells)
    ]
    if not rows:
        raise CohortError("is empty", file=path.name, remedy="the first row holds column names")
    width = max(_filled(cells) for _, cells in rows)
    whole = len(rows[0][1])
    rows = [(number, cells[:width] if len(cells) == whole else cells) for number, cells in rows]
    return CohortText(rows[0][1], rows[1:], tuple(remarks))


def _filled(cells: list[str]) -> int:
    """How many cells there are up to the last that holds anything."""
    return max((place for place, cell in enumerate(cells, start=1) if cell), default=0)

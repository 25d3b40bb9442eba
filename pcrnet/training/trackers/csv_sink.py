"""The curves as one table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from pcrnet.csv_text import csv_text
from pcrnet.storage import make_folder, write_text, writing_to
from pcrnet.training.trackers.sink import Axis, group_of

CURVES_FILE = "curves.csv"
METRICS_FILE = "metrics.csv"
_COLUMNS = ("group", "fit", "axis", "at", "name", "value")


class CsvSink:
    """``curves.csv``, a row a number, as they come; a run that continues goes on below.

    A row that a kill has cut is followed by whole ones.

    Args:
        folder: Where the tables are written.
    """

    def __init__(self, folder: Path) -> None:
        self._path = make_folder(folder) / CURVES_FILE
        if not self._path.is_file():
            write_text(self._path, csv_text([_COLUMNS]))
        elif not self._path.read_bytes().endswith(b"\n"):
            self._append("\n")

    def begin(self, fits: Sequence[str]) -> None:
        """Nothing: every row names its fit."""

    def log(self, fit: str, axis: Axis, at: int, values: Mapping[str, float]) -> None:
        """Append a row a number."""
        group = group_of(fit)
        rows = [[group, fit, axis, at, name, repr(value)] for name, value in values.items()]
        self._append(csv_text(rows))

    def summarise(self, values: Mapping[str, float]) -> None:
        """Write ``metrics.csv``."""
        rows = [[name, repr(value)] for name, value in values.items()]
        write_text(self._path.with_name(METRICS_FILE), csv_text([["name", "value"], *rows]))

    def attach(self, name: str, path: Path) -> None:
        """Nothing: the original lies in the same run."""

    def close(self, *, failed: bool) -> None:
        """Nothing: every row is written when it comes."""

    def _append(self, text: str) -> None:
        with writing_to(self._path), self._path.open("a", encoding="utf-8", newline="") as stream:
            stream.write(text)

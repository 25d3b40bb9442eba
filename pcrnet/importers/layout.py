"""What an importer declares of itself: its options, what it writes, and the call."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pcrnet.processes import Progress


def no_options(parser: argparse.ArgumentParser) -> None:
    """For an importer without options of its own."""


def table_and_settings(options: argparse.Namespace, table: Path) -> Sequence[Path]:
    """The cohort table, and the settings beside it."""
    return table, table.with_suffix(".yaml")


@dataclass(frozen=True)
class Layout:
    """A layout of files that ``pcrnet import`` knows.

    Attributes:
        run: Options, source, cohort table to write and progress to the lines that say what was
            written, and what could not be mapped. Raises CohortError for what is no such layout.
        add_options: Adds options to the parser that already knows source and output.
        written: Options and cohort table to the files that would be written; what is there already
            is refused before anything is read.
    """

    run: Callable[[argparse.Namespace, Path, Path, Progress], Sequence[str]]
    add_options: Callable[[argparse.ArgumentParser], None] = no_options
    written: Callable[[argparse.Namespace, Path], Sequence[Path]] = table_and_settings

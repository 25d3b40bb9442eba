"""``pcrnet compare``: finished runs against each other, in pairs."""

from __future__ import annotations

import argparse
from pathlib import Path

from pcrnet.commands.registry import Commands
from pcrnet.disk_room import require_writable
from pcrnet.storage import write_json, write_text

_PAGE, _NUMBERS = "index.html", "comparison.json"


def register(commands: Commands) -> None:
    """Add the command and its options."""
    compare = commands.add(
        "compare", _compare, "compare finished runs of the same patients with the first of them"
    )
    compare.add_argument("runs", nargs="+", type=Path, metavar="RUN")
    compare.add_argument(
        "--out", type=Path, metavar="DIR", help=f"write {_PAGE} and {_NUMBERS} there"
    )


def _compare(options: argparse.Namespace) -> None:
    from rich.console import Console

    from pcrnet.evaluation.report.comparison_page import (
        console_tables,
        render_comparison,
        sentences_of,
    )
    from pcrnet.evaluation.run_comparison import compare_runs

    if options.out is not None:
        require_writable(options.out / _PAGE)
    found = compare_runs(options.runs)
    console = Console(highlight=False)
    for table in console_tables(found):
        console.print(table)
    for sentence in sentences_of(found):
        console.print(sentence, markup=False)
    if options.out is not None:
        write_json(options.out / _NUMBERS, found.to_json())
        write_text(options.out / _PAGE, render_comparison(found))
        console.print(str(options.out / _PAGE), markup=False, soft_wrap=True)

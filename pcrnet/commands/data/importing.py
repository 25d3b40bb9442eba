"""``pcrnet import``: a public data set or a DICOM tree as a cohort table."""

from __future__ import annotations

import argparse
import sys

from pcrnet.commands.registry import Commands
from pcrnet.importers.command import add_importers, run_importer
from pcrnet.run.progress_bar import ProgressBar


def register(commands: Commands) -> None:
    """Add the command and its options."""
    add_importers(
        commands.add("import", _import, "a public data set or a DICOM tree as a cohort table")
    )


def _import(options: argparse.Namespace) -> None:
    with ProgressBar("importing") as bar:
        lines = run_importer(options, bar.update)
    sys.stdout.write("\n".join(lines) + "\n")

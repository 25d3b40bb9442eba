"""``pcrnet import``: the layouts that it knows, and the call."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pcrnet.disk_room import require_writable
from pcrnet.errors import CohortError

if TYPE_CHECKING:
    from pcrnet.importers.layout import Layout
    from pcrnet.processes import Progress

LAYOUTS = {
    "mama-mia": ("pcrnet.importers.mama_mia", "the MAMA-MIA data set (Synapse 60868042)"),
    "ispy2": ("pcrnet.importers.ispy2", "I-SPY 2 or ACRIN 6698 as downloaded from TCIA"),
    "bids": ("pcrnet.importers.bids", "a BIDS data set; PET becomes SUV by its sidecar"),
    "dicom": (
        "pcrnet.importers.dicom_steps",
        "a DICOM tree: first to series.csv, to be corrected, then from there",
    ),
}
"""Name of each layout to the module that declares it as ``LAYOUT``, and what it is, in a line."""

_TABLE = "cohort.csv"


def layout_of(name: str) -> Layout:
    """The declaration of a layout; its module is imported now."""
    from pcrnet.importers.layout import Layout

    layout = getattr(import_module(LAYOUTS[name][0]), "LAYOUT", None)
    if not isinstance(layout, Layout):
        raise TypeError(f"{LAYOUTS[name][0]} declares no LAYOUT")
    return layout


class _LayoutParser(argparse.ArgumentParser):
    """The options of one layout, which are asked of its module once that layout is named."""

    def __init__(self, *, layout: str, **settings: Any) -> None:  # noqa: ANN401 - argparse's own
        super().__init__(**settings)
        self.layout = layout
        self.complete = False

    def add_own_options(self) -> None:
        """Add the options of the layout, unless they are there."""
        if not self.complete:
            layout_of(self.layout).add_options(self)
            self.complete = True

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:  # noqa: ANN401
        self.add_own_options()
        return super().parse_known_args(args, namespace)


def add_importers(command: argparse.ArgumentParser) -> None:
    """Add a subcommand for each layout, with its options."""
    layouts = command.add_subparsers(
        required=True, dest="layout", metavar="LAYOUT", parser_class=_LayoutParser
    )
    for layout, (_, text) in LAYOUTS.items():
        parser = layouts.add_parser(
            layout, layout=layout, help=text, description=text, allow_abbrev=False
        )
        parser.add_argument("source", type=Path, metavar="SOURCE", help="top folder")
        parser.add_argument(
            "out", type=Path, metavar="OUT", help=f"table to write, or a folder for {_TABLE}"
        )


def run_importer(options: argparse.Namespace, progress: Progress) -> Sequence[str]:
    """Run the importer that the options name.

    Args:
        options: As parsed by :func:`add_importers`.
        progress: Called with what is done and what there is.

    Returns:
        Lines that say what was written, and what could not be mapped.

    Raises:
        CohortError: As the importers; also rather than overwrite what a person may have worked on.
    """
    out: Path = options.out
    table = out if out.suffix.lower() == ".csv" else out / _TABLE
    source: Path = options.source
    layout = layout_of(options.layout)
    if not source.exists():
        raise CohortError("there is no such folder or file", field="SOURCE")
    for path in layout.written(options, table):
        require_writable(path)
        if path.exists():
            raise CohortError(
                "is there already, and somebody may have added to it by hand",
                file=path.name,
                remedy="name another place, or move this file away",
            )
    return layout.run(options, source, table, progress)

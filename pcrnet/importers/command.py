"""``pcrnet import``: the options of each importer, and the call."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pcrnet.errors import CohortError
from pcrnet.storage import require_writable

if TYPE_CHECKING:
    from pcrnet.importers.dicom_tree import ListedSeries
    from pcrnet.processes import Progress

_TABLE = "cohort.csv"
_LISTING = "series.csv"


def add_importers(command: argparse.ArgumentParser) -> None:
    """Add a subcommand for each layout, with its options."""
    layouts = command.add_subparsers(required=True, dest="layout", metavar="LAYOUT")

    def add(layout: str, text: str) -> argparse.ArgumentParser:
        parser = layouts.add_parser(layout, help=text, description=text, allow_abbrev=False)
        parser.add_argument("source", type=Path, metavar="SOURCE", help="top folder")
        parser.add_argument(
            "out", type=Path, metavar="OUT", help=f"table to write, or a folder for {_TABLE}"
        )
        return parser

    mama_mia = add("mama-mia", "the MAMA-MIA data set (Synapse 60868042)")
    mama_mia.add_argument("--segmentations", choices=("expert", "automatic"), default="expert")

    ispy2 = add("ispy2", "I-SPY 2 or ACRIN 6698 as downloaded from TCIA")
    ispy2.add_argument("--clinical", type=Path, metavar="TABLE.xlsx", help="the clinical table")
    ispy2.add_argument(
        "--analysis-mask",
        choices=("zero", "nonzero"),
        help="convert the analysis masks: lesion is where they are zero (as published), or not",
    )

    bids = add("bids", "a BIDS data set; PET becomes SUV by its sidecar")
    bids.add_argument(
        "--file",
        action="append",
        default=[],
        dest="files",
        metavar="CHANNEL=GLOB",
        help="files of a channel below a session's folder, as 't2=anat/*_T2w.nii*'; repeatable",
    )

    dicom = add("dicom", f"a DICOM tree: first to {_LISTING}, to be corrected, then from there")
    dicom.add_argument(
        "--timepoints",
        type=lambda text: tuple(text.split(",")),
        metavar="NAME,NAME",
        help="names of the visits in order of time",
    )


def run_importer(options: argparse.Namespace, progress: Progress) -> list[str]:
    """Run the importer that the options name.

    Returns:
        Lines that say what was written, and what could not be mapped.

    Raises:
        CohortError: As the importers; also rather than overwrite what a person may have worked on.
    """
    out: Path = options.out
    table = out if out.suffix.lower() == ".csv" else out / _TABLE
    source: Path = options.source
    if not source.exists():
        raise CohortError("there is no such folder or file", field="SOURCE")
    for path in _written(options, table):
        require_writable(path)
        if path.exists():
            raise CohortError(
                "is there already, and somebody may have added to it by hand",
                file=path.name,
                remedy="name another place, or move this file away",
            )
    match options.layout:
        case "mama-mia":
            from pcrnet.importers.mama_mia import import_mama_mia

            return import_mama_mia(source, table, segmentations=options.segmentations).lines()
        case "ispy2":
            from pcrnet.importers.ispy2 import import_ispy2

            return import_ispy2(
                source,
                table,
                clinical=options.clinical,
                analysis_mask=options.analysis_mask,
                progress=progress,
            ).lines()
        case "bids":
            from pcrnet.importers.bids import DEFAULT_FILES, import_bids

            files = {**DEFAULT_FILES, **dict(map(_channel_files, options.files))}
            return import_bids(source, table, files=files, progress=progress).lines()
    return _import_dicom(options, source, table, progress)


def _written(options: argparse.Namespace, table: Path) -> tuple[Path, ...]:
    if options.layout == "dicom" and not _is_listing(options.source):
        return (table.with_name(_LISTING),)
    return table, table.with_suffix(".yaml")


def _is_listing(source: Path) -> bool:
    return source.suffix.lower() == ".csv"


def _channel_files(text: str) -> tuple[str, str]:
    channel, _, pattern = text.partition("=")
    if not channel or not pattern:
        raise CohortError("expected CHANNEL=GLOB", field="--file")
    return channel, pattern


def _import_dicom(
    options: argparse.Namespace, source: Path, table: Path, progress: Progress
) -> list[str]:
    from pcrnet.importers.dicom_tree import (
        DEFAULT_TIMEPOINTS,
        import_dicom_tree,
        list_dicom_tree,
    )

    timepoints = options.timepoints or DEFAULT_TIMEPOINTS
    if _is_listing(source):
        return import_dicom_tree(source, table, timepoints=timepoints).lines()
    listing = table.with_name(_LISTING)
    series = list_dicom_tree(source, listing, timepoints=timepoints, progress=progress)
    return [
        *_proposals(series),
        f"look through {listing} and correct its columns timepoint and channel, then:",
        f"  pcrnet import dicom {listing} {table}",
    ]


def _proposals(series: Sequence[ListedSeries]) -> list[str]:
    """The listing in short; paths stay in the file."""
    patients = len({line.patient for line in series})
    lines = [f"{len(series)} series of {patients} patients"]
    found = Counter((line.timepoint, line.channel) for line in series if line.channel)
    lines += [f"  {timepoint}.{channel}: {count}" for (timepoint, channel), count in found.items()]
    reasons = Counter(line.note or "no reason" for line in series if not line.channel)
    return lines + [f"no channel: {reason} ({count})" for reason, count in reasons.most_common()]

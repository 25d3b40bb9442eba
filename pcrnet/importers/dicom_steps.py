"""The two steps of importing a DICOM tree: first its listing, then the table from that listing."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from pcrnet.importers.dicom_tree import (
    DEFAULT_TIMEPOINTS,
    ListedSeries,
    import_dicom_tree,
    list_dicom_tree,
)
from pcrnet.importers.layout import Layout, table_and_settings
from pcrnet.processes import Progress

_LISTING = "series.csv"


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--timepoints",
        type=lambda text: tuple(text.split(",")),
        metavar="NAME,NAME",
        help="names of the visits in order of time",
    )


def _written(options: argparse.Namespace, table: Path) -> Sequence[Path]:
    if _is_listing(options.source):
        return table_and_settings(options, table)
    return (table.with_name(_LISTING),)


def _is_listing(source: Path) -> bool:
    return source.suffix.lower() == ".csv"


def _run(
    options: argparse.Namespace, source: Path, table: Path, progress: Progress
) -> Sequence[str]:
    timepoints = options.timepoints or DEFAULT_TIMEPOINTS
    if _is_listing(source):
        return import_dicom_tree(source, table, timepoints=timepoints).lines()
    listing = table.with_name(_LISTING)
    series = list_dicom_tree(source, listing, timepoints=timepoints, progress=progress)
    return [
        *summary(series),
        f"look through {listing} and correct its columns timepoint and channel, then:",
        f"  pcrnet import dicom {listing} {table}",
    ]


def summary(series: Sequence[ListedSeries]) -> list[str]:
    """The listing in short: scans by visit and channel, and why others have none; never a path."""
    patients = len({line.patient for line in series})
    lines = [f"{len(series)} series of {patients} patients"]
    found = Counter((line.timepoint, line.channel) for line in series if line.channel)
    lines += [f"  {timepoint}.{channel}: {count}" for (timepoint, channel), count in found.items()]
    reasons = Counter(line.note or "no reason" for line in series if not line.channel)
    return lines + [f"no channel: {reason} ({count})" for reason, count in reasons.most_common()]


LAYOUT = Layout(_run, _add_options, _written)

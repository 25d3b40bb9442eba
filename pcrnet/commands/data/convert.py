"""``pcrnet convert``: one DICOM series to NIfTI in true units."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from pcrnet.commands.registry import SETTINGS, Commands
from pcrnet.config.layers import load_experiment
from pcrnet.disk_room import require_writable


def register(commands: Commands) -> None:
    """Add the command and its options."""
    convert = commands.add(
        "convert", _convert, "one DICOM series to NIfTI in true units", overrides=True
    )
    convert.add_argument("series", type=Path, metavar="SERIES", help="folder or zip")
    convert.add_argument("out", type=Path, metavar="OUT.nii.gz")
    convert.add_argument("--as", dest="channel", required=True, metavar="CHANNEL")
    convert.add_argument("settings", nargs="*", metavar=SETTINGS)


def _convert(options: argparse.Namespace) -> None:
    from pcrnet.imaging.convert import convert_series

    imaging = load_experiment(options.overrides).imaging
    require_writable(options.out)
    sidecar = convert_series(options.series, options.out, options.channel, imaging)
    for warning in sidecar.warnings:
        sys.stderr.write(f"warning: {warning}\n")
    sys.stdout.write(f"{options.out}\n")

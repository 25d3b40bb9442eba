"""``pcrnet sbom``: what pcrnet runs on, or what a bundle is made of."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from pcrnet.commands.registry import Commands
from pcrnet.disk_room import require_writable
from pcrnet.storage import is_stream


def register(commands: Commands) -> None:
    """Add the command and its options."""
    sbom = commands.add(
        "sbom", _sbom, "bill of materials (CycloneDX): this installation, or a bundle"
    )
    sbom.add_argument(
        "bundle",
        type=Path,
        nargs="?",
        metavar="BUNDLE",
        help="weights, training data and every file by their digests; without it the libraries "
        "that pcrnet runs on here",
    )
    sbom.add_argument("-o", "--out", type=Path, required=True, metavar="SBOM.json")


def _sbom(options: argparse.Namespace) -> None:
    from pcrnet.deploy.sbom import write_sbom

    require_writable(options.out)
    components = write_sbom(options.out, options.bundle)
    if not is_stream(options.out):
        sys.stdout.write(f"{options.out}: {components} components\n")

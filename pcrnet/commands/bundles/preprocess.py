"""``pcrnet preprocess``: the patients of a cohort table as the inputs of an exported graph."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from pcrnet.commands.bundles.bundle_use import add_bundle_checks
from pcrnet.commands.registry import Commands
from pcrnet.run.progress_bar import ProgressBar


def register(commands: Commands) -> None:
    """Add the command and its options."""
    preprocess = commands.add(
        "preprocess",
        _preprocess,
        "scans as the inputs of an exported graph, in one file; needs no torch",
    )
    preprocess.add_argument("bundle", type=Path, metavar="BUNDLE")
    preprocess.add_argument("cohort", type=Path, metavar="COHORT.csv")
    preprocess.add_argument("out", type=Path, metavar="OUT.npz", help="or OUT.safetensors")
    add_bundle_checks(preprocess)


def _preprocess(options: argparse.Namespace) -> None:
    from pcrnet.deploy.export.prepared import prepare_cohort

    with ProgressBar("preparing", "patients") as bar:
        prepared = prepare_cohort(
            options.bundle,
            options.cohort,
            options.out,
            sha256=options.sha256,
            key=options.key,
            progress=bar.update,
        )
    for reason in prepared.refused:
        sys.stderr.write(f"refused: {reason}\n")
    sys.stderr.write(f"bundle sha256: {prepared.bundle_sha256}\n")
    sys.stdout.write(f"{options.out}\n")

"""``pcrnet predict``: the patients of a cohort table, with a bundle."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from pcrnet.commands.bundle_use import add_digest, predicted, took_part
from pcrnet.commands.registry import Commands
from pcrnet.storage import is_stream


def register(commands: Commands) -> None:
    """Add the command and its options."""
    predict = commands.add(
        "predict", _predict, "predict the patients of a cohort table with a bundle"
    )
    predict.add_argument("bundle", type=Path, metavar="BUNDLE")
    predict.add_argument("cohort", type=Path, metavar="COHORT.csv")
    predict.add_argument(
        "-o",
        "--out",
        type=Path,
        required=True,
        metavar="PREDICTIONS.csv",
        help="the table; a name in .json is written as JSON. PREDICTIONS.csv.record.json beside it "
        "says by which bundle and from which cohort table",
    )
    predict.add_argument("--device", default="cpu", help="cpu or cuda (default: cpu)")
    add_digest(predict)


def _predict(options: argparse.Namespace) -> None:
    from pcrnet.deploy.prediction_files import check_destination, write_record

    check_destination(options.out)
    table, digest = predicted(options.bundle, options.cohort, options.device, options.sha256)
    table.write(options.out)
    write_record(options.out, bundle_sha256=digest, cohort=options.cohort, device=options.device)
    if table.trained_on:
        sys.stderr.write(
            f"warning: {took_part(table.trained_on)}; how well it predicts cannot be seen from "
            "them\n"
        )
    sys.stderr.write(f"bundle sha256: {digest}\n")
    if not is_stream(options.out):
        sys.stdout.write(f"{options.out}\n")

"""What commands share that use a bundle: which one is meant, and its predictions."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pcrnet.run.progress_bar import ProgressBar

if TYPE_CHECKING:
    from pcrnet.deploy.predictor import PredictionTable


def add_digest(command: argparse.ArgumentParser) -> None:
    """Let a command take a bundle by its digest only."""
    command.add_argument(
        "--bundle-sha256",
        dest="sha256",
        metavar="HEX",
        help="refuse any bundle but the one with this digest, which pcrnet predict prints",
    )


def predicted(
    bundle: Path, cohort: Path, device: str, sha256: str | None
) -> tuple[PredictionTable, str]:
    """The predictions of a cohort, and the digest of the bundle that made them."""
    from pcrnet.deploy.predictor import load_predictor

    predictor = load_predictor(bundle, device, sha256=sha256)
    with ProgressBar("predicting") as bar:
        table = predictor.predict_table(cohort, progress=bar.update)
    for reason in table.refused:
        sys.stderr.write(f"refused: {reason}\n")
    if predictor.bundle.manifest.simulated:
        sys.stderr.write("this bundle was trained on a simulated trial: not for patients\n")
    return table, predictor.bundle.sha256


def took_part(patients: Sequence[str]) -> str:
    """Who of the patients is known from training, in words."""
    more = " ..." if len(patients) > 5 else ""
    return (
        f"{len(patients)} of the patients took part in training this bundle: "
        f"{', '.join(patients[:5])}{more}"
    )

"""What the commands share that use a bundle: which one is meant, and what is said of it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pcrnet.run.progress_bar import ProgressBar

if TYPE_CHECKING:
    from pcrnet.cohort.table import Patient
    from pcrnet.deploy.prediction.predictor import PredictionTable, Predictor


def add_digest(command: argparse.ArgumentParser) -> None:
    """Let a command take a bundle by its digest only."""
    command.add_argument(
        "--bundle-sha256",
        dest="sha256",
        metavar="HEX",
        help="refuse any bundle but the one with this digest, which pcrnet predict prints",
    )


def add_bundle_checks(command: argparse.ArgumentParser) -> None:
    """Let a command take a bundle by its digest or its signature only."""
    add_digest(command)
    command.add_argument(
        "--key",
        type=Path,
        metavar="PUBLIC.pem",
        help="refuse a bundle that the owner of this key has not signed (pcrnet sign)",
    )


def opened(
    options: argparse.Namespace, device: str = "cpu", *, refuse_unlike: bool = False
) -> Predictor:
    """The bundle that the options name, checked and ready to predict."""
    from pcrnet.deploy.prediction.predictor import load_predictor

    with ProgressBar("checking the bundle"):
        return load_predictor(
            options.bundle,
            device,
            sha256=options.sha256,
            key=options.key,
            refuse_unlike=refuse_unlike,
        )


def predicted(predictor: Predictor, patients: Sequence[Patient]) -> PredictionTable:
    """The predictions of patients, with what has to be said of them."""
    with ProgressBar("predicting", "patients") as bar:
        table = predictor.predict_patients(patients, progress=bar.update)
    say_of(table, predictor)
    return table


def say_of(table: PredictionTable, predictor: Predictor) -> None:
    """Say who was refused, whom to doubt, and what the bundle is not for."""
    from pcrnet.deploy.prediction.doubts import say_doubts

    for reason in table.refused:
        sys.stderr.write(f"refused: {reason}\n")
    for line in say_doubts(table.scrutinies):
        sys.stderr.write(f"{line}\n")
    if predictor.bundle.manifest.simulated:
        sys.stderr.write("this bundle was trained on a simulated trial: not for patients\n")


def took_part(patients: Sequence[str]) -> str:
    """Who of the patients is known from training, in words."""
    more = " ..." if len(patients) > 5 else ""
    return (
        f"{len(patients)} of the patients took part in training this bundle: "
        f"{', '.join(patients[:5])}{more}"
    )

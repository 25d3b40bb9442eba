"""Learning curves of the trials, from the histories that their fits have left."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pcrnet.errors import IntegrityError
from pcrnet.storage import read_bounded
from pcrnet.sweeps.folder.layout import SweepLayout, TrialLayout
from pcrnet.sweeps.folder.records import FinishedTrial

_HISTORY = "history.csv"


def learning_curves(
    layout: SweepLayout, finished: Sequence[FinishedTrial]
) -> dict[str, list[float]]:
    """Trial to training loss by epoch, over its fits and their networks averaged."""
    found = {}
    for trial in finished:
        place = TrialLayout(layout.trials / trial.proposal.trial)
        histories = [_losses(path) for path in sorted(place.folds.rglob(_HISTORY))]
        histories = [losses for losses in histories if losses]
        if histories:
            longest = max(len(losses) for losses in histories)
            padded = np.full((len(histories), longest), np.nan)
            for row, losses in zip(padded, histories, strict=True):
                row[: len(losses)] = losses
            found[trial.proposal.trial] = [float(loss) for loss in np.nanmean(padded, axis=0)]
    return found


def _losses(path: Path) -> list[float]:
    """Of one network; nothing where its history cannot be read, for no number rests on it."""
    try:
        text = read_bounded(path).decode()
        return [float(row["train_loss"]) for row in csv.DictReader(io.StringIO(text))]
    except (IntegrityError, ValueError, KeyError, TypeError):
        return []

"""What a table of predictions adds to the log of daily use."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pcrnet.cohort.outcome import HEADS
from pcrnet.deploy.bundle import Bundle
from pcrnet.deploy.prediction.predictor import PredictionTable
from pcrnet.errors import BundleError
from pcrnet.monitoring.log import (
    Prediction,
    append,
    baseline_record,
    bundles_with_baseline,
    now,
    prediction_record,
    refusal_record,
)


def require_loggable(bundle: Bundle) -> None:
    """Find out before anything is predicted whether a bundle can be watched.

    Raises:
        BundleError: It was packed without what its training patients were like.
    """
    if bundle.applicability is None:
        raise BundleError(
            "the bundle does not know what its training patients were like, so that daily use "
            "cannot be compared with them",
            field="--log",
            remedy="use a bundle that train.py wrote, or leave --log out",
        )


def log_predictions(path: Path, table: PredictionTable, bundle: Bundle) -> None:
    """Append every patient of a table, predicted or refused, and once the bundle's baseline.

    Raises:
        OutputError: The log cannot be written.
        IntegrityError: What is there is no log.
        BundleError: As :func:`require_loggable`.
    """
    require_loggable(bundle)
    assert bundle.applicability is not None  # noqa: S101 - it was just required
    records = []
    if bundle.sha256 not in bundles_with_baseline(path):
        definition = bundle.manifest.outcome.definition
        records.append(baseline_record(bundle.sha256, bundle.applicability.baseline, definition))
    records += [
        refusal_record(bundle.sha256, error.patient, type(error).__name__)
        for error in table.refused
    ]
    predictions = table.predictions
    if predictions is not None:
        time = now()
        for row, patient in enumerate(predictions.patient_id):
            scrutiny = table.scrutinies[patient]
            labels = {head: float(predictions.label[head][row]) for head in HEADS}
            one = Prediction(
                time=time,
                bundle=bundle.sha256,
                patient=patient,
                site="" if predictions.site is None else predictions.site[row],
                series=scrutiny.series,
                unlike=tuple(doubt.where for doubt in scrutiny.likeness.doubts),
                label={head: value for head, value in labels.items() if np.isfinite(value)},
            )
            records.append(prediction_record(one))
    append(path, records)

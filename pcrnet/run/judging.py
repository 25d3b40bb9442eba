"""From finished fits to predictions: each patient's by models that never saw the patient.

The run's model, the same with scans hidden, and its rivals go through the same nested estimation;
they differ only in the logits that they bring.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from pcrnet.cohort.outcome import HEADS, Head
from pcrnet.cohort.table import allowed_cells, label_column, site_column
from pcrnet.decision.calibrators import check_enough_patients
from pcrnet.decision.nested import FittedDecision, final_decision, nested_estimate
from pcrnet.decision.shipped import describe_shipped
from pcrnet.evaluation.statistics.shipped import ShippedHead
from pcrnet.evaluation.tables.predictions import Predictions
from pcrnet.training.ablation import LogitsByFit, ablated_logits, ablations
from pcrnet.training.crossval import collect_logits
from pcrnet.training.fit import FitJob
from pcrnet.training.plan import judged_fits

ScansByPatient = Mapping[str, tuple[str, ...]]
"""Patient to the scans that the network is shown, as ``timepoint.channel``."""


@dataclass(frozen=True, eq=False)
class Judged:
    """Out-of-fold predictions, and what was fitted for each outer fold.

    Attributes:
        predictions: The table.
        decisions: For each fold what was fitted for it on the others.
        logits: (n, 3) of the fit that left out the patient's fold: what ships is calibrated on
            them.
    """

    predictions: Predictions
    decisions: tuple[FittedDecision, ...]
    logits: NDArray[np.float64]


def check_calibration(job: FitJob) -> None:
    """Refuse before training what the calibrator of an outer fold would refuse after it.

    Raises:
        PredictionsError: Too few patients outside a fold for isotonic calibration.
    """
    fold, allowed = _fold_and_allowed(job)
    for outer in range(job.splits.folds):
        check_enough_patients(job.experiment.evaluation.calibration, allowed[fold != outer])


def judge(job: FitJob, scans: ScansByPatient) -> Judged:
    """The out-of-fold table of the job's model; the fits that are judged are finished."""
    config = job.experiment.judging
    plans = judged_fits(job.splits.folds, config.mode)
    return _judge(job, collect_logits(job, plans, _names(job)), scans)


def ship(job: FitJob) -> FittedDecision:
    """Calibrator and thresholds of the model that ships, from what the judged fits left out."""
    config = job.experiment.judging
    logits = collect_logits(job, judged_fits(job.splits.folds, config.mode), _names(job))
    return final_decision(*_fold_and_allowed(job), logits, config)


def describe(job: FitJob, final: FittedDecision) -> dict[Head, ShippedHead]:
    """What the fits tell of the model that ships, by head; nothing in ``crossfit``."""
    config = job.experiment.judging
    logits = collect_logits(job, judged_fits(job.splits.folds, config.mode), _names(job))
    fold, allowed = _fold_and_allowed(job)
    estimate = nested_estimate(fold, allowed, logits, config)
    return describe_shipped(fold, allowed, logits, config, estimate, final)


def judge_ablations(
    job: FitJob, scans: ScansByPatient, progress: Callable[[int, int], None]
) -> dict[str, Predictions]:
    """The same fits with the scans of a branch or of a timepoint hidden, by the variant's name."""
    plans = judged_fits(job.splits.folds, job.experiment.evaluation.mode)
    hidden = ablations(job.experiment.data)
    logits = ablated_logits(job, plans, hidden, progress)
    return {
        ablation.name: _judge(
            job,
            logits[ablation.name],
            {name: ablation.left(own) for name, own in scans.items()},
        ).predictions
        for ablation in hidden
    }


def decisions_record(
    outer_folds: Sequence[FittedDecision],
    final: FittedDecision,
    shipped: Mapping[Head, ShippedHead] | None = None,
) -> dict[str, object]:
    """Calibrators and thresholds, and what is known of the one that ships, as plain JSON."""

    def record(decision: FittedDecision) -> dict[str, object]:
        return {
            "calibrator": decision.calibrator.to_dict(),
            "thresholds": decision.thresholds,
            "patients": decision.patients,
        }

    return {
        "outer_folds": [record(decision) for decision in outer_folds],
        "final": record(final),
        "shipped": {head: asdict(known) for head, known in (shipped or {}).items()},
    }


def _judge(job: FitJob, logits: LogitsByFit, scans: ScansByPatient) -> Judged:
    fold, allowed = _fold_and_allowed(job)
    estimate = nested_estimate(fold, allowed, logits, job.experiment.judging)
    threshold = {
        head: np.array([_number(estimate.decisions[own].thresholds[head]) for own in fold])
        for head in HEADS
    }
    predictions = Predictions(
        patient_id=_names(job),
        site=site_column(job.patients),
        fold=fold,
        label={head: label_column(job.patients, head) for head in HEADS},
        prob=estimate.probabilities,
        uncalibrated_prob=estimate.uncalibrated,
        threshold=threshold,
        scans=tuple(scans[name] for name in _names(job)),
    )
    return Judged(predictions, estimate.decisions, estimate.logits)


def _fold_and_allowed(job: FitJob) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    fold = np.array([job.splits.fold_of[name] for name in _names(job)], dtype=np.int64)
    return fold, allowed_cells(job.patients)


def _names(job: FitJob) -> tuple[str, ...]:
    return tuple(patient.patient_id for patient in job.patients)


def _number(threshold: float | None) -> float:
    return np.nan if threshold is None else threshold

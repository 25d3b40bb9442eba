"""How good the winner of a sweep is, by what did not choose it.

The best of many trials is an optimistic estimate of itself: it is quoted by neither the value that
it won with nor anything computed from the same predictions.

*Nested*: within each outer fold i the selection is done again without it. Every trial has the fits
that left out i and another fold j, whose logits on j make an inner score for the sake of i; the
trial that is best by these predicts fold i by its fit that left out i alone, with the calibrator
and the threshold that it has for fold i. So the estimate costs no further fit, and is of the whole
procedure: search, choose, train (Varma & Simon 2006). It is exact where trials neither learn from
results nor are given up by them; where they do, results of all folds have shaped which trials there
are, and that is said.

*Fresh*: the winner is cross-validated again under seeds that chose nothing: other folds, weights
and orders. What was luck of the folds and seeds is gone; that the winner was chosen on these
patients is not, and that is said, too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from pcrnet.cohort.outcome import HEADS, Head
from pcrnet.cohort.table import allowed_cells
from pcrnet.config.evaluation import EvaluationConfig
from pcrnet.config.sweep import TpeSearch
from pcrnet.decision.calibrators import head_probabilities
from pcrnet.decision.nested import fit_decision, head_labels
from pcrnet.evaluation.metrics import head_metrics
from pcrnet.evaluation.repeats import average_metrics
from pcrnet.evaluation.statistics.array_types import BoolArray, FloatArray, IntArray
from pcrnet.evaluation.statistics.intervals import Estimate
from pcrnet.evaluation.tables.predictions import Predictions, read_predictions
from pcrnet.sweeps.folder.layout import TrialLayout
from pcrnet.sweeps.folder.records import FinishedTrial, complete
from pcrnet.sweeps.plan.objective import better, objective_value
from pcrnet.sweeps.plan.settings import Sweep, scoring
from pcrnet.training.ablation import LogitsByFit
from pcrnet.training.crossval import collect_logits
from pcrnet.training.fit import FitJob
from pcrnet.training.plan import judged_fits

JobOf = Callable[[FinishedTrial], FitJob]


@dataclass(frozen=True)
class WinnerEstimate:
    """The estimate that may be quoted.

    Attributes:
        kind: How it was made.
        value: Of the objective; None where it is undefined.
        heads: Head to metric to estimate.
        chosen: Of each outer fold the trial that was chosen without it; nothing where fresh.
        repeats: How often the winner was cross-validated afresh; 0 where nested.
        caution: What it does not exclude; empty where it is exact.
    """

    kind: Literal["nested", "fresh"]
    value: float | None
    heads: Mapping[Head, Mapping[str, Estimate]]
    chosen: tuple[str, ...] = ()
    repeats: int = 0
    caution: str = ""

    def to_json(self) -> dict[str, object]:
        """The record of ``estimate.json``."""
        return {
            "kind": self.kind,
            "value": self.value,
            "chosen": list(self.chosen),
            "repeats": self.repeats,
            "caution": self.caution,
            "heads": {
                head: {name: estimate.to_json() for name, estimate in metrics.items()}
                for head, metrics in self.heads.items()
            },
        }


def estimate_nested(
    sweep: Sweep,
    finished: Sequence[FinishedTrial],
    predictions: Mapping[str, Predictions],
    job_of: JobOf,
) -> WinnerEstimate:
    """The selection done again within each outer fold.

    Args:
        sweep: What was searched.
        finished: All trials; those that are complete compete.
        predictions: Out-of-fold predictions of each of those.
        job_of: The fits of a trial.
    """
    trials = complete(finished)
    evaluation = scoring(sweep.experiment.evaluation)
    scores = [_inner_scores(sweep, job_of(trial), evaluation) for trial in trials]
    folds = range(evaluation.folds)
    chosen = [trials[_best(sweep, [score[fold] for score in scores])] for fold in folds]
    names = tuple(trial.proposal.trial for trial in chosen)
    together = assemble([predictions[name] for name in names])
    return WinnerEstimate(
        "nested",
        objective_value(together, sweep.config.objective, evaluation),
        _metrics(together, sweep.experiment.evaluation),
        names,
        caution=_what_all_folds_shaped(sweep, finished),
    )


def estimate_fresh(sweep: Sweep, repeats: Sequence[TrialLayout]) -> WinnerEstimate:
    """The winner cross-validated again; metrics are averaged over repeats, predictions never."""
    tables = [read_predictions(layout.predictions) for layout in repeats]
    evaluation = sweep.experiment.evaluation
    every = [_metrics(table, evaluation) for table in tables]
    values = [
        objective_value(table, sweep.config.objective, scoring(evaluation)) for table in tables
    ]
    known = [value for value in values if value is not None]
    return WinnerEstimate(
        "fresh",
        float(np.mean(known)) if known and len(known) == len(values) else None,
        {head: average_metrics([metrics[head] for metrics in every]) for head in every[0]},
        repeats=len(tables),
        caution="The winner was chosen on these patients. Other folds and seeds took no part in "
        "that, but the patients did: only other patients, or nested selection, exclude it.",
    )


def inner_predictions(
    fold: IntArray,
    allowed: BoolArray,
    logits: LogitsByFit,
    outer: int,
    evaluation: EvaluationConfig,
) -> Predictions:
    """What a trial says of everybody outside a fold, by fits and a calibrator that never saw it.

    Args:
        fold: (n,) fold of each patient.
        allowed: (n, 4) outcome cells that agree with what is known.
        logits: Folds left out by a fit to its logits (n, 3).
        outer: The fold that must not be seen.
        evaluation: Calibration and operating point.
    """
    inside = fold != outer
    inner = np.full((len(fold), 3), np.nan)
    for other in set(fold[inside].tolist()):
        members = fold == other
        inner[members] = logits[(min(outer, other), max(outer, other))][members]
    decision = fit_decision(inner[inside], allowed[inside], evaluation)
    prob = head_probabilities(decision.calibrator.cells(inner[inside]))
    count = int(inside.sum())
    return Predictions(
        patient_id=tuple(f"patient {index}" for index in range(count)),
        prob=prob,
        label={head: head_labels(allowed[inside], head) for head in HEADS},
        fold=fold[inside],
        threshold={
            head: np.full(count, np.nan if cut is None else cut)
            for head, cut in decision.thresholds.items()
        },
    )


def assemble(by_fold: Sequence[Predictions]) -> Predictions:
    """Of each fold the rows of the table that was chosen for it; all are of the same patients."""
    first = by_fold[0]
    assert first.fold is not None  # noqa: S101 - out-of-fold tables say which
    rows = np.arange(len(first))

    def picked(
        column: Callable[[Predictions], Mapping[Head, FloatArray]],
    ) -> dict[Head, FloatArray]:
        stacked = {
            head: np.stack([column(table)[head] for table in by_fold]) for head in first.heads
        }
        return {head: values[first.fold, rows] for head, values in stacked.items()}

    return replace(
        first,
        prob=picked(lambda table: table.prob),
        threshold=picked(lambda table: table.threshold),
        uncalibrated_prob={},
        scans=None,
    )


def _inner_scores(sweep: Sweep, job: FitJob, evaluation: EvaluationConfig) -> list[float | None]:
    """The objective of a trial for the sake of each outer fold."""
    names = [patient.patient_id for patient in job.patients]
    logits = collect_logits(job, judged_fits(job.splits.folds, "nested"), names)
    fold = np.array([job.splits.fold_of[name] for name in names], dtype=np.int64)
    allowed = allowed_cells(job.patients)
    settled = evaluation.settled(moderated=job.experiment.model.moderated)
    return [
        objective_value(
            inner_predictions(fold, allowed, logits, outer, settled),
            sweep.config.objective,
            evaluation,
        )
        for outer in range(job.splits.folds)
    ]


def _best(sweep: Sweep, values: Sequence[float | None]) -> int:
    """Which value is the best, the first of equals."""
    best, found = 0, None
    for index, value in enumerate(values):
        if value is not None and (found is None or better(sweep.config.objective, value, found)):
            best, found = index, value
    return best


def _metrics(
    predictions: Predictions, evaluation: EvaluationConfig
) -> dict[Head, Mapping[str, Estimate]]:
    return {head: head_metrics(predictions, head, evaluation) for head in predictions.heads}


def _what_all_folds_shaped(sweep: Sweep, finished: Sequence[FinishedTrial]) -> str:
    """What the estimate does not exclude; empty where trials were laid down beforehand."""
    shaped = []
    if isinstance(sweep.config.search, TpeSearch):
        shaped.append("which trials there are was learned from results of all folds")
    if any(trial.result.state == "pruned" for trial in finished):
        shaped.append("trials were given up by what all folds showed")
    if not shaped:
        return ""
    return (
        f"The selection was nested, but {' and '.join(shaped)}. "
        "For an exact estimate search a grid or at random, without pruning."
    )

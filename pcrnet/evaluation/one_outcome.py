"""One outcome at a time: metrics, curves and what acting on the prediction would do."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from pcrnet.cohort.outcome import Head
from pcrnet.config.evaluation import EvaluationConfig
from pcrnet.evaluation.metrics import head_metrics
from pcrnet.evaluation.repeats import average_metrics, spreads
from pcrnet.evaluation.results import FailureCase, HeadResult, PredictiveValues
from pcrnet.evaluation.statistics.array_types import BoolArray, CountArray, IntArray
from pcrnet.evaluation.statistics.calibration.reliability import (
    smooth_calibration,
    smooth_calibration_with_errors,
)
from pcrnet.evaluation.statistics.confusion import (
    Confusion,
    confusion,
    predictive_values_at,
    sensitivity,
    specificity,
)
from pcrnet.evaluation.statistics.curves import precision_recall_curve, roc_curve
from pcrnet.evaluation.statistics.discrimination import ROUNDING, auc
from pcrnet.evaluation.statistics.intervals import Estimate, normal_quantile
from pcrnet.evaluation.statistics.net_benefit import Consequences, consequences, decision_curve
from pcrnet.evaluation.statistics.shipped import ShippedHead, shipped_metrics
from pcrnet.evaluation.tables.predictions import Predictions

_PREVALENCES = (0.2, 0.35, 0.5, 0.65)
_NO_THRESHOLD = Confusion(0, 0, 0, 0)


def analyse_head(
    repeats: Sequence[Predictions],
    head: Head,
    config: EvaluationConfig,
    weights: CountArray,
    shipped: ShippedHead | None = None,
) -> HeadResult:
    """Everything about one outcome.

    Args:
        repeats: All patients, once for each repeat of cross-validation; those in whom the outcome
            is unknown are left out here. Metrics are averaged, all else is of the first.
        head: Which outcome.
        config: Draws and seed of the metrics' own bootstrap.
        weights: Shape ``(draws, n)``, the bootstrap draws that all outcomes share.
        shipped: What training tells of the model that ships.
    """
    known = known_rows(repeats[0], head)
    inside, *further = (predictions.select(known) for predictions in repeats)
    responder, prob = inside.label[head] == 1, inside.prob[head]
    of_repeats = [head_metrics(repeat, head, config) for repeat in (inside, *further)]
    metrics = of_repeats[0]
    draws = weights[:, known]
    both_classes = bool(responder.any() and not responder.all())
    has_roc = metrics["auc"].value is not None
    table = locked_table(inside, head)
    before = inside.uncalibrated() if head in inside.uncalibrated_prob else None
    curve, errors = smooth_calibration_with_errors(prob, inside.label[head], draws)
    return HeadResult(
        head=head,
        n=responder.size,
        responders=int(responder.sum()),
        metrics=average_metrics(of_repeats) | errors,
        uncalibrated=_before_calibration([inside, *further], head, config),
        # Of the first repeat, whose fits are those that were compared.
        shipped={}
        if shipped is None or inside.fold is None
        else shipped_metrics(metrics, table, shipped, len(np.unique(inside.fold))),
        spread=spreads(of_repeats),
        table=table,
        predictive_values=_predictive_values(table),
        fold_aucs=_fold_aucs(inside, head),
        roc=roc_curve(responder, prob, fold_or_one(inside), draws) if has_roc else None,
        precision_recall=precision_recall_curve(responder, prob, draws) if both_classes else None,
        calibration=curve,
        calibration_before=smooth_calibration(before.prob[head], inside.label[head], draws)
        if before is not None
        else None,
        decision=decision_curve(responder, prob, draws) if both_classes else None,
        consequences=_consequences(inside, head) if table else None,
    )


def _before_calibration(
    repeats: Sequence[Predictions], head: Head, config: EvaluationConfig
) -> dict[str, Estimate]:
    recorded = [
        before
        for repeat in repeats
        if head in repeat.uncalibrated_prob and (before := repeat.uncalibrated()) is not None
    ]
    if len(recorded) < len(repeats):
        return {}
    return average_metrics([head_metrics(before, head, config) for before in recorded])


def brief_metrics(predictions: Predictions, head: Head) -> dict[str, Estimate]:
    """AUC, sensitivity and specificity at the locked threshold, and observed less predicted."""
    inside = predictions.select(known_rows(predictions, head))
    table = locked_table(inside, head) or _NO_THRESHOLD
    return {
        "auc": auc(inside.prob[head], inside.label[head], inside.fold),
        "sensitivity": sensitivity(table),
        "specificity": specificity(table),
        "observed_less_predicted": _observed_less_predicted(inside, head),
    }


def known_rows(predictions: Predictions, head: Head) -> BoolArray:
    """Patients in whom the outcome is known, shape ``(n,)``."""
    return np.asarray(~np.isnan(predictions.label[head]))


def fold_or_one(predictions: Predictions) -> IntArray:
    """Folds (n,) of the patients; 0 for all where the table is one external test set."""
    if predictions.fold is None:
        return np.zeros(len(predictions), dtype=np.int64)
    return predictions.fold


def locked_table(predictions: Predictions, head: Head) -> Confusion | None:
    """The 2×2 table at the locked thresholds; None where nobody has one."""
    if head not in predictions.threshold:
        return None
    table = confusion(predictions.prob[head], predictions.label[head], predictions.threshold[head])
    return table if table.n else None


def failure_cases(
    predictions: Predictions, head: Head, *, of_each_kind: int = 3
) -> tuple[FailureCase, ...]:
    """The patients farthest on the wrong side of their threshold: missed tumours, then the others.

    Args:
        predictions: With thresholds; without, there are no failures to name.
        head: Which outcome.
        of_each_kind: Most patients of each kind.
    """
    if head not in predictions.threshold:
        return ()
    cases = [
        FailureCase(name, float(prob), float(threshold), bool(label))
        for name, prob, threshold, label in zip(
            predictions.patient_id,
            predictions.prob[head],
            predictions.threshold[head],
            predictions.label[head],
            strict=True,
        )
        if not np.isnan(label) and not np.isnan(threshold) and (prob > threshold) != bool(label)
    ]
    cases.sort(key=lambda case: (-case.distance, case.patient_id))
    missed = [case for case in cases if not case.responder]
    needless = [case for case in cases if case.responder]
    return (*missed[:of_each_kind], *needless[:of_each_kind])


def _fold_aucs(predictions: Predictions, head: Head) -> tuple[float, ...]:
    """AUC of each fold in which it is defined, in the order of the folds; none without folds."""
    if predictions.fold is None:
        return ()
    found = []
    for fold in np.unique(predictions.fold):
        inside = predictions.fold == fold
        value = auc(predictions.prob[head][inside], predictions.label[head][inside]).value
        found += [value] if value is not None else []
    return tuple(found)


def _observed_less_predicted(predictions: Predictions, head: Head) -> Estimate:
    """Mean of outcome less probability, with Wald's interval; 0 is calibrated in the large."""
    error = predictions.label[head] - predictions.prob[head]
    method = "mean of y − p, Wald"
    if error.size < 2:
        return Estimate.undefined("fewer than two patients", n=error.size, method=method)
    mean, half = float(error.mean()), normal_quantile(0.95) * float(error.std(ddof=1))
    if np.ptp(error) < ROUNDING:
        reason = "no interval: outcome less probability is the same in every patient"
        return Estimate(mean, None, None, error.size, method, reason)
    half /= math.sqrt(error.size)
    return Estimate(mean, mean - half, mean + half, error.size, method)


def _predictive_values(table: Confusion | None) -> tuple[PredictiveValues, ...]:
    if table is None or not table.positives or not table.negatives:
        return ()
    return tuple(
        PredictiveValues(prevalence, *predictive_values_at(table, prevalence))
        for prevalence in _PREVALENCES
    )


def _consequences(predictions: Predictions, head: Head) -> Consequences:
    judged = ~np.isnan(predictions.threshold[head])
    spared = predictions.prob[head] > predictions.threshold[head]
    return consequences((predictions.label[head] == 1)[judged], spared[judged])

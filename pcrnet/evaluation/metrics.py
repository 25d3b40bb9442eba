"""All numbers of one head, ready for metrics.json.

Patients whose outcome is unknown are left out of a head. With folds the AUC is formed within folds;
everything else is taken over all patients, each judged by the model, calibrator and threshold that
never saw the patient, and says so in its method. Intervals are given those fitted models: what
refitting would add stands in :mod:`pcrnet.evaluation.statistics.shipped`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TypedDict

import numpy as np

from pcrnet.cohort.outcome import HEADS, Head
from pcrnet.config.evaluation import EvaluationConfig, NetBenefitRule
from pcrnet.evaluation.statistics.array_types import FloatArray, IntArray, why_undefined
from pcrnet.evaluation.statistics.calibration.reliability import (
    calibration_in_the_large,
    calibration_line,
    spiegelhalter_test,
)
from pcrnet.evaluation.statistics.calibration.scores import (
    brier,
    brier_skill,
    decompose_brier,
    log_loss,
)
from pcrnet.evaluation.statistics.calibration.smooth_ece import binned_ece, smooth_ece
from pcrnet.evaluation.statistics.confusion import (
    Confusion,
    accuracy,
    balanced_accuracy,
    confusion,
    npv,
    ppv,
    sensitivity,
    specificity,
)
from pcrnet.evaluation.statistics.discrimination import auc, auc_fold_mean
from pcrnet.evaluation.statistics.intervals import Estimate, proportion
from pcrnet.evaluation.statistics.precision_recall import average_precision
from pcrnet.evaluation.tables.predictions import Predictions

Metrics = Mapping[str, Estimate]

_AT_THE_THRESHOLD = {
    "sensitivity": sensitivity,
    "specificity": specificity,
    "accuracy": accuracy,
    "balanced_accuracy": balanced_accuracy,
    "ppv": ppv,
    "npv": npv,
}


class _Drawing(TypedDict):
    draws: int
    generator: np.random.Generator


def head_metrics(
    predictions: Predictions,
    head: Head,
    config: EvaluationConfig,
    *,
    threshold: float | None = None,
) -> dict[str, Estimate]:
    """Every metric of one head, by its name in metrics.json.

    Args:
        predictions: The table, of which patients with a known outcome of ``head`` enter.
        head: One of ``predictions.heads``.
        config: Bootstrap draws, seed, and the rule of the operating point. A rule that needs data
            is never applied here: these are the data that are judged.
        threshold: A threshold locked elsewhere; it comes before the table's own.

    Raises:
        KeyError: The table has no probabilities of ``head``.
    """
    known = predictions.select(~np.isnan(predictions.label[head]))
    prob, label, fold = known.prob[head], known.label[head], known.fold
    table = _locked_table(known, head, config, threshold)
    found = {
        **_discrimination(prob, label, fold),
        **_at_the_threshold(table, len(known)),
        **_calibration(prob, label),
        **_drawn(prob, label, config, head),
        **_descriptive(prob, label),
        "prevalence": proportion(
            int((label == 1).sum()), len(label), of="patient with a known outcome"
        ),
    }
    if fold is None:
        return found
    note = f"; {len(np.unique(fold))} folds pooled"
    within = ("auc", "auc_fold_mean", "prevalence")
    return {
        name: estimate
        if name in within
        else dataclasses.replace(estimate, method=estimate.method + note)
        for name, estimate in found.items()
    }


def metrics_json(metrics: Mapping[Head, Metrics]) -> dict[str, dict[str, dict[str, object]]]:
    """The ``heads`` of metrics.json: head, metric, then value, low, high, n, method and reason."""
    return {
        head: {name: dict(estimate.to_json()) for name, estimate in metrics[head].items()}
        for head in HEADS
        if head in metrics
    }


def _discrimination(
    prob: FloatArray, label: FloatArray, fold: IntArray | None
) -> dict[str, Estimate]:
    area = {"auc": auc(prob, label, fold)}
    return area if fold is None else area | {"auc_fold_mean": auc_fold_mean(prob, label, fold)}


def _locked_table(
    known: Predictions, head: Head, config: EvaluationConfig, threshold: float | None
) -> Confusion | None:
    if threshold is None and head in known.threshold:
        return confusion(known.prob[head], known.label[head], known.threshold[head])
    if threshold is None and isinstance(config.operating_point, NetBenefitRule):
        threshold = config.operating_point.threshold
    if threshold is None:
        return None
    return confusion(known.prob[head], known.label[head], threshold)


def _at_the_threshold(table: Confusion | None, n: int) -> dict[str, Estimate]:
    if table is None:
        missing = Estimate.undefined("no locked threshold in the table", n=n, method="Wilson")
        return dict.fromkeys(_AT_THE_THRESHOLD, missing)
    return {name: rate(table) for name, rate in _AT_THE_THRESHOLD.items()}


def _calibration(prob: FloatArray, label: FloatArray) -> dict[str, Estimate]:
    slope, intercept = calibration_line(prob, label)
    z, p = spiegelhalter_test(prob, label)
    return {
        "calibration_slope": slope,
        "calibration_intercept": intercept,
        "calibration_in_the_large": calibration_in_the_large(prob, label),
        "spiegelhalter_z": z,
        "spiegelhalter_p": p,
    }


def _drawn(
    prob: FloatArray, label: FloatArray, config: EvaluationConfig, head: Head
) -> dict[str, Estimate]:
    def drawing(stream: int) -> _Drawing:
        # A stream a metric: none changes with the order or the presence of another.
        seed = [config.seed, HEADS.index(head), stream]
        return _Drawing(draws=config.bootstrap_draws, generator=np.random.default_rng(seed))

    smooth = smooth_ece(prob, label, **drawing(4))
    return {
        "average_precision": average_precision(prob, label, **drawing(0)),
        "brier": brier(prob, label, **drawing(1)),
        "brier_skill": brier_skill(prob, label, **drawing(2)),
        "log_loss": log_loss(prob, label, **drawing(3)),
        "smooth_ece": smooth.error,
        "smooth_ece_null": smooth.null,
    }


def _descriptive(prob: FloatArray, label: FloatArray) -> dict[str, Estimate]:
    """Numbers without an interval: the parts of the Brier score, and the error over bins."""
    n = len(label)
    corp = "CORP: Brier = miscalibration − discrimination + uncertainty"
    methods = {
        "brier_miscalibration": corp,
        "brier_discrimination": corp,
        "brier_uncertainty": corp,
        "binned_ece": "15 bins of equal width",
    }
    if reason := why_undefined(prob, label, classes=1):
        return {
            name: Estimate.undefined(reason, n=n, method=method) for name, method in methods.items()
        }
    parts, binned = decompose_brier(prob, label), binned_ece(prob, label, bins=15)
    refitted = "no interval: recalibrated on the patients that are judged"
    values = {
        "brier_miscalibration": (parts.miscalibration, refitted),
        "brier_discrimination": (parts.discrimination, refitted),
        "brier_uncertainty": (parts.uncertainty, refitted),
        "binned_ece": (binned.value, binned.warning),
    }
    return {
        name: Estimate(value, None, None, n, methods[name], reason)
        for name, (value, reason) in values.items()
    }

"""What a sweep looks for: a metric of ``metrics.json``, or the mean log-loss of the heads."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import numpy as np

from pcrnet.cohort.outcome import HEADS, Head
from pcrnet.config.evaluation import EvaluationConfig
from pcrnet.config.sweep import Objective
from pcrnet.errors import ConfigError
from pcrnet.evaluation.metrics import head_metrics
from pcrnet.evaluation.statistics.array_types import FloatArray, IntArray
from pcrnet.evaluation.statistics.calibration.scores import log_losses, why_no_log_loss
from pcrnet.evaluation.statistics.discrimination import auc
from pcrnet.evaluation.statistics.intervals import Estimate
from pcrnet.evaluation.tables.predictions import Predictions

MEAN_LOG_LOSS = "log_loss"
Direction = Literal["minimize", "maximize"]

_BETTER: Mapping[str, Direction] = {
    "auc": "maximize",
    "auc_fold_mean": "maximize",
    "average_precision": "maximize",
    "sensitivity": "maximize",
    "specificity": "maximize",
    "accuracy": "maximize",
    "balanced_accuracy": "maximize",
    "ppv": "maximize",
    "npv": "maximize",
    "brier_skill": "maximize",
    "brier_discrimination": "maximize",
    "brier": "minimize",
    "log_loss": "minimize",
    "smooth_ece": "minimize",
    "binned_ece": "minimize",
    "brier_miscalibration": "minimize",
}


def _mean_log_loss(prob: FloatArray, label: FloatArray, fold: IntArray | None) -> float | None:
    if why_no_log_loss(prob, label):
        return None
    return float(log_losses(prob, label).mean())


def _brier(prob: FloatArray, label: FloatArray, fold: IntArray | None) -> float | None:
    return float(((prob - label) ** 2).mean()) if len(label) else None


def _auc(prob: FloatArray, label: FloatArray, fold: IntArray | None) -> float | None:
    return auc(prob, label, fold).value


_QUICK: Mapping[str, Callable[[FloatArray, FloatArray, IntArray | None], float | None]] = {
    "log_loss": _mean_log_loss,
    "brier": _brier,
    "auc": _auc,
}
"""Metrics that need no draws, and that a single fold has as well."""


def require_objective(objective: Objective) -> None:
    """Refuse an objective that there is not.

    Raises:
        ConfigError: Its head or its metric is unknown, or nobody knows which direction is better.
    """
    heads, metric = _parts(objective)
    if not heads or (metric not in _BETTER and objective.direction is None):
        raise ConfigError(
            f"{objective.metric} is no objective whose better direction is known",
            field="sweep.objective",
            remedy=f"write log_loss, or <head>/<metric> with a head of {', '.join(HEADS)} and a "
            f"metric of {', '.join(_BETTER)}; of others state sweep.objective.direction",
        )


def direction_of(objective: Objective) -> Direction:
    """Whether less or more is better."""
    return objective.direction or _BETTER[_parts(objective)[1]]


def better(objective: Objective, value: float, other: float) -> bool:
    """Whether ``value`` is strictly better than ``other``."""
    return value > other if direction_of(objective) == "maximize" else value < other


def objective_value(
    predictions: Predictions, objective: Objective, config: EvaluationConfig
) -> float | None:
    """The objective of a table; None where it is undefined.

    Raises:
        ConfigError: There is no such metric.
    """
    heads, metric = _parts(objective)
    values = []
    for head in heads:
        if metric in _QUICK:
            known = ~np.isnan(predictions.label[head])
            fold = None if predictions.fold is None else predictions.fold[known]
            prob, label = predictions.prob[head][known], predictions.label[head][known]
            values.append(_QUICK[metric](prob, label, fold) if known.any() else None)
        else:
            values.append(_named(head_metrics(predictions, head, config), metric).value)
    defined = [value for value in values if value is not None]
    return float(np.mean(defined)) if defined and len(defined) == len(values) else None


def early_value(
    prob: Mapping[Head, FloatArray], label: Mapping[Head, FloatArray], objective: Objective
) -> float | None:
    """What one fold shows of the objective before anything is calibrated; None if nothing.

    Where one fold alone does not have the metric, the log-loss stands in; it is negated where more
    is better.

    Args:
        prob: Head to probabilities (n,).
        label: Head to labels (n,), NaN where unknown.
        objective: What is looked for.
    """
    heads, metric = _parts(objective)
    sign = 1.0
    if metric not in _QUICK:
        sign = -1.0 if direction_of(objective) == "maximize" else 1.0
        metric = "log_loss"
    values = []
    for head in heads:
        known = ~np.isnan(label[head])
        value = _QUICK[metric](prob[head][known], label[head][known], None) if known.any() else None
        if value is not None:
            values.append(value)
    return sign * float(np.mean(values)) if values else None


def _named(metrics: Mapping[str, Estimate], name: str) -> Estimate:
    if name not in metrics:
        raise ConfigError(
            f"there is no metric {name}",
            field="sweep.objective",
            remedy=f"choose one of {', '.join(metrics)}",
        )
    return metrics[name]


def _parts(objective: Objective) -> tuple[Sequence[Head], str]:
    """The heads that are averaged over, none where there is no such head, and the metric."""
    if objective.metric == MEAN_LOG_LOSS:
        return HEADS, "log_loss"
    named, _, metric = objective.metric.partition("/")
    return [head for head in HEADS if head == named], metric

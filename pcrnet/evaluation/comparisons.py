"""What the prediction rests on: other predictions of the same patients, nodes given the breast."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from pcrnet.cohort.outcome import Head
from pcrnet.config.evaluation import EvaluationConfig
from pcrnet.evaluation.metrics import Metrics, head_metrics
from pcrnet.evaluation.one_outcome import known_rows
from pcrnet.evaluation.results import ComparedHead, Comparison
from pcrnet.evaluation.sources import Sources
from pcrnet.evaluation.statistics.array_types import FloatArray
from pcrnet.evaluation.statistics.comparison.auc_comparison import (
    GlobalComparison,
    compare_auc,
    compare_many_auc,
)
from pcrnet.evaluation.statistics.comparison.paired import RateComparison, compare_rates
from pcrnet.evaluation.statistics.comparison.score_comparison import (
    compare_brier,
    compare_brier_skill,
    compare_log_loss,
    compare_net_benefit,
)
from pcrnet.evaluation.statistics.discrimination import auc
from pcrnet.evaluation.statistics.intervals import Estimate, proportion
from pcrnet.evaluation.statistics.net_benefit import READ_OFF
from pcrnet.evaluation.tables.predictions import Predictions
from pcrnet.run_layout import ABLATIONS, BASELINES


def compare_variants(sources: Sources) -> tuple[Comparison, ...]:
    """Every ablation and baseline of a run against its main predictions, in pairs."""
    return tuple(
        Comparison(kind, name, dict(_compared_heads(sources.predictions, other)))
        for kind, variants in _kinds(sources)
        for name, other in variants.items()
    )


def compare_together(sources: Sources) -> dict[str, dict[Head, GlobalComparison]]:
    """Of each kind with two variants or more: do they and the main predictions differ at all?

    Heads that a variant lacks, or whose AUCs have no covariance, are left out.
    """
    main = sources.predictions
    found: dict[str, dict[Head, GlobalComparison]] = {}
    for kind, variants in _kinds(sources):
        tables = [main, *variants.values()]
        for head in main.heads if len(tables) > 2 else ():
            if all(head in table.prob for table in tables):
                known = known_rows(main, head)
                scores = np.stack([table.prob[head][known] for table in tables])
                fold = None if main.fold is None else main.fold[known]
                together = compare_many_auc(scores, main.label[head][known], fold)
                if together is not None:
                    found.setdefault(kind, {})[head] = together
    return found


def judge_rivals(sources: Sources, config: EvaluationConfig) -> dict[str, dict[Head, Metrics]]:
    """Every metric of the other models on the same folds: kind of model, head, then metric."""
    return {
        kind: {
            head: head_metrics(rival, head, config)
            for head in sources.predictions.heads
            if head in rival.prob
        }
        for kind, rival in sources.baselines.items()
    }


def conditional_metrics(predictions: Predictions) -> dict[str, Estimate]:
    """yT0yN0 given yT0: how well nodes are told among patients whose breast is free of tumour.

    The conditional probability is P(yT0yN0) / P(yT0). Empty where a head was not predicted or no
    patient is known to have yT0.
    """
    if not {"yT0", "yT0yN0"} <= set(predictions.heads):
        return {}
    free_breast = (predictions.label["yT0"] == 1) & known_rows(predictions, "yT0yN0")
    inside = predictions.select(free_breast)
    if not len(inside):
        return {}
    label = inside.label["yT0yN0"]
    # A patient whom the model gives no chance of yT0 has none of yT0yN0 either.
    breast = np.maximum(inside.prob["yT0"], np.finfo(float).tiny)
    prob = np.minimum(inside.prob["yT0yN0"] / breast, 1.0)
    return {
        "auc": auc(prob, label, inside.fold),
        "observed": proportion(int(label.sum()), label.size, of="patient with yT0"),
        "predicted": _mean(prob),
    }


def _compared_heads(main: Predictions, other: Predictions) -> Iterator[tuple[Head, ComparedHead]]:
    for head in main.heads:
        if head not in other.prob:
            continue
        known = known_rows(main, head)
        label = main.label[head][known]
        fold = None if main.fold is None else main.fold[known]
        first, second = main.prob[head][known], other.prob[head][known]
        compared = compare_auc(first, second, label, fold)
        yield (
            head,
            ComparedHead(
                auc=auc(second, label, fold),
                difference=compared.difference,
                p=compared.p,
                rates=_compared_rates(main, other, head),
                scores={
                    "log_loss": compare_log_loss(first, second, label),
                    "brier": compare_brier(first, second, label),
                    "brier_skill": compare_brier_skill(first, second, label),
                },
                net_benefit=compare_net_benefit(first, second, label, READ_OFF),
            ),
        )


def _compared_rates(main: Predictions, other: Predictions, head: Head) -> dict[str, RateComparison]:
    """Sensitivity and specificity in pairs, over the patients with both thresholds locked."""
    if head not in main.threshold or head not in other.threshold:
        return {}
    cuts = [table.threshold[head] for table in (main, other)]
    called = [table.prob[head] > cut for table, cut in zip((main, other), cuts, strict=True)]
    label, locked = main.label[head], ~np.isnan(cuts).any(axis=0)
    responders, others = locked & (label == 1), locked & (label == 0)
    return {
        "sensitivity": compare_rates(*(calls[responders] for calls in called)),
        "specificity": compare_rates(*(~calls[others] for calls in called)),
    }


def _kinds(sources: Sources) -> tuple[tuple[str, Mapping[str, Predictions]], ...]:
    return ((ABLATIONS, sources.ablations), (BASELINES, sources.baselines))


def _mean(prob: FloatArray) -> Estimate:
    method = "mean of the predicted probabilities"
    return Estimate(float(prob.mean()), None, None, prob.size, method, "a prediction, not a sample")

"""What the prediction rests on: other predictions of the same women, and nodes given the breast."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from pcrnet.cohort.outcome import Head
from pcrnet.evaluation.arrays import FloatArray
from pcrnet.evaluation.auc_comparison import compare_auc
from pcrnet.evaluation.discrimination import auc
from pcrnet.evaluation.heads import known_rows
from pcrnet.evaluation.intervals import Estimate, proportion
from pcrnet.evaluation.predictions import Predictions
from pcrnet.evaluation.results import ComparedHead, Comparison
from pcrnet.evaluation.sources import Sources


def compare_variants(sources: Sources) -> tuple[Comparison, ...]:
    """Every ablation and baseline of a run against its main predictions, in pairs."""
    return tuple(
        Comparison(kind, name, dict(_compared_heads(sources.predictions, other)))
        for kind, variants in (("ablations", sources.ablations), ("baselines", sources.baselines))
        for name, other in variants.items()
    )


def conditional_metrics(predictions: Predictions) -> dict[str, Estimate]:
    """yT0yN0 given yT0: how well nodes are told among women whose breast is free of tumour.

    The conditional probability is P(yT0yN0) / P(yT0). Empty where a head was not predicted or no
    woman is known to have yT0.
    """
    if not {"yT0", "yT0yN0"} <= set(predictions.heads):
        return {}
    free_breast = (predictions.label["yT0"] == 1) & known_rows(predictions, "yT0yN0")
    inside = predictions.select(free_breast)
    if not len(inside):
        return {}
    label = inside.label["yT0yN0"]
    # A woman whom the model gives no chance of yT0 has none of yT0yN0 either.
    breast = np.maximum(inside.prob["yT0"], np.finfo(float).tiny)
    prob = np.minimum(inside.prob["yT0yN0"] / breast, 1.0)
    return {
        "auc": auc(prob, label, inside.fold),
        "observed": proportion(int(label.sum()), label.size, of="woman with yT0"),
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
        yield head, ComparedHead(auc(second, label, fold), compared.difference, compared.p)


def _mean(prob: FloatArray) -> Estimate:
    method = "mean of the predicted probabilities"
    return Estimate(float(prob.mean()), None, None, prob.size, method, "a prediction, not a sample")

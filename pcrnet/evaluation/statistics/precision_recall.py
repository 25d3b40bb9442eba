"""Average precision: how clean the list of called patients is, from the surest downwards."""

from __future__ import annotations

import numpy as np

from pcrnet.evaluation.statistics.array_types import FloatArray, why_undefined
from pcrnet.evaluation.statistics.intervals import Estimate, bootstrap_estimate


def average_precision(
    score: FloatArray,
    label: FloatArray,
    *,
    draws: int,
    generator: np.random.Generator,
    confidence: float = 0.95,
) -> Estimate:
    """Average precision, the step area under the precision-recall curve; ties are one step.

    Its chance level is the prevalence, which differs from fold to fold, so it is taken over all
    patients on the scale of calibrated probabilities and never averaged over folds. The interval
    holds for patients drawn like these, of whom others may respond: the prevalence is drawn too.

    Args:
        score: (n,) calibrated probabilities, or any score of one model.
        label: (n,) labels 0 and 1, both present.
        draws: Bootstrap draws of patients; those without a response are left out.
        generator: Seeded source of the draws.
        confidence: Two-sided.
    """
    if reason := why_undefined(score, label):
        return Estimate.undefined(reason, n=len(label), method="BCa bootstrap")
    order = np.argsort(-score, kind="stable")
    positive = label[order]
    last_of_tie = np.append(np.diff(score[order]) != 0, True)

    def statistic(counts: FloatArray) -> FloatArray:
        drawn = counts[:, order]
        called = np.cumsum(drawn, axis=1)[:, last_of_tie]
        right = np.cumsum(drawn * positive, axis=1)[:, last_of_tie]
        precision = np.divide(right, called, out=np.zeros_like(right), where=called > 0)
        gain = np.diff(right, axis=1, prepend=0.0) / right[:, -1:]  # NaN where nobody responded
        return np.asarray((gain * precision).sum(axis=1))

    return bootstrap_estimate(
        statistic, np.zeros(len(label)), draws=draws, generator=generator, confidence=confidence
    )

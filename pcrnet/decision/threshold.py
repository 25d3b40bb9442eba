"""The threshold of an operating point, chosen on data that are never judged with it."""

from __future__ import annotations

import math

import numpy as np

from pcrnet.config.evaluation import (
    NetBenefitRule,
    OperatingPointConfig,
    PrevalenceRule,
    SensitivityRule,
    SpecificityRule,
)
from pcrnet.errors import PredictionsError
from pcrnet.evaluation.statistics.array_types import FloatArray, IntArray

_ROUNDING = 1e-9
"""A target such as 0.9 of 10 patients means 9 of them, whatever 0.9 × 10 gives in floats."""


def choose_threshold(prob: FloatArray, label: FloatArray, rule: OperatingPointConfig) -> float:
    """Choose the threshold by ``rule`` on data that are never judged with it.

    ``prevalence`` takes the share of complete responses itself: with calibrated probabilities the
    likelihood ratio of a patient exceeds 1 exactly where p exceeds it, which is where sensitivity +
    specificity is largest. Otherwise the candidates are the midpoints between neighbouring distinct
    probabilities, 0 and 1 counted among them, so that a threshold never lies on a patient. Ties
    (several candidates serve a rule equally well) go to the largest threshold, since a complete
    response called wrongly leaves residual tumour untreated; for ``specificity``, which asks for
    the smallest, there are none.

    Args:
        prob: (n,) calibrated probabilities.
        label: (n,) labels 0, 1 or NaN; patients of unknown outcome are ignored.
        rule: ``evaluation.operating_point``.

    Returns:
        A threshold in [0, 1].

    Raises:
        PredictionsError: The rule needs a class that the data do not have, or a probability is no
            number.
    """
    if isinstance(rule, NetBenefitRule):
        return rule.threshold
    known = ~np.isnan(label)
    prob, positive = prob[known], label[known] == 1
    if not np.isfinite(prob).all():
        raise PredictionsError("a probability is no finite number, so no threshold can be chosen")
    n_positive, n_negative = int(positive.sum()), int((~positive).sum())
    _check_classes(rule, n_positive, n_negative)
    if isinstance(rule, PrevalenceRule):
        return n_positive / (n_positive + n_negative)
    edges = np.unique(np.concatenate([[0.0, 1.0], prob]))
    candidates = np.append((edges[:-1] + edges[1:]) / 2, 1.0)
    true_positive = _count_above(prob[positive], candidates)
    true_negative = n_negative - _count_above(prob[~positive], candidates)
    if isinstance(rule, SensitivityRule):
        enough = true_positive >= math.ceil(rule.target * n_positive - _ROUNDING)
        # A probability of exactly 0 is never called; then the smallest threshold is nearest.
        return float(candidates[enough].max() if enough.any() else candidates[0])
    if isinstance(rule, SpecificityRule):
        enough = true_negative >= math.ceil(rule.target * n_negative - _ROUNDING)
        return float(candidates[enough].min())
    # Youden, in whole numbers, so that ties are exact.
    youden = true_positive * n_negative + true_negative * n_positive
    return float(candidates[youden == youden.max()].max())


def _check_classes(rule: OperatingPointConfig, n_positive: int, n_negative: int) -> None:
    needed = {
        "sensitivity": n_positive > 0,
        "specificity": n_negative > 0,
        "prevalence": n_positive > 0 and n_negative > 0,
        "youden": n_positive > 0 and n_negative > 0,
    }
    if not needed[rule.kind]:
        raise PredictionsError(
            f"the rule {rule.kind} cannot choose a threshold on {n_positive} complete responses "
            f"and {n_negative} patients with residual disease",
            field="evaluation.operating_point",
            remedy="use kind: net_benefit, whose threshold is fixed, or more patients",
        )


def _count_above(values: FloatArray, thresholds: FloatArray) -> IntArray:
    return len(values) - np.searchsorted(np.sort(values), thresholds, side="right")

"""Decision curves: what acting on the predictions would bring, and what it would miss.

The decision is to spare a patient surgery, who is spared when the predicted probability of complete
response exceeds a threshold t (strictly: ``risk > t``, as in R's dcurves). The threshold says how
many needless operations one missed residual tumour is worth: t = 0.9 holds missing one as bad as
nine needless operations. Nobody is spared today, so treat-none (operate on all) has net benefit 0.

Net benefit: Vickers and Elkin, Med Decis Making 2006;26:565.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from pcrnet.evaluation.statistics.array_types import BoolArray, CountArray, FloatArray, in_blocks
from pcrnet.evaluation.statistics.curves import pointwise_band
from pcrnet.evaluation.statistics.intervals import Estimate, proportion

THRESHOLDS: FloatArray = np.arange(1, 100) / 100.0
"""Where decision curves are drawn."""

SENSIBLE_RANGE = (0.5, 0.95)
"""Thresholds at which a missed residual tumour weighs as much as one needless operation at least,
and as nineteen at most."""

READ_OFF: FloatArray = np.array([0.5, 0.6, 0.7, 0.8, 0.9, 0.95])
"""Where they are read off for a table."""


@dataclass(frozen=True)
class DecisionCurve:
    """Net benefit over thresholds, as a share of patients; every array has shape ``(T,)``.

    One hundred times the net benefit is also the *net number of operations avoided* per 100
    patients compared with operating on all: seen from the residual tumour, (NB_model − NB_all)
    divided by the odds of its threshold 1 − t is TP − FP·t/(1 − t), which is the same number.
    """

    thresholds: FloatArray
    model: FloatArray
    low: FloatArray
    high: FloatArray
    treat_all: FloatArray
    """Spare everybody."""
    n: int


@dataclass(frozen=True)
class Consequences:
    """What happens to 100 patients when those called complete responders are spared surgery."""

    spared: Estimate
    """Spared surgery, per 100."""
    rightly: Estimate
    """Spared, and truly without residual tumour, per 100."""
    missed: Estimate
    """Spared although residual tumour was left, per 100."""
    needless: Estimate
    """Operated on although there was no residual tumour, per 100."""

    @property
    def operated_with_residual(self) -> float:
        """Operated on with residual tumour, per 100: what is left of the hundred."""
        return 100.0 - _known(self.spared) - _known(self.needless)

    @property
    def icons(self) -> tuple[int, int, int, int]:
        """Whole patients out of 100: rightly spared, missed, needlessly and rightly operated on."""
        shares = (
            _known(self.rightly),
            _known(self.missed),
            _known(self.needless),
            self.operated_with_residual,
        )
        whole = [int(share) for share in shares]
        by_remainder = sorted(range(4), key=lambda i: whole[i] - shares[i])
        for index in by_remainder[: 100 - sum(whole)]:
            whole[index] += 1
        first, second, third, fourth = whole
        return first, second, third, fourth


def net_benefit(responder: BoolArray, risk: FloatArray, thresholds: FloatArray) -> FloatArray:
    """Net benefit of acting when ``risk > threshold``, shape ``(T,)``.

    Args:
        responder: Shape ``(n,)``, whether the response was complete.
        risk: Shape ``(n,)``, predicted probability of it.
        thresholds: Shape ``(T,)``, in [0, 1).
    """
    weights = np.ones((1, responder.size))
    (benefit,) = _weighted_net_benefit(responder, risk, thresholds, weights)
    return np.asarray(benefit, dtype=np.float64)


def benefits(responder: BoolArray, risk: FloatArray, thresholds: FloatArray) -> FloatArray:
    """What each patient adds to the net benefit, shape ``(n, T)``; their mean is the net benefit.

    Arguments as :func:`net_benefit`.
    """
    spared = risk[:, None] > thresholds
    odds = thresholds / (1.0 - thresholds)
    return np.asarray(spared * np.where(responder[:, None], 1.0, -odds), dtype=np.float64)


def decision_curve(
    responder: BoolArray,
    risk: FloatArray,
    weights: CountArray,
    *,
    thresholds: FloatArray = THRESHOLDS,
    confidence: float = 0.95,
) -> DecisionCurve:
    """Net benefit with its pointwise bootstrap band.

    Args:
        responder: Shape ``(n,)``.
        risk: Shape ``(n,)``, predicted probability of complete response.
        weights: Shape ``(draws, n)``, how often each draw holds each patient.
        thresholds: Shape ``(T,)``, in [0, 1).
        confidence: Level of the band.
    """
    draws = in_blocks(
        lambda block: _weighted_net_benefit(responder, risk, thresholds, block), weights
    )
    low, high = pointwise_band(draws, confidence)
    everybody = np.ones(responder.size)
    return DecisionCurve(
        thresholds=thresholds,
        model=net_benefit(responder, risk, thresholds),
        low=low,
        high=high,
        treat_all=net_benefit(responder, everybody, thresholds),
        n=int(responder.size),
    )


def consequences(responder: BoolArray, spared: BoolArray) -> Consequences:
    """Count what sparing ``spared`` (n,) does to ``responder`` (n,), per 100; Wilson intervals."""

    def per_hundred(patients: BoolArray) -> Estimate:
        share = proportion(int(patients.sum()), patients.size, of="patients with a known outcome")
        if share.value is None or share.low is None or share.high is None:
            return share
        return replace(share, value=100 * share.value, low=100 * share.low, high=100 * share.high)

    return Consequences(
        spared=per_hundred(spared),
        rightly=per_hundred(spared & responder),
        missed=per_hundred(spared & ~responder),
        needless=per_hundred(~spared & responder),
    )


def _weighted_net_benefit(
    responder: BoolArray, risk: FloatArray, thresholds: FloatArray, weights: FloatArray
) -> FloatArray:
    """Net benefit of each draw, shape ``(draws, T)``."""
    # Each patient's contribution is linear in how often the patient was drawn: one matrix product.
    gain = benefits(responder, risk, thresholds)
    patients = weights.sum(axis=1, keepdims=True)
    return np.where(patients > 0, weights @ gain / np.maximum(patients, 1.0), np.nan)


def _known(estimate: Estimate) -> float:
    return 0.0 if estimate.value is None else estimate.value

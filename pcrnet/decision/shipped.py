"""What the fits tell of the model that ships, beyond the predictions that are judged.

The terms are those of :mod:`pcrnet.evaluation.statistics.shipped`. Outcomes enter twice: what a
decision does to the patients it was fitted on, and what it does to the fold that it has not seen.
How fits differ is asked of the predictions alone, as if each patient responded with the
probability that the shipped calibrator gives: so it holds no noise of outcomes.

Shapes: n patients, K folds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.special import logit

from pcrnet.cohort.outcome import HEADS, Head
from pcrnet.config.evaluation import EvaluationConfig
from pcrnet.decision.calibrators import head_probabilities, joint_cells
from pcrnet.decision.nested import (
    FittedDecision,
    OutOfFold,
    head_labels,
    inner_logits,
    left_out_logits,
)
from pcrnet.decision.training_size import noise_shares, pair_key
from pcrnet.evaluation.statistics.array_types import FloatArray
from pcrnet.evaluation.statistics.calibration.reliability import calibration_line
from pcrnet.evaluation.statistics.confusion import confusion, sensitivity, specificity
from pcrnet.evaluation.statistics.intervals import normal_quantile
from pcrnet.evaluation.statistics.shipped import ShippedHead

_RATES = {"sensitivity": sensitivity, "specificity": specificity}
_INSIDE = 1e-9
"""Probabilities are kept this far from 0 and 1, where they have a logit."""


def describe_shipped(
    fold: NDArray[np.int64],
    allowed: NDArray[np.bool_],
    logits: Mapping[tuple[int, ...], FloatArray],
    config: EvaluationConfig,
    judged: OutOfFold,
    final: FittedDecision,
) -> dict[Head, ShippedHead]:
    """What is known of the shipped model, by head; nothing in ``crossfit``, which has no pair fits.

    Args:
        fold: (n,) fold of each patient.
        allowed: (n, 4) outcome cells that agree with what is known.
        logits: Folds left out by a fit to its logits (n, 3), NaN where it saw the patient.
        config: Calibration, operating point and mode.
        judged: The nested estimate.
        final: The decision that ships.
    """
    if config.mode != "nested":
        return {}
    scores = {
        left_out: {head: _logit(prob) for head, prob in _probabilities(values).items()}
        for left_out, values in logits.items()
        if left_out
    }
    shown = {
        left_out: head_probabilities(final.calibrator.cells(np.nan_to_num(values)))
        for left_out, values in logits.items()
        if left_out
    }
    inner = [
        head_probabilities(
            judged.decisions[outer].calibrator.cells(inner_logits(fold, logits, outer, config))
        )
        for outer in range(len(judged.decisions))
    ]
    own = head_probabilities(final.calibrator.cells(left_out_logits(fold, logits, config)))
    return {
        head: _describe(
            fold,
            head_labels(allowed, head),
            {left_out: values[head][:, None] for left_out, values in scores.items()},
            {left_out: values[head] for left_out, values in shown.items()},
            [values[head] for values in inner],
            own[head],
            judged.probabilities[head],
            [decision.thresholds[head] for decision in (*judged.decisions, final)],
        )
        for head in HEADS
    }


def _describe(
    fold: NDArray[np.int64],
    label: FloatArray,
    scores: Mapping[tuple[int, ...], FloatArray],
    shown: Mapping[tuple[int, ...], FloatArray],
    inner: list[FloatArray],
    own: FloatArray,
    judged: FloatArray,
    thresholds: list[float | None],
) -> ShippedHead:
    known = np.isfinite(label)
    shares = noise_shares(scores, fold)
    between = {
        name: _between_fits(fold, shown, own, expected) for name, expected in _EXPECTED.items()
    }
    apparent, optimism = {}, {}
    cuts = [np.nan if cut is None else cut for cut in thresholds]
    for name, rate in _RATES.items():
        cut = cuts[-1]
        between[name] = _between_rates(fold, shown, own, cut, of_responders=name == "sensitivity")
        apparent_rate = rate(confusion(own, label, cut)).value
        inner_rates = [
            rate(confusion(prob, label[fold != outer], cuts[outer])).value
            for outer, prob in enumerate(inner)
        ]
        unseen = rate(confusion(judged, label, np.array(cuts)[fold])).value
        rates = [value for value in inner_rates if value is not None]
        if apparent_rate is not None and unseen is not None and rates:
            apparent[name] = apparent_rate
            # Where all patients have one probability, all are called alike, here and elsewhere.
            alike = np.ptp(own[known]) < _INSIDE
            optimism[name] = 0.0 if alike else float(np.mean(rates)) - unseen
    slope, _ = calibration_line(_inside(own[known]), label[known])
    if slope.value is not None and slope.low is not None and slope.high is not None:
        apparent["calibration_slope"] = slope.value
        error = (slope.high - slope.low) / (2 * normal_quantile(0.95))
        apparent["calibration_slope_error"] = error
    return ShippedHead(
        noise_share=1.0 if shares is None else float(shares[0]),
        between_fits=between,
        apparent=apparent,
        optimism=optimism,
        instability=_instability(fold, shown, cuts[-1]),
    )


def _instability(
    fold: NDArray[np.int64], shown: Mapping[tuple[int, ...], FloatArray], threshold: float
) -> dict[str, float]:
    """How far the pair fits, none of which saw the patient, agree on each of the patients."""
    folds = range(int(fold.max()) + 1)
    spread, changed = np.zeros(len(fold)), np.zeros(len(fold), dtype=bool)
    for outer in folds:
        own = fold == outer
        risks = np.stack([shown[pair_key(outer, inner)][own] for inner in folds if inner != outer])
        spread[own] = risks.std(axis=0, ddof=1)
        called = risks > threshold
        changed[own] = called.any(axis=0) & ~called.all(axis=0)
    found = {
        "median": float(np.median(spread)),
        "ninetieth": float(np.quantile(spread, 0.9)),
    }
    return found if np.isnan(threshold) else found | {"changed": float(changed.mean())}


Expected = Callable[[FloatArray, FloatArray], float]
"""From scores (m,) and the chances of response (m,) of m patients to what a metric would be."""


def _between_fits(
    fold: NDArray[np.int64],
    shown: Mapping[tuple[int, ...], FloatArray],
    chance: FloatArray,
    expected: Expected,
) -> float:
    """Mean over folds of the variance of ``expected`` over the pair fits that left the fold out."""
    folds = range(int(fold.max()) + 1)
    found = []
    for outer in folds:
        own = fold == outer
        values = [
            expected(shown[pair_key(outer, inner)][own], chance[own])
            for inner in folds
            if inner != outer
        ]
        if np.isfinite(values).all():
            found.append(np.var(values, ddof=1))
    return float(np.mean(found)) if found else 0.0


def _between_rates(
    fold: NDArray[np.int64],
    shown: Mapping[tuple[int, ...], FloatArray],
    chance: FloatArray,
    threshold: float,
    *,
    of_responders: bool,
) -> float:
    """The same for the share that a threshold calls rightly, in as many patients as there may be.

    A rate jumps with every patient whom two fits call differently, and a fold has few: what comes
    of that is taken out, as the interaction of fits and patients in a two-way layout without
    repeats.
    """
    folds = range(int(fold.max()) + 1)
    found = []
    for outer in folds:
        own = fold == outer
        weight = chance[own] if of_responders else 1 - chance[own]
        called = np.stack(
            [shown[pair_key(outer, inner)][own] > threshold for inner in folds if inner != outer]
        )
        fits, patients = called.shape
        if patients < 2 or not weight.sum() > 0:
            continue
        right = (called == of_responders) * weight / weight.mean()
        of_fits, of_patients = right.mean(axis=1), right.mean(axis=0)
        interaction = right - of_fits[:, None] - of_patients + right.mean()
        noise = float((interaction**2).sum()) / ((fits - 1) * (patients - 1))
        found.append(float(np.var(of_fits, ddof=1)) - noise / patients)
    return max(float(np.mean(found)), 0.0) if found else 0.0


def _expected_auc(score: FloatArray, chance: FloatArray) -> float:
    # In order of the score; ties count half, so that equal scores of all give one half.
    values, place = np.unique(score, return_inverse=True)
    positive = np.bincount(place, weights=chance, minlength=len(values))
    negative = np.bincount(place, weights=1 - chance, minlength=len(values))
    total = positive.sum() * negative.sum()
    below = np.cumsum(negative) - negative / 2
    return float(positive @ below / total) if total > 0 else np.nan


def _expected_precision(score: FloatArray, chance: FloatArray) -> float:
    order = np.argsort(-score, kind="stable")
    right = np.cumsum(chance[order])
    precision = right / np.arange(1, len(score) + 1)
    return float(chance[order] @ precision / right[-1]) if right[-1] > 0 else np.nan


def _expected_slope(score: FloatArray, chance: FloatArray) -> float:
    value = _logit(score)
    spread = float(np.var(value))
    if spread < _INSIDE:
        return np.nan
    return float(np.mean((value - value.mean()) * _logit(chance))) / spread


_EXPECTED: Mapping[str, Expected] = {
    "auc": _expected_auc,
    "average_precision": _expected_precision,
    "calibration_slope": _expected_slope,
}


def _probabilities(logits: FloatArray) -> dict[Head, FloatArray]:
    return head_probabilities(joint_cells(np.nan_to_num(logits)))


def _inside(prob: FloatArray) -> FloatArray:
    return np.clip(prob, _INSIDE, 1 - _INSIDE)


def _logit(prob: FloatArray) -> FloatArray:
    return np.asarray(logit(_inside(prob)))

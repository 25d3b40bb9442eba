"""External validation: a fixed model in patients who had no part in making it.

Beside what the model does as it came stand two things that it does not do: a threshold chosen again
on these patients, and probabilities recalibrated on them. Both flatter themselves and are shown to
tell a wrong level from a wrong ranking, never as the result.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.special import expit, logit

from pcrnet.cohort.outcome import Head
from pcrnet.evaluation.population.case_mix import BundleIdentity, CaseMixRow, case_mix, side_by_side
from pcrnet.evaluation.population.patients import Covariate
from pcrnet.evaluation.statistics.array_types import FloatArray, why_undefined
from pcrnet.evaluation.statistics.calibration.reliability import (
    calibration_in_the_large,
    calibration_line,
)
from pcrnet.evaluation.statistics.confusion import confusion, sensitivity, specificity
from pcrnet.evaluation.statistics.intervals import Estimate
from pcrnet.evaluation.tables.predictions import Predictions


@dataclass(frozen=True)
class AtThreshold:
    """What one threshold does; ``chosen_here`` marks the one that flatters itself."""

    threshold: float
    sensitivity: Estimate
    specificity: Estimate
    chosen_here: bool


@dataclass(frozen=True)
class Recalibrated:
    """The same predictions after a change that was fitted to these very patients.

    Attributes:
        change: What was changed, in words; the first is none.
        intercept: Added to the logit.
        slope: Multiplied with it.
        brier: Brier score, without an interval.
        log_loss: In nats, without an interval.
    """

    change: str
    intercept: float
    slope: float
    brier: float
    log_loss: float


@dataclass(frozen=True)
class ValidatedHead:
    """One outcome in the external patients."""

    head: Head
    thresholds: tuple[AtThreshold, ...]
    recalibrated: tuple[Recalibrated, ...]


@dataclass(frozen=True)
class Validation:
    """What an external validation says beyond the measures themselves."""

    mix: tuple[CaseMixRow, ...]
    """Empty where nothing is known of the patients in training."""
    heads: tuple[ValidatedHead, ...]


def validate(
    predictions: Predictions,
    covariates: tuple[Covariate, ...],
    bundle: BundleIdentity | None,
    heads: tuple[Head, ...],
) -> Validation | None:
    """Compare case mix, thresholds and recalibrated views; None of a cross-validation.

    Args:
        predictions: Of one external test set.
        covariates: Of the same patients.
        bundle: What made the predictions, where that is known.
        heads: In reading order.
    """
    if predictions.fold is not None:
        return None
    training = None if bundle is None else bundle.training
    mix: tuple[CaseMixRow, ...] = ()
    if training is not None:
        labels: Mapping[Head, FloatArray] = {head: predictions.label[head] for head in heads}
        mix = side_by_side(training, case_mix(labels, covariates))
    return Validation(mix, tuple(_validated(predictions, head) for head in heads))


def _validated(predictions: Predictions, head: Head) -> ValidatedHead:
    inside = predictions.select(~np.isnan(predictions.label[head]))
    prob, label = inside.prob[head], inside.label[head]
    if why_undefined(prob, label):
        return ValidatedHead(head, (), ())
    locked = np.unique(inside.threshold[head]) if head in inside.threshold else np.empty(0)
    locked = locked[np.isfinite(locked)]
    thresholds = [(float(locked[0]), False)] if len(locked) == 1 else []
    thresholds.append((_most_accurate(prob, label), True))
    return ValidatedHead(
        head,
        tuple(_at(prob, label, threshold, chosen) for threshold, chosen in thresholds),
        _recalibrated(prob, label),
    )


def _at(prob: FloatArray, label: FloatArray, threshold: float, chosen_here: bool) -> AtThreshold:
    table = confusion(prob, label, threshold)
    return AtThreshold(threshold, sensitivity(table), specificity(table), chosen_here)


def _most_accurate(prob: FloatArray, label: FloatArray) -> float:
    """The threshold with the largest sensitivity + specificity in these patients (Youden)."""
    values, place = np.unique(prob, return_inverse=True)
    positive = np.bincount(place, weights=label, minlength=len(values))
    negative = np.bincount(place, weights=1 - label, minlength=len(values))
    # Above value k: what lies beyond it is called.
    found = 1 - np.cumsum(positive) / positive.sum()
    rightly_not = np.cumsum(negative) / negative.sum()
    best = int(np.argmax(found + rightly_not))
    above = values[best + 1] if best + 1 < len(values) else 1.0
    return float((values[best] + above) / 2)


def _recalibrated(prob: FloatArray, label: FloatArray) -> tuple[Recalibrated, ...]:
    """As it came, with another intercept, and with another intercept and slope."""
    large = calibration_in_the_large(prob, label)
    slope, intercept = calibration_line(prob, label)
    changes = [("as it came", 0.0, 1.0)]
    if large.value is not None:
        changes.append(("intercept fitted to these patients", large.value, 1.0))
    if slope.value is not None and intercept.value is not None:
        words = "intercept and slope fitted to these patients"
        changes.append((words, intercept.value, slope.value))
    return tuple(_view(prob, label, *change) for change in changes)


def _view(
    prob: FloatArray, label: FloatArray, change: str, intercept: float, slope: float
) -> Recalibrated:
    shown = prob if (intercept, slope) == (0.0, 1.0) else expit(intercept + slope * logit(prob))
    # A probability of exactly 0 or 1 that was wrong has no finite log loss.
    inside = np.clip(shown, np.finfo(float).tiny, 1 - np.finfo(float).eps)
    loss = -np.mean(np.where(label == 1, np.log(inside), np.log1p(-inside)))
    return Recalibrated(change, intercept, slope, float(np.mean((label - shown) ** 2)), float(loss))

"""From the logits of all fits to honest predictions and to the calibrated model that ships.

Pure functions of arrays. Nothing that is fitted or chosen here sees an outcome of the outer fold it
is used on: for outer fold i the calibrator and the thresholds come from logits that models which
saw neither i nor the patient's own fold gave to the patients of the other folds. These logits are
brought to the scale of the fit that is judged (:mod:`pcrnet.decision.training_size`), for which
logits, and no outcomes, of fold i are compared.

Shapes: n patients, K folds, 3 logits, 4 outcome cells, 3 heads.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pcrnet.cohort.outcome import HEADS, RESPONSE_CELLS, Head
from pcrnet.config.evaluation import EvaluationConfig, NetBenefitRule, NoCalibration
from pcrnet.decision.calibrators import (
    Calibrator,
    fit_calibrator,
    head_probabilities,
    joint_cells,
)
from pcrnet.decision.threshold import choose_threshold
from pcrnet.decision.training_size import (
    brought_to_scale,
    pair_key,
    steeper_in_all,
    steeper_in_single,
)
from pcrnet.evaluation.statistics.array_types import FloatArray


@dataclass(frozen=True, eq=False)
class FittedDecision:
    """A calibrator and one threshold a head, fitted on the same out-of-fold logits.

    Attributes:
        calibrator: From logits to the four cells.
        thresholds: Head to threshold; a patient is called positive when the probability exceeds
            it. ``None`` where the rule needs both classes and the fitting patients had one.
        patients: Number of patients the calibrator was fitted on.
    """

    calibrator: Calibrator
    thresholds: dict[Head, float | None]
    patients: int


@dataclass(frozen=True, eq=False)
class OutOfFold:
    """Predictions of every patient by the object that would ship, fitted without the patient.

    Attributes:
        logits: (n, 3), of the fit that left out the patient's fold.
        probabilities: Head to calibrated probability (n,).
        uncalibrated: Head to the network's own probability (n,).
        decisions: For each fold what was fitted for it on the other folds.
    """

    logits: FloatArray
    probabilities: dict[Head, FloatArray]
    uncalibrated: dict[Head, FloatArray]
    decisions: tuple[FittedDecision, ...]


def head_labels(allowed: NDArray[np.bool_], head: Head) -> FloatArray:
    """1, 0 or NaN (unknown) for each patient (n,), from the cells that remain possible (n, 4)."""
    positive = np.array(RESPONSE_CELLS[head])
    may_be_positive = (allowed & positive).any(axis=1)
    may_be_negative = (allowed & ~positive).any(axis=1)
    return np.where(may_be_positive & may_be_negative, np.nan, may_be_positive.astype(np.float64))


def fit_decision(
    logits: FloatArray, allowed: NDArray[np.bool_], config: EvaluationConfig
) -> FittedDecision:
    """Fit the calibrator and choose the thresholds on logits (m, 3) of patients left out."""
    calibrator = fit_calibrator(config.calibration, logits, allowed)
    probabilities = head_probabilities(calibrator.cells(logits))
    thresholds: dict[Head, float | None] = {}
    for head in HEADS:
        label = head_labels(allowed, head)
        known = np.isfinite(label)
        fixed = isinstance(config.operating_point, NetBenefitRule)
        thresholds[head] = (
            choose_threshold(probabilities[head][known], label[known], config.operating_point)
            if fixed or len(np.unique(label[known])) == 2
            else None
        )
    return FittedDecision(calibrator, thresholds, int((~allowed.all(axis=1)).sum()))


def nested_estimate(
    fold: NDArray[np.int64],
    allowed: NDArray[np.bool_],
    logits: Mapping[tuple[int, ...], FloatArray],
    config: EvaluationConfig,
) -> OutOfFold:
    """Predict every fold by what was fitted without it.

    Args:
        fold: (n,) fold of each patient.
        allowed: (n, 4) outcome cells that agree with what is known.
        logits: Folds left out by a fit to its logits (n, 3), NaN where the fit has none.
        config: Calibration, operating point and mode.
    """
    folds = range(int(fold.max()) + 1)
    own_logits = np.full((len(fold), 3), np.nan)
    probabilities = {head: np.full(len(fold), np.nan) for head in HEADS}
    decisions: list[FittedDecision] = []
    for outer in folds:
        own = fold == outer
        decision = fit_decision(inner_logits(fold, logits, outer, config), allowed[~own], config)
        own_logits[own] = logits[(outer,)][own]
        for head, values in head_probabilities(decision.calibrator.cells(own_logits[own])).items():
            probabilities[head][own] = values
        decisions.append(decision)
    return OutOfFold(
        logits=own_logits,
        probabilities=probabilities,
        uncalibrated=head_probabilities(joint_cells(own_logits)),
        decisions=tuple(decisions),
    )


def inner_logits(
    fold: NDArray[np.int64],
    logits: Mapping[tuple[int, ...], FloatArray],
    outer: int,
    config: EvaluationConfig,
) -> FloatArray:
    """What the decision of ``outer`` is fitted on: logits (m, 3) of the m patients outside it."""
    found = _inner_as_they_are(fold, logits, outer, config)
    if config.mode == "nested" and _calibrates(config):
        found = brought_to_scale(found, steeper_in_single(logits, fold, outer))
    return found


def unseen_logits(
    fold: NDArray[np.int64],
    logits: Mapping[tuple[int, ...], FloatArray],
    outer: int,
    config: EvaluationConfig,
) -> dict[int, FloatArray]:
    """What the fits behind the decision of ``outer`` say of ``outer`` itself, on the same scale.

    Inner fold to logits (m, 3) of the m patients of ``outer``, by the fit that left out both.
    """
    own = fold == outer
    found = {
        inner: logits[pair_key(outer, inner)][own]
        for inner in range(int(fold.max()) + 1)
        if inner != outer
    }
    if not _calibrates(config):
        return found
    about = _inner_as_they_are(fold, logits, outer, config)
    steeper = steeper_in_single(logits, fold, outer)
    return {inner: brought_to_scale(values, steeper, about) for inner, values in found.items()}


def _inner_as_they_are(
    fold: NDArray[np.int64],
    logits: Mapping[tuple[int, ...], FloatArray],
    outer: int,
    config: EvaluationConfig,
) -> FloatArray:
    found = np.full((len(fold), 3), np.nan)
    for inner in range(int(fold.max()) + 1):
        if inner != outer:
            members = fold == inner
            found[members] = logits[_inner_fit(outer, inner, config)][members]
    return np.asarray(found[fold != outer])


def left_out_logits(
    fold: NDArray[np.int64],
    logits: Mapping[tuple[int, ...], FloatArray],
    config: EvaluationConfig,
) -> FloatArray:
    """What the decision that ships is fitted on: logits (n, 3) of the fits without each patient."""
    found = np.full((len(fold), 3), np.nan)
    for outer in range(int(fold.max()) + 1):
        found[fold == outer] = logits[(outer,)][fold == outer]
    return brought_to_scale(found, steeper_in_all(logits, fold)) if _calibrates(config) else found


def _inner_fit(outer: int, inner: int, config: EvaluationConfig) -> tuple[int, ...]:
    """The fit that predicts ``inner`` for the sake of ``outer``.

    In ``crossfit`` mode it has seen ``outer``: that is the leak which makes the mode optimistic.
    """
    return pair_key(outer, inner) if config.mode == "nested" else (inner,)


def final_decision(
    fold: NDArray[np.int64],
    allowed: NDArray[np.bool_],
    logits: Mapping[tuple[int, ...], FloatArray],
    config: EvaluationConfig,
) -> FittedDecision:
    """What ships with the fit on everybody: fitted on what the K others said of their left out.

    Args:
        fold: (n,) fold of each patient, from 0.
        allowed: (n, 4) cells of the joint outcome that are possible for each patient.
        logits: Folds left out by a fit to its logits (n, 3).
        config: The calibrator and the operating point.
    """
    return fit_decision(left_out_logits(fold, logits, config), allowed, config)


def _calibrates(config: EvaluationConfig) -> bool:
    """Without calibration the network's own probabilities are what they are, at every size."""
    return not isinstance(config.calibration, NoCalibration)

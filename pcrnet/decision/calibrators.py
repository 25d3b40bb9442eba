"""Calibrators of the joint outcome, fitted on inner logits; coherent before and after.

Shapes: n patients; logits (n, 3) are ℓ₁ for yT0, ℓ₂ for yN0 given yT0 = 1, ℓ₃ for yN0 given
yT0 = 0; cells (n, 4) are the probabilities of :data:`pcrnet.cohort.outcome.CELLS`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from scipy.special import expit, softmax

from pcrnet.cohort.outcome import Head
from pcrnet.config.evaluation import (
    CalibrationConfig,
    ChainCalibration,
    IsotonicCalibration,
    NoCalibration,
)
from pcrnet.decision.chain_fit import fit_chain, fit_temperature, log_cells
from pcrnet.decision.isotonic import (
    FEWEST_PATIENTS,
    MonotoneCurve,
    curve_sizes,
    fit_isotonic,
)
from pcrnet.errors import BundleError, PredictionsError
from pcrnet.evaluation.statistics.array_types import BoolArray, FloatArray


class Calibrator(Protocol):
    """A fitted map from logits to the joint distribution."""

    def cells(self, logits: FloatArray) -> FloatArray:
        """Calibrated probabilities (n, 4) of the cells; each row sums to 1."""
        ...

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers from which :func:`calibrator_from_dict` restores the calibrator."""
        ...


@dataclass(frozen=True)
class ChainCalibrator:
    """q = σ(a₁ℓ₁+b₁), r = σ(a₂ℓ₂+b₂), s = σ(a₃ℓ₃+b₃); P(yT0) = q, P(yT0yN0) = q·r."""

    slopes: tuple[float, float, float]
    intercepts: tuple[float, float, float]

    def cells(self, logits: FloatArray) -> FloatArray:
        """Calibrated probabilities (n, 4) of the cells."""
        return joint_cells(_checked(logits) * self.slopes + self.intercepts)

    def to_dict(self) -> dict[str, Any]:
        """``kind``, ``slopes`` and ``intercepts``."""
        return {
            "kind": "chain",
            "slopes": list(self.slopes),
            "intercepts": list(self.intercepts),
        }


@dataclass(frozen=True)
class TemperatureCalibrator:
    """softmax(log p / T + β) over the four cells (Alexandari, Kundaje & Shrikumar 2020).

    Attributes:
        inverse_temperature: 1 / T, above 0.
        biases: β, one a cell.
    """

    inverse_temperature: float
    biases: tuple[float, float, float, float]

    def cells(self, logits: FloatArray) -> FloatArray:
        """Calibrated probabilities (n, 4) of the cells."""
        log_prob = log_cells(_checked(logits))
        return np.asarray(softmax(self.inverse_temperature * log_prob + self.biases, axis=1))

    def to_dict(self) -> dict[str, Any]:
        """``kind``, ``inverse_temperature`` and ``biases``."""
        return {
            "kind": "temperature",
            "inverse_temperature": self.inverse_temperature,
            "biases": list(self.biases),
        }


@dataclass(frozen=True)
class IsotonicCalibrator:
    """q, r and s each a monotone curve of its logit; P(yT0) = q, P(yT0yN0) = q·r."""

    curves: tuple[MonotoneCurve, MonotoneCurve, MonotoneCurve]

    def cells(self, logits: FloatArray) -> FloatArray:
        """Calibrated probabilities (n, 4) of the cells."""
        q, r, s = (
            curve(logit) for curve, logit in zip(self.curves, _checked(logits).T, strict=True)
        )
        return np.stack([q * r, q * (1 - r), (1 - q) * s, (1 - q) * (1 - s)], axis=1)

    def to_dict(self) -> dict[str, Any]:
        """``kind`` and for each of q, r and s the ``logits`` and ``probs`` of its knots."""
        return {
            "kind": "isotonic",
            "curves": [
                {"logits": list(curve.logits), "probs": list(curve.probs)} for curve in self.curves
            ],
        }


@dataclass(frozen=True)
class IdentityCalibrator:
    """The network's own probabilities."""

    def cells(self, logits: FloatArray) -> FloatArray:
        """Uncalibrated probabilities (n, 4) of the cells."""
        return joint_cells(logits)

    def to_dict(self) -> dict[str, Any]:
        """``kind`` alone."""
        return {"kind": "none"}


def joint_cells(logits: FloatArray) -> FloatArray:
    """Uncalibrated probabilities (n, 4) of the cells from logits (n, 3).

    Raises:
        PredictionsError: A logit is no finite number.
    """
    q, r, s = expit(_checked(logits)).T
    # 1 − σ(z) loses the digits that σ(−z) keeps.
    not_q, not_r, not_s = expit(-_checked(logits)).T
    return np.stack([q * r, q * not_r, not_q * s, not_q * not_s], axis=1)


def head_probabilities(cells: FloatArray) -> dict[Head, FloatArray]:
    """Probabilities (n,) of complete response of each head from the cells (n, 4).

    They agree with one another by construction: P(yT0yN0) ≤ P(yT0) and ≤ P(yN0) in floats too.
    """
    both, breast_only, nodes_only = cells[:, 0], cells[:, 1], cells[:, 2]
    return {
        "yT0": np.minimum(both + breast_only, 1.0),
        "yN0": np.minimum(both + nodes_only, 1.0),
        "yT0yN0": np.minimum(both, 1.0),
    }


def fit_calibrator(config: CalibrationConfig, logits: FloatArray, allowed: BoolArray) -> Calibrator:
    """Fit the calibrator of ``config``; chain and temperature by penalised maximum likelihood.

    The likelihood of a patient is the probability of the cells that agree with what is known of
    the outcome, so partly known outcomes contribute their marginal and unknown ones nothing.
    The fit is deterministic and converges to a gradient of 1e-8. Isotonic curves are fitted to the
    patients whose outcome decides them.

    Args:
        config: ``evaluation.calibration``.
        logits: (n, 3) logits of models that never saw these patients.
        allowed: (n, 4) cells that agree with each outcome (``Outcome.allowed_cells``).

    Raises:
        PredictionsError: A logit is no finite number, an outcome contradicts itself, no outcome
            is known, or there are too few patients for isotonic curves.
    """
    if isinstance(config, NoCalibration):
        return IdentityCalibrator()
    logits = _checked(logits)
    allowed = np.asarray(allowed, dtype=bool)
    if allowed.shape != (len(logits), 4):
        raise ValueError(f"allowed cells of shape {allowed.shape} for {len(logits)} patients")
    if not allowed.any(axis=1).all():
        raise PredictionsError("an outcome contradicts itself: no joint cell agrees with it")
    informative = ~allowed.all(axis=1)
    if not informative.any():
        raise PredictionsError(
            "no patient with a known outcome to fit the calibrator on",
            remedy="use more patients, or evaluation.calibration.kind=none",
        )
    logits, allowed = logits[informative], allowed[informative]
    if isinstance(config, IsotonicCalibration):
        check_enough_patients(config, allowed)
        return IsotonicCalibrator(fit_isotonic(logits, allowed))
    if isinstance(config, ChainCalibration):
        slopes, intercepts = fit_chain(
            logits, allowed, config.shrinkage, config.prior_patients or 0.0
        )
        a1, a2, a3 = (float(slope) for slope in slopes)
        b1, b2, b3 = (float(intercept) for intercept in intercepts)
        return ChainCalibrator((a1, a2, a3), (b1, b2, b3))
    inverse_temperature, biases = fit_temperature(logits, allowed)
    c1, c2, c3, c4 = (float(bias) for bias in biases)
    return TemperatureCalibrator(inverse_temperature, (c1, c2, c3, c4))


def check_enough_patients(config: CalibrationConfig, allowed: BoolArray) -> None:
    """Refuse isotonic calibration where too few of the patients (n, 4) carry one of its curves.

    Raises:
        PredictionsError: With the number of patients and the limit.
    """
    if not isinstance(config, IsotonicCalibration):
        return
    for condition, n in curve_sizes(allowed):
        if n < FEWEST_PATIENTS:
            raise PredictionsError(
                f"isotonic calibration needs at least {FEWEST_PATIENTS} patients of whom "
                f"{condition}, and there are {n}: with fewer it is worse than the chain",
                field="evaluation.calibration.kind",
                remedy="use evaluation.calibration.kind=chain",
            )


def calibrator_from_dict(record: Mapping[str, Any]) -> Calibrator:
    """Restore what ``to_dict`` gave.

    Raises:
        BundleError: The record is not one of the known kinds with finite numbers and slopes ≥ 0.
    """
    match record:
        case {"kind": "none", **rest} if not rest:
            return IdentityCalibrator()
        case {"kind": "chain", "slopes": slopes, "intercepts": intercepts, **rest} if not rest:
            a1, a2, a3 = _numbers(slopes, 3, minimum=0.0)
            b1, b2, b3 = _numbers(intercepts, 3)
            return ChainCalibrator((a1, a2, a3), (b1, b2, b3))
        case {
            "kind": "temperature",
            "inverse_temperature": inverse,
            "biases": biases,
            **rest,
        } if not rest:
            (slope,) = _numbers([inverse], 1, minimum=0.0)
            c1, c2, c3, c4 = _numbers(biases, 4)
            return TemperatureCalibrator(slope, (c1, c2, c3, c4))
        case {"kind": "isotonic", "curves": [q, r, s], **rest} if not rest:
            return IsotonicCalibrator((_curve(q), _curve(r), _curve(s)))
    raise BundleError(
        "a calibrator of no known kind", remedy="export the bundle again with this pcrnet"
    )


def _checked(logits: FloatArray) -> FloatArray:
    logits = np.asarray(logits, dtype=np.float64)
    if logits.ndim != 2 or logits.shape[1] != 3:
        raise ValueError(f"logits of shape {logits.shape}, expected (n, 3)")
    if not np.isfinite(logits).all():
        row = int(np.flatnonzero(~np.isfinite(logits).all(axis=1))[0])
        raise PredictionsError(f"row {row} of the logits is no finite number")
    return logits


def _curve(record: object) -> MonotoneCurve:
    match record:
        case {"logits": [_, *_] as logits, "probs": [_, *_] as probs, **rest} if not rest:
            knots = _numbers(logits, len(logits))
            levels = _numbers(probs, len(logits), minimum=0.0, maximum=1.0)
            if (np.diff(knots) <= 0).any() or (np.diff(levels) < 0).any():
                raise BundleError("a calibrator with a curve that falls")
            return MonotoneCurve(knots, levels)
    raise BundleError("a calibrator with a curve that has no knots")


def _numbers(
    values: object, count: int, minimum: float = -np.inf, maximum: float = np.inf
) -> tuple[float, ...]:
    if not isinstance(values, list | tuple) or len(values) != count:
        raise BundleError(f"a calibrator without the {count} numbers that belong there")
    if not all(
        isinstance(v, int | float) and np.isfinite(v) and minimum <= v <= maximum for v in values
    ):
        raise BundleError("a calibrator with a number out of range")
    return tuple(float(v) for v in values)

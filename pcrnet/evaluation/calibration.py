"""Calibrators of the joint outcome, fitted on inner logits; coherent before and after.

Shapes: n patients; logits (n, 3) are ℓ₁ for yT0, ℓ₂ for yN0 given yT0 = 1, ℓ₃ for yN0 given
yT0 = 0; cells (n, 4) are the probabilities of :data:`pcrnet.cohort.outcome.CELLS`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from scipy.special import expit, log_expit, log_softmax, logsumexp, softmax

from pcrnet.cohort.outcome import Head
from pcrnet.config import (
    CalibrationConfig,
    ChainCalibration,
    NoCalibration,
)
from pcrnet.errors import BundleError, PredictionsError
from pcrnet.evaluation.arrays import BoolArray, FloatArray
from pcrnet.evaluation.newton import Derivatives, minimise

_STARTING_SLOPES = (1.0, 0.1, 3.0)
"""Per spread of the logits. Partly known outcomes make a mixture, which may have several optima."""

_TIGHTEST_TIE = 1e-3
"""Slopes tied closer than this, per spread of the logits, are equal; the fit stays well posed."""


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
    """softmax(log p / T + β) over the four cells (Alexandari, Kundaje & Shrikumar 2020)."""

    inverse_temperature: float
    biases: tuple[float, float, float, float]

    def cells(self, logits: FloatArray) -> FloatArray:
        """Calibrated probabilities (n, 4) of the cells."""
        log_prob = _log_cells(_checked(logits))
        return np.asarray(softmax(self.inverse_temperature * log_prob + self.biases, axis=1))

    def to_dict(self) -> dict[str, Any]:
        """``kind``, ``inverse_temperature`` and ``biases``."""
        return {
            "kind": "temperature",
            "inverse_temperature": self.inverse_temperature,
            "biases": list(self.biases),
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
    """Fit the calibrator of ``config`` by penalised maximum likelihood.

    The likelihood of a patient is the probability of the cells that agree with what is known of
    her outcome, so partly known outcomes contribute their marginal and unknown ones nothing.
    The fit is deterministic and converges to a gradient of 1e-8.

    Args:
        config: ``evaluation.calibration``.
        logits: (n, 3) logits of models that never saw these patients, averaged over the ensemble.
        allowed: (n, 4) cells that agree with each outcome (``Outcome.allowed_cells``).

    Raises:
        PredictionsError: A logit is no finite number, an outcome contradicts itself, or no outcome
            is known.
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
    if isinstance(config, ChainCalibration):
        return _fit_chain(logits, allowed, config.shrinkage)
    return _fit_temperature(logits, allowed)


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
    raise BundleError(
        "a calibrator of no known kind", remedy="export the bundle again with this pcrnet"
    )


def _fit_chain(logits: FloatArray, allowed: BoolArray, shrinkage: float) -> ChainCalibrator:
    """Six parameters: slopes a, and the calibrated logits c at the patients' mean logits.

    Minus log likelihood + ½((a₂−a₁)/shrinkage)² + ½((a₃−a₁)/shrinkage)² and log-F(1, 1) priors
    (Greenland & Mansournia 2015, Stat Med 34:3133) on each c and on a₁ times the spread of ℓ₁:
    each weighs like one further patient, half responder and half not, so it fades with n, ignores
    the scale of the logits, and keeps the fit finite with nine patients or one class.
    """
    mean, spread = logits.mean(axis=0), _spread(logits[:, 0])
    # In units of the spread the parameters are of the order of 1, whatever the network's scale.
    centred = (logits - mean) / spread
    design = np.stack([centred, np.ones_like(centred)])
    ties = np.array([[-1.0, 1.0, 0.0, 0.0, 0.0, 0.0], [-1.0, 0.0, 1.0, 0.0, 0.0, 0.0]])
    ties /= max(shrinkage * spread, _TIGHTEST_TIE)
    drawn = np.array([0, 3, 4, 5])

    def objective(parameters: FloatArray) -> Derivatives:
        a, c = parameters[:3], parameters[3:]
        value, slope, curvature = _chain_likelihood(a * centred + c, allowed)
        gradient = np.einsum("dnk,nk->dk", design, slope).ravel()
        hessian = np.einsum("dnk,enl,nkl->dkel", design, design, curvature).reshape(6, 6)
        prior, prior_slope, prior_curvature = _log_f_prior(parameters[drawn])
        gradient[drawn] += prior_slope
        hessian[drawn, drawn] += prior_curvature
        gap = ties @ parameters
        value += float(prior.sum() + gap @ gap / 2)
        return value, gradient + ties.T @ gap, hessian + ties.T @ ties

    lower = np.array([0.0, 0.0, 0.0, -np.inf, -np.inf, -np.inf])
    starts = [np.array([slope] * 3 + [0.0] * 3) for slope in _STARTING_SLOPES]
    best = minimise(objective, starts, lower)
    a = best[:3] / spread
    b = best[3:] - a * mean
    return ChainCalibrator(
        (float(a[0]), float(a[1]), float(a[2])), (float(b[0]), float(b[1]), float(b[2]))
    )


def _chain_likelihood(
    logits: FloatArray, allowed: BoolArray
) -> tuple[float, FloatArray, FloatArray]:
    """Minus log likelihood, its gradient (n, 3) and Hessian (n, 3, 3) in each patient's logits.

    π, ρ and υ are the probabilities of yT0, of yN0 given yT0 = 1 and of yN0 given yT0 = 0 after
    what is known has been taken into account; q, r and s are the same before.
    """
    q, r, s = expit(logits).T
    log_q, log_r, log_s = log_expit(logits).T
    log_not_q, log_not_r, log_not_s = log_expit(-logits).T
    with np.errstate(divide="ignore"):
        open_cell = np.log(allowed.astype(np.float64))
    given_1 = np.logaddexp(log_r + open_cell[:, 0], log_not_r + open_cell[:, 1])
    given_0 = np.logaddexp(log_s + open_cell[:, 2], log_not_s + open_cell[:, 3])
    log_likelihood = np.logaddexp(log_q + given_1, log_not_q + given_0)
    pi = np.exp(log_q + given_1 - log_likelihood)
    rho = _posterior(log_r, allowed[:, 0], given_1)
    upsilon = _posterior(log_s, allowed[:, 2], given_0)
    pull = np.stack([pi - q, pi * (rho - r), (1 - pi) * (upsilon - s)], axis=1)
    hessian = pull[:, :, None] * pull[:, None, :]
    hessian[:, 0, 0] -= (1 - 2 * q) * pull[:, 0]
    hessian[:, 1, 1] -= (1 - 2 * r) * pull[:, 1]
    hessian[:, 2, 2] -= (1 - 2 * s) * pull[:, 2]
    for k, mixed in ((1, -(1 - q) * pull[:, 1]), (2, q * pull[:, 2])):
        hessian[:, 0, k] += mixed
        hessian[:, k, 0] += mixed
    return float(-log_likelihood.sum()), -pull, hessian


def _posterior(log_prior: FloatArray, allowed: BoolArray, log_evidence: FloatArray) -> FloatArray:
    # Where no cell of the branch is allowed the value carries no weight, and 0 will do.
    possible = allowed & np.isfinite(log_evidence)
    return np.where(possible, np.exp(log_prior - np.where(possible, log_evidence, 0.0)), 0.0)


def _fit_temperature(logits: FloatArray, allowed: BoolArray) -> TemperatureCalibrator:
    """Inverse temperature a ≥ 0 and biases, the last cell's being 0 at the mean log probability.

    Minus log likelihood, one further patient at the mean spread evenly over the cells, and a
    log-F(1, 1) prior on a times the spread of the log probabilities within a cell.
    """
    log_prob = _log_cells(logits)
    mean = log_prob.mean(axis=0)
    spread = _spread(log_prob)
    centred = (log_prob - mean) / spread
    # The derivative of the four scores by (a, c₁, c₂, c₃), for each patient.
    design = np.zeros((len(logits), 4, 4))
    design[:, :, 0] = centred
    design[:, :3, 1:] = np.eye(3)

    def objective(parameters: FloatArray) -> Derivatives:
        score = design @ parameters
        inside = np.where(allowed, score, -np.inf)
        value = float((logsumexp(score, axis=1) - logsumexp(inside, axis=1)).sum())
        before, after = softmax(score, axis=1), softmax(inside, axis=1)
        gradient = np.einsum("ncp,nc->p", design, before - after)
        curvature = _softmax_curvature(before) - _softmax_curvature(after)
        hessian = np.einsum("ncp,ncd,ndq->pq", design, curvature, design)
        at_mean = np.append(parameters[1:], 0.0)
        value += float(-log_softmax(at_mean).mean())
        mean_cells = softmax(at_mean)
        gradient[1:] += mean_cells[:3] - 0.25
        hessian[1:, 1:] += _softmax_curvature(mean_cells[None])[0][:3, :3]
        prior, prior_slope, prior_curvature = _log_f_prior(parameters[:1])
        gradient[:1] += prior_slope
        hessian[0, 0] += prior_curvature[0]
        return value + float(prior[0]), gradient, hessian

    lower = np.array([0.0, -np.inf, -np.inf, -np.inf])
    starts = [np.array([slope, 0.0, 0.0, 0.0]) for slope in _STARTING_SLOPES]
    best = minimise(objective, starts, lower)
    slope = float(best[0]) / spread
    c1, c2, c3, c4 = (float(bias) for bias in np.append(best[1:], 0.0) - slope * mean)
    return TemperatureCalibrator(slope, (c1, c2, c3, c4))


def _spread(values: FloatArray) -> float:
    # Values that differ by rounding alone are constant, and a constant has no scale.
    spread = float(np.sqrt(np.mean((values - values.mean(axis=0)) ** 2)))
    return spread if spread > 1e-9 * float(np.abs(values).max()) else 1.0


def _softmax_curvature(prob: FloatArray) -> FloatArray:
    return prob[:, :, None] * np.eye(4) - prob[:, :, None] * prob[:, None, :]


def _log_f_prior(x: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """−log of the log-F(1, 1) density up to a constant, with its first two derivatives."""
    p = np.asarray(expit(x))
    return -np.asarray(log_expit(-x)) - x / 2, p - 0.5, p * (1 - p)


def _log_cells(logits: FloatArray) -> FloatArray:
    log_q, log_r, log_s = log_expit(logits).T
    log_not_q, log_not_r, log_not_s = log_expit(-logits).T
    return np.stack(
        [log_q + log_r, log_q + log_not_r, log_not_q + log_s, log_not_q + log_not_s], axis=1
    )


def _checked(logits: FloatArray) -> FloatArray:
    logits = np.asarray(logits, dtype=np.float64)
    if logits.ndim != 2 or logits.shape[1] != 3:
        raise ValueError(f"logits of shape {logits.shape}, expected (n, 3)")
    if not np.isfinite(logits).all():
        row = int(np.flatnonzero(~np.isfinite(logits).all(axis=1))[0])
        raise PredictionsError(f"row {row} of the logits is no finite number")
    return logits


def _numbers(values: object, count: int, minimum: float = -np.inf) -> tuple[float, ...]:
    if not isinstance(values, list | tuple) or len(values) != count:
        raise BundleError(f"a calibrator without the {count} numbers that belong there")
    if not all(isinstance(v, int | float) and np.isfinite(v) and v >= minimum for v in values):
        raise BundleError("a calibrator with a number out of range")
    return tuple(float(v) for v in values)

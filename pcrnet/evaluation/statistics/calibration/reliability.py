"""Calibration of one head: in the large, slope and intercept, and the smooth curve.

All refer to logit(p) of the predicted probability p of complete response. Perfect calibration has
intercept 0, slope 1 and the diagonal as its curve.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.optimize import brentq
from scipy.special import expit, log_expit, logit, ndtr

from pcrnet.evaluation.statistics.array_types import (
    CountArray,
    FloatArray,
    IntArray,
    in_blocks,
    why_undefined,
)
from pcrnet.evaluation.statistics.calibration.newton import Derivatives, minimise
from pcrnet.evaluation.statistics.curves import Curve
from pcrnet.evaluation.statistics.intervals import Estimate, normal_quantile

_SPAN = 2 / 3
"""Share of the patients that the smooth curve looks at, as R's ``lowess`` and ``val.prob``."""

_GRID_POINTS = 101
_FEWEST_FOR_A_CURVE = 10
_ERRORS_METHOD = "distance of the smooth curve, bootstrap percentiles less what chance adds"


def calibration_in_the_large(
    prob: FloatArray, label: FloatArray, confidence: float = 0.95, *, robust: bool = True
) -> Estimate:
    """Intercept α of logit P(y = 1) = α + logit(p): above 0 where response is underestimated.

    Wald's interval. Undefined with one class or with probabilities of exactly 0 or 1.

    Args:
        prob: (n,) probabilities.
        label: (n,) labels 0 and 1.
        confidence: Two-sided.
        robust: Take the variance from the residuals (Huber 1967; White 1982). That of the model,
            which R prints, holds where the slope is 1: with slope 2/3 it covers 92 % only.
    """
    method = f"logistic, offset logit(p), Wald{', robust' if robust else ''}"
    if reason := why_undefined(prob, label) or _why_no_logit(prob):
        return Estimate.undefined(reason, n=len(label), method=method)
    offset = logit(prob)
    intercept = _fit_intercept(offset, label)
    fitted = expit(offset + intercept)
    information = float(np.sum(fitted * (1 - fitted)))
    meat = float(np.sum((label - fitted) ** 2)) if robust else information
    # Probabilities so extreme that the fitted ones are all 0 or 1 carry no information.
    variance = meat / information**2 if information**2 > 0 else math.inf
    return _wald(intercept, variance, len(label), method, confidence)


def calibration_line(
    prob: FloatArray, label: FloatArray, confidence: float = 0.95
) -> tuple[Estimate, Estimate]:
    """Slope β and intercept α of logit P(y = 1) = α + β·logit(p) (Cox 1958), with Wald's intervals.

    A slope below 1 means predictions too extreme. Undefined with one class, with probabilities of
    exactly 0 or 1, with all probabilities equal and under perfect separation.

    Args:
        prob: (n,) probabilities in [0, 1].
        label: (n,) 0 or 1.
        confidence: Of the intervals, in (0, 1).

    Returns:
        Slope and intercept.
    """
    method = "logistic on logit(p), Wald"
    n = len(label)
    reason = why_undefined(prob, label) or _why_no_logit(prob) or _why_no_slope(prob, label)
    if reason:
        missing = Estimate.undefined(reason, n=n, method=method)
        return missing, missing
    fitted = _fit_line(logit(prob), label)
    if fitted is None:
        missing = Estimate.undefined("the logistic fit does not converge", n=n, method=method)
        return missing, missing
    coefficient, covariance = fitted
    slope, intercept = (
        _wald(coefficient[k], covariance[k, k], n, method, confidence) for k in (0, 1)
    )
    return slope, intercept


def spiegelhalter_test(prob: FloatArray, label: FloatArray) -> tuple[Estimate, Estimate]:
    """z and two-sided p of the hypothesis of perfect calibration (Spiegelhalter 1986).

    z is the Brier score less what it would be were every probability right, in standard errors.
    Undefined where every probability is 0, 1/2 or 1.

    Args:
        prob: (n,) probabilities in [0, 1].
        label: (n,) 0 or 1.

    Returns:
        z and p, neither with an interval.
    """
    method, n = "Spiegelhalter 1986, two-sided", len(label)
    reason = why_undefined(prob, label, classes=1)
    variance = 0.0 if reason else float(np.sum((1 - 2 * prob) ** 2 * prob * (1 - prob)))
    if reason or variance == 0.0:
        reason = reason or "every probability is 0, 1/2 or 1: the test has no variance"
        missing = Estimate.undefined(reason, n=n, method=method)
        return missing, missing
    z = float(np.sum((label - prob) * (1 - 2 * prob))) / math.sqrt(variance)
    p = float(2 * ndtr(-abs(z)))
    statistic, level = (
        Estimate(value, None, None, n, method, "a test: no interval") for value in (z, p)
    )
    return statistic, level


def smooth_calibration(
    prob: FloatArray, label: FloatArray, weights: CountArray, confidence: float = 0.95
) -> Curve | None:
    """The curve of :func:`smooth_calibration_with_errors` alone; probabilities and labels (n,)."""
    return smooth_calibration_with_errors(prob, label, weights, confidence)[0]


def smooth_calibration_with_errors(
    prob: FloatArray, label: FloatArray, weights: CountArray, confidence: float = 0.95
) -> tuple[Curve | None, dict[str, Estimate]]:
    """Observed share of response over the predicted probability, with its pointwise band.

    A local line with tricube weights over the nearest two thirds of the patients (Cleveland 1979;
    ``lowess`` without robustness steps), cut to [0, 1]; the band holds the bandwidths fixed.

    Args:
        prob: (n,) probabilities.
        label: (n,) labels 0 and 1.
        weights: (draws, n) how often each bootstrap draw holds each patient.
        confidence: Level of the band.

    Returns:
        The curve between the smallest and the largest prediction, or None where fewer than ten
        patients, one class or a single predicted probability say nothing about it; and ``ici``,
        ``e50`` and ``e90``: mean, median and 90 % quantile over the patients of the distance
        between curve and prediction (Austin & Steyerberg 2019, Stat Med 38:4051), with percentile
        intervals. A distance has no sign, so chance alone makes it larger than 0: what it adds is
        told by the draws, and taken from the lower limit twice.
    """
    constant = np.ptp(prob) == 0 if len(prob) else True
    if why_undefined(prob, label) or constant or len(prob) < _FEWEST_FOR_A_CURVE:
        reason = "no smooth calibration curve"
        missing = Estimate.undefined(reason, n=len(prob), method=_ERRORS_METHOD)
        return None, dict.fromkeys(("ici", "e50", "e90"), missing)
    grid = np.linspace(prob.min(), prob.max(), _GRID_POINTS)
    kernel = _tricube(grid[:, None] - prob, math.floor(_SPAN * len(prob) + 1e-10))
    curve = _local_line(grid, prob, label, kernel, np.ones((1, len(prob))))[0]
    draws = in_blocks(lambda block: _local_line(grid, prob, label, kernel, block), weights)
    tail = (1 - confidence) / 2
    nowhere = np.full(len(grid), np.nan)
    low, high = (
        np.nanquantile(draws, [tail, 1 - tail], axis=0) if len(draws) else (nowhere, nowhere)
    )
    place = _nearest(grid, prob)
    share = np.bincount(place, minlength=len(grid)) / len(prob)
    value = _distances(np.abs(curve - grid)[None], share)[0]
    distances = _distances(np.abs(draws - grid), share)
    errors = {
        name: _with_percentiles(float(value[k]), distances[:, k], len(prob), tail)
        for k, name in enumerate(("ici", "e50", "e90"))
    }
    return Curve(grid, curve, low, high), errors


def _with_percentiles(value: float, draws: FloatArray, n: int, tail: float) -> Estimate:
    draws = draws[np.isfinite(draws)]
    if not len(draws):
        return Estimate(value, None, None, n, _ERRORS_METHOD, "no interval: no draws")
    low, high = (float(limit) for limit in np.quantile(draws, [tail, 1 - tail]))
    # A draw lies further off than the sample by what chance adds, and so does the sample itself.
    by_chance = max(float(draws.mean()) - value, 0.0)
    low = max(min(low, value) - 2 * by_chance, 0.0)
    return Estimate(value, low, max(high, value), n, _ERRORS_METHOD)


def _nearest(grid: FloatArray, values: FloatArray) -> IntArray:
    """Place (n,) of the nearest point of an even grid."""
    step = float(grid[1] - grid[0])
    return np.asarray(np.rint((values - grid[0]) / step), dtype=np.int64)


def _distances(distance: FloatArray, share: FloatArray) -> FloatArray:
    """Mean, median and 90 % quantile (draws, 3) of distances (draws, points) by their shares."""
    order = np.argsort(distance, axis=1)
    ranked = np.take_along_axis(distance, order, axis=1)
    mass = np.cumsum(share[order], axis=1)
    at = [np.minimum((mass < level - 1e-12).sum(axis=1), len(share) - 1) for level in (0.5, 0.9)]
    rows = np.arange(len(distance))
    return np.stack([distance @ share, ranked[rows, at[0]], ranked[rows, at[1]]], axis=1)


def _tricube(distance: FloatArray, neighbours: int) -> FloatArray:
    distance = np.abs(distance)
    reach = np.partition(distance, neighbours - 1, axis=1)[:, neighbours - 1 : neighbours]
    # A hair wider, so that neighbours that are all equally far still count; where they coincide
    # with the grid point, they alone do.
    share = distance / np.maximum(reach * (1 + 1e-6), np.finfo(float).tiny)
    return np.where(share < 1, (1 - np.minimum(share, 1) ** 3) ** 3, 0.0)


def _local_line(
    grid: FloatArray, x: FloatArray, y: FloatArray, kernel: FloatArray, weights: FloatArray
) -> FloatArray:
    """Weighted local lines (draws, points) from a kernel (points, n) and weights (draws, n)."""
    centred = x - grid[:, None]
    mass, first, second, level, moment = (
        weights @ part.T
        for part in (
            kernel,
            kernel * centred,
            kernel * centred**2,
            kernel * y,
            kernel * centred * y,
        )
    )
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = level / mass
        variance = second / mass - (first / mass) ** 2
        slope = (moment / mass - first / mass * mean) / variance
        # Neighbours closer together than a thousandth of the range cannot carry a slope.
        steady = variance > (1e-3 * np.ptp(x)) ** 2
        line = np.where(steady, mean - np.where(steady, slope, 0.0) * first / mass, mean)
    return np.clip(line, 0.0, 1.0)


def _fit_intercept(offset: FloatArray, label: FloatArray) -> float:
    """The α at which the mean of expit(offset + α) is that of the labels, of both classes.

    The mean rises in α, and were every offset the largest (smallest) one, α would be the lower
    (upper) end of the bracket.
    """
    centre = float(logit(label.mean()))
    return float(
        brentq(
            lambda intercept: float(np.sum(expit(offset + intercept) - label)),
            centre - float(offset.max()) - 1.0,
            centre - float(offset.min()) + 1.0,
            xtol=1e-12,
        )
    )


def _fit_line(x: FloatArray, label: FloatArray) -> tuple[FloatArray, FloatArray] | None:
    """Slope and intercept (2,) of a logistic regression on ``x`` and their covariance (2, 2).

    None where Newton's method does not converge or the covariance does not exist.
    """
    # In units of its spread about its mean, so that no scale of x makes the fit ill-conditioned.
    mean, spread = float(x.mean()), float(x.std())
    design = np.column_stack([(x - mean) / spread, np.ones_like(x)])
    back = np.array([[1.0 / spread, 0.0], [-mean / spread, 1.0]])

    def objective(coefficient: FloatArray) -> Derivatives:
        score = design @ coefficient
        prob = np.asarray(expit(score))
        signed = np.where(label == 1, score, -score)
        hessian = (design * (prob * (1 - prob))[:, None]).T @ design
        return float(-log_expit(signed).sum()), design.T @ (prob - label), hessian

    try:
        coefficient = minimise(objective, [np.zeros(2)], np.full(2, -np.inf))
        covariance = np.linalg.inv(objective(coefficient)[2]).astype(np.float64)
    except (ArithmeticError, np.linalg.LinAlgError):
        return None
    return back @ coefficient, back @ covariance @ back.T


def _wald(value: float, variance: float, n: int, method: str, confidence: float) -> Estimate:
    if not 0.0 < variance < math.inf:
        reason = "no interval: the probabilities leave it without a finite variance"
        return Estimate(float(value), None, None, n, method, reason)
    half = normal_quantile(confidence) * math.sqrt(variance)
    return Estimate(float(value), float(value - half), float(value + half), n, method)


def _why_no_logit(prob: FloatArray) -> str | None:
    if ((prob <= 0.0) | (prob >= 1.0)).any():
        return "a probability of exactly 0 or 1 has no logit"
    return None


def _why_no_slope(prob: FloatArray, label: FloatArray) -> str | None:
    responders, others = prob[label == 1], prob[label == 0]
    if np.ptp(logit(prob)) == 0:
        return "all probabilities are equal: no slope"
    if others.max() <= responders.min() or responders.max() <= others.min():
        return "perfect separation: the slope is infinite"
    return None

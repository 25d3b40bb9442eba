"""Logistic ridge regression on labels that may be fractions, its penalty chosen on inner folds.

Shapes: n patients, p features (standardised; the intercept is added here and hardly penalised).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

FloatArray = NDArray[np.float64]

PENALTIES = tuple(float(value) for value in np.geomspace(3000.0, 1.0, 15))
"""From the heaviest to the lightest: each fit starts where the heavier one ended."""

INTERCEPT_PENALTY = 0.02
"""A trace of a prior on the intercept, which a lone class would send to infinity."""

_FLOOR = 0.02  # of the correlation: no feature is left out altogether
_STEPS = 50
_TOLERANCE = 1e-7


@dataclass(frozen=True, eq=False)
class Ridge:
    """A linear logit.

    Attributes:
        coefficients: (p,).
        intercept: Logit where every feature is at its mean.
    """

    coefficients: FloatArray
    intercept: float

    def logits(self, features: FloatArray) -> FloatArray:
        """Features (n, p) to logits (n,)."""
        return np.asarray(features @ self.coefficients + self.intercept)


def fit_path(
    features: FloatArray, labels: FloatArray, weights: FloatArray, penalties: Sequence[float]
) -> list[Ridge]:
    """Minimise Σ wᵢ·loss(yᵢ, β·xᵢ + β₀) + ½·penalty·|β|² + 0.01·β₀², by Newton steps.

    Args:
        features: (n, p).
        labels: (n,) in [0, 1]: the probability that the event took place.
        weights: (n,), not negative.
        penalties: From heavy to light.
    """
    design = np.column_stack([features, np.ones(len(features))])
    total = float(weights.sum())
    # Half an event and half a non-event: with one class alone the intercept stays finite.
    rate = (float(weights @ labels) + 0.5) / (total + 1.0)
    point = np.zeros(design.shape[1])
    point[-1] = np.log(rate / (1.0 - rate))
    path = []
    for penalty in penalties:
        point = _descend(point, design, labels, weights, penalty)
        path.append(Ridge(point[:-1].copy(), float(point[-1])))
    return path


def _descend(
    point: FloatArray,
    design: FloatArray,
    labels: FloatArray,
    weights: FloatArray,
    penalty: float,
) -> FloatArray:
    ridge = np.full(design.shape[1], penalty)
    ridge[-1] = INTERCEPT_PENALTY
    value = _objective(point, design, labels, weights, ridge)
    for _ in range(_STEPS):
        prob = expit(design @ point)
        gradient = design.T @ (weights * (prob - labels)) + ridge * point
        curvature = weights * prob * (1.0 - prob)
        hessian = (design.T * curvature) @ design + np.diag(ridge)
        step = np.linalg.solve(hessian, gradient)
        size = 1.0
        while size > 1e-6:
            trial = point - size * step
            new = _objective(trial, design, labels, weights, ridge)
            if new <= value:
                break
            size /= 2.0
        else:
            return point
        point, fall, value = trial, value - new, new
        if fall <= _TOLERANCE * (1.0 + abs(value)):
            break
    return point


def _objective(
    point: FloatArray,
    design: FloatArray,
    labels: FloatArray,
    weights: FloatArray,
    ridge: FloatArray,
) -> float:
    loss = weights @ losses(design @ point, labels)
    return float(loss + 0.5 * (ridge @ point**2))


def posterior_covariance(
    features: FloatArray,
    weights: FloatArray,
    logits: FloatArray,
    penalty: float,
    scale: FloatArray,
) -> FloatArray:
    """Covariance (p + 1, p + 1) of coefficients and, last, intercept: Laplace's approximation.

    A ridge is the mode of a posterior whose prior is Gaussian with the inverse penalty for a
    variance; the inverse of the curvature there is its covariance (MacKay, Neural Comput 1992;
    4:720).

    Args:
        features: (n, p).
        weights: (n,).
        logits: (n,) that the fit gives these patients.
        penalty: That of the fit.
        scale: (p,) the features were multiplied by; the covariance is of unscaled coefficients.
    """
    scale = np.append(scale, 1.0)
    scaled = np.column_stack([features, np.ones(len(features))]) * scale
    prob = expit(logits)
    curvature = weights * prob * (1.0 - prob)
    ridge = np.append(np.full(features.shape[1], penalty), INTERCEPT_PENALTY)
    hessian = (scaled.T * curvature) @ scaled + np.diag(ridge)
    return np.asarray(np.linalg.inv(hessian) * np.outer(scale, scale))


def losses(logits: FloatArray, labels: FloatArray) -> FloatArray:
    """Cross-entropy (n,) of logits with labels in [0, 1], in nats."""
    return np.asarray(np.logaddexp(0.0, logits) - labels * logits)


def relevance(
    features: FloatArray, labels: FloatArray, weights: FloatArray, power: float = 1.0
) -> FloatArray:
    """How much each feature (p,) says by itself: |r|^power with the labels, 1 in the mean square.

    Features are multiplied by it before they are fitted, which penalises what says little by
    itself the more: the adaptive ridge, with the correlation for the pilot estimate and the power
    for its γ (Zou, J Am Stat Assoc 2006; 101:1418, section 3, for the lasso). It is learned within
    each fit and each inner fold, and from nobody else.

    Args:
        features: (n, p).
        labels: (n,) in [0, 1].
        weights: (n,), not negative.
        power: 1 where many features say a little each, more where a few say nearly everything.
    """
    total = max(float(weights.sum()), 1e-12)
    event = labels - float(weights @ labels) / total
    centred = features - (weights @ features) / total
    covariance = np.abs((weights * event) @ centred)
    size = np.sqrt((weights @ centred**2) * float(weights @ event**2))
    correlation = np.where(size > 1e-12, covariance / np.maximum(size, 1e-12), 0.0)
    strength = (_FLOOR + correlation) ** power
    return np.asarray(strength / np.sqrt(np.mean(strength**2))) if len(strength) else strength


def fit_relevant(
    features: FloatArray,
    labels: FloatArray,
    weights: FloatArray,
    penalties: Sequence[float],
    scale: FloatArray,
) -> list[Ridge]:
    """As :func:`fit_path` on features times ``scale`` (p,), which is their :func:`relevance`."""
    path = fit_path(features * scale, labels, weights, penalties)
    return [Ridge(model.coefficients * scale, model.intercept) for model in path]


def choose_penalty(
    features: FloatArray,
    labels: FloatArray,
    weights: FloatArray,
    folds: Sequence[NDArray[np.int64]],
    power: float = 1.0,
) -> float:
    """The penalty with the least cross-validated loss, on those whose label is known.

    A label that is a fraction was guessed before there was a model: it would hide what the features
    say, and ask for a heavier penalty.

    Args:
        features: (n, p).
        labels: (n,) in [0, 1].
        weights: (n,).
        folds: Assignments (n,) to folds; the loss is averaged over all of them.
        power: Of the relevance.
    """
    sure = (labels == 0.0) | (labels == 1.0)
    features, labels, weights = features[sure], labels[sure], weights[sure]
    total = np.zeros(len(PENALTIES))
    for fold in (every[sure] for every in folds):
        for own in np.unique(fold):
            left = fold == own
            kept = features[~left], labels[~left], weights[~left]
            path = fit_relevant(*kept, PENALTIES, relevance(*kept, power))
            for index, model in enumerate(path):
                logits = model.logits(features[left])
                total[index] += float(weights[left] @ losses(logits, labels[left]))
    return float(PENALTIES[int(np.argmin(total))])

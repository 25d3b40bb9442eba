"""Penalised maximum likelihood of the calibrators, with exact derivatives.

Shapes: n patients; logits (n, 3); allowed (n, 4), the cells that agree with each known outcome, not
all four of them. Nothing is checked here.
"""

from __future__ import annotations

import numpy as np
from scipy.special import expit, log_expit, log_softmax, logsumexp, softmax

from pcrnet.cohort.outcome import RESPONSE_CELLS
from pcrnet.evaluation.statistics.array_types import BoolArray, FloatArray, IntArray
from pcrnet.evaluation.statistics.calibration.newton import Derivatives, minimise

_OF_HEADS = 0.95
"""Part of a patient's weight that goes to the probabilities which are reported."""

_STARTING_SLOPES = (1.0, 0.1, 3.0)
"""Per spread of the logits. Partly known outcomes make a mixture, which may have several optima."""

_CONSTANT = 1e-5
_TIGHTEST_TIE = 1e-3
"""Slopes tied closer than this, per spread of the logits, are equal; the fit stays well posed."""


def fit_chain(
    logits: FloatArray, allowed: BoolArray, shrinkage: float, prior_patients: float = 0.0
) -> tuple[FloatArray, FloatArray]:
    """Slopes a ≥ 0 and intercepts b, three each, of the chain.

    What is minimised over a and c, the calibrated logits at the patients' mean logits: minus a
    composite log likelihood + ½((a₂−a₁)/shrinkage)² + ½((a₃−a₁)/shrinkage)² + log-F(1, 1) priors
    (Greenland & Mansournia 2015, Stat Med 34:3133) on each c and on a₁ times the spread of ℓ₁. Each
    of these weighs like one further patient, half responder and half not, so it fades with n,
    ignores the scale of the logits, and keeps the fit finite with nine patients or one class.

    ``prior_patients`` adds for each slope a Gaussian prior of mean 1, the model's own slope, with
    as much information as so many patients would give of it. It fades with n, too; levels are free.

    The composite (Varin, Reid & Firth 2011, Stat Sinica 21:5) gives nineteen twentieths of a
    patient's weight to the probabilities of yT0, yN0 and yT0yN0, each scored on its own, in equal
    parts to those whose outcome is known, and the rest to the cell. Each of q, r and s uses one
    logit, and outcomes depend on all: fitted to the cells alone, each is the best of its kind, and
    the products of them that are reported are too timid. The six parameters had better suit what is
    reported, as far as they can.
    """
    which, allowed, weight = _scored(allowed)
    mean = logits.mean(axis=0)
    # In units of their spreads the slopes are of the order of 1, whatever the scale of a logit:
    # one of them may be constant but for a trace where another is not.
    spread = np.array([_spread(logits[:, k]) for k in range(3)])
    centred = (logits - mean) / spread
    moment = np.ascontiguousarray(centred[which].T)
    crossed = moment[:, None] * moment
    second, third = spread[0] / spread[1:]
    ties = np.array([[-1.0, second, 0.0, 0.0, 0.0, 0.0], [-1.0, 0.0, third, 0.0, 0.0, 0.0]])
    ties /= max(shrinkage * spread[0], _TIGHTEST_TIE)
    drawn = np.array([0, 3, 4, 5])
    strength = prior_patients * _information(logits, centred)

    def objective(parameters: FloatArray) -> Derivatives:
        a, c = parameters[:3], parameters[3:]
        value, slope, curvature = _chain_likelihood(a * centred + c, which, allowed, weight)
        gradient = np.concatenate([(moment * slope).sum(axis=1), slope.sum(axis=1)])
        of_both = (moment[:, None] * curvature).sum(axis=2)
        of_slopes, of_levels = (crossed * curvature).sum(axis=2), curvature.sum(axis=2)
        hessian = np.block([[of_slopes, of_both], [of_both.T, of_levels]])
        prior, prior_slope, prior_curvature = _log_f_prior(parameters[drawn])
        gradient[drawn] += prior_slope
        hessian[drawn, drawn] += prior_curvature
        gap = ties @ parameters
        value += float(prior.sum() + gap @ gap / 2)
        # A slope of 1 in the logits' own units.
        away = a - spread
        value += float(strength @ away**2 / 2)
        gradient[:3] += strength * away
        hessian[range(3), range(3)] += strength
        return value, gradient + ties.T @ gap, hessian + ties.T @ ties

    lower = np.array([0.0, 0.0, 0.0, -np.inf, -np.inf, -np.inf])
    # Each start has one slope in the logits' own units, and no logit beyond a few units.
    equal = spread / spread.max()
    starts = [np.append(slope * equal, np.zeros(3)) for slope in _STARTING_SLOPES]
    best = minimise(objective, starts, lower)
    slopes = best[:3] / spread
    return slopes, best[3:] - slopes * mean


def _information(logits: FloatArray, centred: FloatArray) -> FloatArray:
    """What one patient tells, on average, of the slope (3,) of each link, where the model is right.

    Fisher's information in the patients whom a link concerns, at the probabilities of the model.
    """
    prob = expit(logits.T)
    concerned = np.stack([np.ones(len(logits)), prob[0], 1.0 - prob[0]])
    return np.asarray((concerned * prob * (1.0 - prob) * centred.T**2).mean(axis=1))


def _scored(allowed: BoolArray) -> tuple[IntArray, BoolArray, FloatArray]:
    """Terms of the composite: patient (m,), the cells (m, 4) that agree, and weight (m,)."""
    known = [_agreeing(allowed, np.array(positive)) for positive in RESPONSE_CELLS.values()]
    told = np.array([~cells.all(axis=1) for cells in known])
    of_each = _OF_HEADS / np.maximum(told.sum(axis=0), 1)
    which = [np.flatnonzero(rows) for rows in told]
    everybody = np.arange(len(allowed))
    # What is known may tell no outcome of its own, such as that one of two cells is the right one.
    of_cells = np.where(told.any(axis=0), 1 - _OF_HEADS, 1.0)
    return (
        np.concatenate([*which, everybody]),
        np.concatenate([*(cells[at] for cells, at in zip(known, which, strict=True)), allowed]),
        np.concatenate([*(of_each[at] for at in which), of_cells]),
    )


def _agreeing(allowed: BoolArray, positive: BoolArray) -> BoolArray:
    """Cells (n, 4) that agree with one outcome alone; all of them where it is unknown."""
    may_be = np.any(allowed & positive, axis=1, keepdims=True)
    may_not_be = np.any(allowed & ~positive, axis=1, keepdims=True)
    return np.asarray((positive & may_be) | (~positive & may_not_be))


def _chain_likelihood(
    logits: FloatArray, which: IntArray, allowed: BoolArray, weight: FloatArray
) -> tuple[float, FloatArray, FloatArray]:
    """Minus log likelihood, its gradient (3, m) and Hessian (3, 3, m) in each term's logits.

    π, ρ and υ are the probabilities of yT0, of yN0 given yT0 = 1 and of yN0 given yT0 = 0 after
    what is known has been taken into account; q, r and s are the same before.
    """
    q, r, s = expit(logits.T)[:, which]
    log_q, log_r, log_s = log_expit(logits.T)[:, which]
    log_not_q, log_not_r, log_not_s = log_expit(-logits.T)[:, which]
    with np.errstate(divide="ignore"):
        open_cell = np.log(allowed.T.astype(np.float64))
    given_1 = np.logaddexp(log_r + open_cell[0], log_not_r + open_cell[1])
    given_0 = np.logaddexp(log_s + open_cell[2], log_not_s + open_cell[3])
    log_likelihood = np.logaddexp(log_q + given_1, log_not_q + given_0)
    pi = np.exp(log_q + given_1 - log_likelihood)
    rho = _posterior(log_r, allowed[:, 0], given_1)
    upsilon = _posterior(log_s, allowed[:, 2], given_0)
    pull = np.stack([pi - q, pi * (rho - r), (1 - pi) * (upsilon - s)])
    hessian = pull[:, None] * pull
    hessian[0, 0] -= (1 - 2 * q) * pull[0]
    hessian[1, 1] -= (1 - 2 * r) * pull[1]
    hessian[2, 2] -= (1 - 2 * s) * pull[2]
    for k, mixed in ((1, -(1 - q) * pull[1]), (2, q * pull[2])):
        hessian[0, k] += mixed
        hessian[k, 0] += mixed
    return float(-(weight @ log_likelihood)), -pull * weight, hessian * weight


def _posterior(log_prior: FloatArray, allowed: BoolArray, log_evidence: FloatArray) -> FloatArray:
    # Where no cell of the branch is allowed the value carries no weight, and 0 will do.
    possible = allowed & np.isfinite(log_evidence)
    return np.where(possible, np.exp(log_prior - np.where(possible, log_evidence, 0.0)), 0.0)


def fit_temperature(logits: FloatArray, allowed: BoolArray) -> tuple[float, FloatArray]:
    """Inverse temperature a ≥ 0 and the four biases, the last being 0 at the mean log probability.

    What is minimised: minus log likelihood, one further patient at the mean spread evenly over the
    cells, and a log-F(1, 1) prior on a times the spread of the log probabilities within a cell.
    """
    log_prob = log_cells(logits)
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
    return slope, np.append(best[1:], 0.0) - slope * mean


def _spread(values: FloatArray) -> float:
    # Values that differ by rounding alone are constant, and a constant has no scale; nor has a
    # logit that differs by less than what any probability is told with.
    spread = float(np.sqrt(np.mean((values - values.mean(axis=0)) ** 2)))
    return spread if spread > max(1e-9 * float(np.abs(values).max()), _CONSTANT) else 1.0


def _softmax_curvature(prob: FloatArray) -> FloatArray:
    return prob[:, :, None] * np.eye(4) - prob[:, :, None] * prob[:, None, :]


def _log_f_prior(x: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """−log of the log-F(1, 1) density up to a constant, with its first two derivatives."""
    p = np.asarray(expit(x))
    return -np.asarray(log_expit(-x)) - x / 2, p - 0.5, p * (1 - p)


def log_cells(logits: FloatArray) -> FloatArray:
    """Log probabilities (n, 4) of the cells from logits (n, 3), finite however extreme they are."""
    log_q, log_r, log_s = log_expit(logits).T
    log_not_q, log_not_r, log_not_s = log_expit(-logits).T
    return np.stack(
        [log_q + log_r, log_q + log_not_r, log_not_q + log_s, log_not_q + log_not_s], axis=1
    )

"""Isotonic regression along the chain: a monotone curve for each of q, r and s.

Shapes: n patients; logits (n, 3); allowed (n, 4), the cells that agree with each known outcome.
The curves are q = P(yT0 | ℓ₁), r = P(yN0 | yT0 = 1, ℓ₂) and s = P(yN0 | yT0 = 0, ℓ₃).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import isotonic_regression

from pcrnet.evaluation.statistics.array_types import BoolArray, FloatArray

FEWEST_PATIENTS = 500
"""Patients behind each curve below which isotonic regression is refused: with fewer it loses to the
chain even where the chain's shape is wrong (``benchmarks/calibrators.py``)."""

_CONDITIONS = ("yT0 is known", "yN0 is known and yT0 is 1", "yN0 is known and yT0 is 0")


@dataclass(frozen=True)
class MonotoneCurve:
    """A probability that never falls as the logit rises: linear between knots, flat outside them.

    Attributes:
        logits: Knots, rising.
        probs: Probability at each knot, strictly between 0 and 1, rising or equal.
    """

    logits: tuple[float, ...]
    probs: tuple[float, ...]

    def __call__(self, logit: FloatArray) -> FloatArray:
        """Probabilities (n,) at logits (n,)."""
        return np.interp(logit, self.logits, self.probs)


def curve_sizes(allowed: BoolArray) -> tuple[tuple[str, int], ...]:
    """For each curve, what must be known of a patient who carries it, and how many such there are.

    A patient carries a curve when the outcome decides its event; the mixtures that a partly known
    outcome makes carry none.

    Args:
        allowed: (n, 4) cells of the joint outcome that are possible for each patient.
    """
    return tuple(
        (condition, int(carries.sum()))
        for condition, (carries, _) in zip(_CONDITIONS, _events(allowed), strict=True)
    )


def fit_isotonic(
    logits: FloatArray, allowed: BoolArray
) -> tuple[MonotoneCurve, MonotoneCurve, MonotoneCurve]:
    """The three curves, each by pooling adjacent violators (Zadrozny & Elkan 2002, KDD:694).

    Each is mixed with one further patient, half responder and half not, wherever it may lie, so
    that no probability is 0 or 1.

    Args:
        logits: (n, 3) logits of patients left out of the fits.
        allowed: (n, 4); at least one patient carries each curve.
    """
    q, r, s = (
        _fit_curve(logits[carries, k], event[carries])
        for k, (carries, event) in enumerate(_events(allowed))
    )
    return q, r, s


def _events(allowed: BoolArray) -> tuple[tuple[BoolArray, BoolArray], ...]:
    """For each curve the patients (n,) that carry it, and in whom its event happened."""
    both, breast_only, nodes_only, neither = allowed.T
    free, residual = both | breast_only, nodes_only | neither
    return (
        (free != residual, free),
        (~residual & (both != breast_only), both),
        (~free & (nodes_only != neither), nodes_only),
    )


def _fit_curve(logit: FloatArray, event: BoolArray) -> MonotoneCurve:
    knots, index, counts = np.unique(logit, return_inverse=True, return_counts=True)
    rates = np.bincount(index, weights=event.astype(np.float64)) / counts
    fitted = isotonic_regression(rates, weights=counts).x
    smoothed = (len(logit) * fitted + 0.5) / (len(logit) + 1)
    # The ends of each level say all that the knots between them do.
    changes = np.diff(fitted) != 0
    ends = np.append(True, changes) | np.append(changes, True)
    return MonotoneCurve(tuple(knots[ends].tolist()), tuple(smoothed[ends].tolist()))

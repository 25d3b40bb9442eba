"""What the mean of several models would have said where only one model may speak.

An outer fold is predicted by the mean of K − 1 models, but each inner logit comes from the only one
that saw neither the outer fold nor the patient's. A single logit carries the noise of its fit, of
which a mean keeps a part: a calibrator fitted to single logits takes that noise for weak signal
(regression dilution; Frost & Thompson, J R Stat Soc A 2000;163:173) and makes the mean too timid,
and a threshold set for a sensitivity of 0.90 reaches more than that and gives away specificity.
So inner logits are drawn towards the mean of their outcome until they spread as means would.

Shapes: n patients, K folds, 3 logits, 4 outcome cells.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
Logits = Mapping[tuple[int, ...], FloatArray]
"""Folds left out by a fit to its logits (n, 3), NaN where the fit has none."""


def noise_without(outer: int, fold: NDArray[np.int64], logits: Logits) -> FloatArray | None:
    """Variance (3,) that the fit adds to a logit, from models that saw nothing of a fold.

    Two models that left out the outer fold and the patient's own share their signal, not their
    noise: it is the variance of one less its covariance with the other.

    Args:
        outer: The outer fold.
        fold: (n,) fold of each patient.
        logits: Of the fits that leave out two and three folds.

    Returns:
        None where no fit leaves out the outer fold and two others.
    """
    found = [
        _noise(logits[_key(outer, inner)][fold == inner], logits[triple][fold == inner])
        for triple in logits
        if len(triple) == 3 and outer in triple
        for inner in triple
        if inner != outer
    ]
    return _mean_noise(found) if found else None


def noise_of_all(fold: NDArray[np.int64], logits: Logits) -> FloatArray | None:
    """As :func:`noise_without` for the models that ship, which may learn from every fold.

    Args:
        fold: (n,) fold of each patient.
        logits: Of the fits that leave out one, two and three folds.

    Returns:
        None where :func:`noise_without` gives None too, so that what ships is what was judged.
    """
    if not any(len(left_out) == 3 for left_out in logits):
        return None
    folds = range(int(fold.max()) + 1)
    found = [
        _noise(logits[(own,)][fold == own], logits[_key(own, other)][fold == own])
        for own in folds
        for other in folds
        if other != own
    ]
    return _mean_noise(found)


def as_averaged(
    logits: FloatArray, allowed: NDArray[np.bool_], noise: FloatArray, models: int
) -> FloatArray:
    """Logits (n, 3) of single models, as the mean of ``models`` such models would spread.

    Within each outcome cell the variance shrinks by noise · (1 − 1/models), and the mean stays.
    Patients whose cell is not known are drawn to the mean of all.

    Args:
        logits: (n, 3), each of one model that never saw the patient.
        allowed: (n, 4) cells that agree with what is known of the outcome.
        noise: (3,) variance that a single fit adds.
        models: How many models the mean is taken over.
    """
    known = allowed.sum(axis=1) == 1
    centre = np.broadcast_to(logits.mean(axis=0), logits.shape).copy()
    cells = [known & allowed[:, cell] for cell in range(allowed.shape[1])]
    for inside in cells:
        if inside.any():
            centre[inside] = logits[inside].mean(axis=0)
    freedom = int(known.sum()) - sum(bool(inside.any()) for inside in cells)
    if freedom < 1:
        return logits
    within = ((logits - centre)[known] ** 2).sum(axis=0) / freedom
    kept = 1.0 - noise * (1.0 - 1.0 / models) / np.maximum(within, np.finfo(float).tiny)
    # A mean of n models keeps at least an nth of the variance, however large the noise seems.
    factor = np.sqrt(np.clip(kept, 1.0 / models, 1.0))
    return np.asarray(centre + (logits - centre) * factor)


def _noise(own: FloatArray, other: FloatArray) -> FloatArray:
    """Variance of ``own`` (m, 3) less its covariance with ``other``, logit by logit."""
    centred = own - own.mean(axis=0)
    covariance = (centred * (other - other.mean(axis=0))).sum(axis=0)
    return np.asarray(((centred**2).sum(axis=0) - covariance) / max(1, len(own) - 1))


def _mean_noise(found: Sequence[FloatArray]) -> FloatArray:
    # Where fits agree, chance can make the covariance the larger one.
    return np.asarray(np.maximum(np.mean(found, axis=0), 0.0))


def _key(first: int, second: int) -> tuple[int, int]:
    return (min(first, second), max(first, second))

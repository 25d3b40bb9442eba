"""Calibration error without bins, judged against what a perfect model would show.

Smooth ECE (Błasiok & Nakkiran 2023, arXiv:2309.12236): the residuals y − p are smoothed over p by a
Gaussian kernel of width σ, reflected at 0 and 1, and averaged in absolute value; the σ that equals
the error it gives is the smooth ECE. No calibration error has expectation 0 in a finite sample, so
its null band is drawn: the same predictions with outcomes that follow them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.fft import dct

from pcrnet.evaluation.statistics.array_types import BLOCK_ELEMENTS, FloatArray, why_undefined
from pcrnet.evaluation.statistics.intervals import Estimate

_MODES = 256
"""Cosine modes and points of the unit interval; they resolve kernels down to σ = 0.008."""

_HALVINGS = 16


@dataclass(frozen=True)
class SmoothEce:
    """Smooth ECE beside its null band.

    Attributes:
        error: The smooth ECE; it has no interval, since resampling adds to it what noise adds.
        null: Mean and central band of the smooth ECE that a perfectly calibrated model shows.
        p: Share of such models that show at least this error (one added to both counts).
    """

    error: Estimate
    null: Estimate
    p: float | None


@dataclass(frozen=True)
class BinnedEce:
    """Binned calibration error; never without its warning.

    Attributes:
        value: Mean (l1), root mean square (l2) or largest (max) distance of rate and mean
            prediction over equal-width bins.
        expected: What a perfectly calibrated model of the same predictions shows on average (l1).
        warning: Why the value cannot be read as it stands.
    """

    value: float
    expected: float
    warning: str


def smooth_ece(
    prob: FloatArray,
    label: FloatArray,
    *,
    draws: int,
    generator: np.random.Generator,
    confidence: float = 0.95,
) -> SmoothEce:
    """Smooth ECE of (n,) probabilities with the null band of ``draws`` simulated outcomes."""
    method = "smooth ECE, fixed point"
    null_method = f"smooth ECE of a perfectly calibrated model, {draws} draws"
    n = len(label)
    if reason := why_undefined(prob, label, classes=1):
        return SmoothEce(
            Estimate.undefined(reason, n=n, method=method),
            Estimate.undefined(reason, n=n, method=null_method),
            None,
        )
    spectrum = np.cos(np.pi * np.arange(_MODES) * prob[:, None]) / n
    error = float(_fixed_points((label - prob)[None] @ spectrum)[0])
    if not draws:
        reason = "no draws were asked for"
        return SmoothEce(
            Estimate(error, None, None, n, method, reason),
            Estimate.undefined(reason, n=n, method=null_method),
            None,
        )
    block = max(1, BLOCK_ELEMENTS // n)
    sizes = [min(block, draws - start) for start in range(0, draws, block)]
    simulated = ((generator.random((rows, n)) < prob) - prob for rows in sizes)
    null = _fixed_points(np.concatenate([outcomes @ spectrum for outcomes in simulated]))
    tail = (1 - confidence) / 2
    low, high = np.quantile(null, [tail, 1 - tail])
    return SmoothEce(
        Estimate(error, None, None, n, method, "no interval: compare with the null band"),
        Estimate(float(null.mean()), float(low), float(high), n, null_method),
        float((1 + (null >= error).sum()) / (draws + 1)),
    )


def binned_ece(
    prob: FloatArray, label: FloatArray, bins: int = 15, norm: Literal["l1", "l2", "max"] = "l1"
) -> BinnedEce:
    """Expected calibration error over equal-width bins (Naeini, Cooper & Hauskrecht 2015).

    Args:
        prob: (n,) probabilities in [0, 1].
        label: (n,) 0 or 1.
        bins: How many of equal width.
        norm: Of the bins' errors: weighted mean, root of the weighted mean square, or the largest.

    Raises:
        ValueError: Scores or labels are not what they should be.
    """
    if reason := why_undefined(prob, label, classes=1):
        raise ValueError(reason)
    index = np.minimum((prob * bins).astype(np.int64), bins - 1)
    share = np.bincount(index, minlength=bins) / len(prob)
    filled = share > 0
    gap = np.abs(np.bincount(index, weights=label - prob, minlength=bins))[filled]
    gap /= len(prob) * share[filled]
    value = {
        "l1": float(share[filled] @ gap),
        "l2": math.sqrt(float(share[filled] @ gap**2)),
        "max": float(gap.max()),
    }[norm]
    # The residuals of a bin are close to normal, and E|N(0, v)| = √(2v/π).
    variance = np.bincount(index, weights=prob * (1 - prob), minlength=bins)
    expected = float(np.sqrt(2 / np.pi * variance).sum()) / len(prob)
    warning = (
        f"binned: a perfectly calibrated model would show about {expected:.3f} "
        f"with {bins} bins and {len(prob)} patients"
    )
    return BinnedEce(value, expected, warning)


def _fixed_points(coefficients: FloatArray) -> FloatArray:
    """The σ at which each row's smoothed residual has mean absolute value σ; (rows,).

    The reflected Gaussian kernel is the heat kernel of the unit interval: it multiplies the k-th
    cosine coefficient by exp(−(πkσ)²/2). The error falls as σ grows, so bisection finds the point.
    """
    order = np.pi * np.arange(_MODES)
    low, high = np.zeros(len(coefficients)), np.ones(len(coefficients))
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        smoothed = dct(coefficients * np.exp(-((order * middle[:, None]) ** 2) / 2), type=3)
        too_narrow = np.abs(smoothed).mean(axis=1) > middle
        low, high = np.where(too_narrow, middle, low), np.where(too_narrow, high, middle)
    return (low + high) / 2

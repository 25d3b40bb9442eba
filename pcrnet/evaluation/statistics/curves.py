"""ROC and precision-recall curves with pointwise bootstrap bands, all draws at once.

Letters: n patients, B draws, T points of the grid.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pcrnet.evaluation.statistics.array_types import (
    BLOCK_ELEMENTS,
    BoolArray,
    CountArray,
    FloatArray,
    IntArray,
    in_blocks,
)

GRID: FloatArray = np.linspace(0.0, 1.0, 101)
"""False positive rates (ROC) and recalls (precision-recall) at which curves are evaluated."""


@dataclass(frozen=True)
class Curve:
    """A curve with its pointwise band; arrays of shape ``(T,)``."""

    x: FloatArray
    y: FloatArray
    low: FloatArray
    high: FloatArray


def draw_weights(n: int, draws: int, seed: int) -> CountArray:
    """Bootstrap draws as counts: how often each draw holds each patient, shape ``(draws, n)``.

    One matrix serves every curve and every head of a report, so that their bands belong together.
    """
    generator = np.random.default_rng(seed)
    shares = np.full(n, 1.0 / n)
    counts = np.empty((draws, n), dtype=np.uint16)
    block = max(1, BLOCK_ELEMENTS // max(n, 1))
    for start in range(0, draws, block):
        rows = counts[start : start + block]
        rows[:] = generator.multinomial(n, shares, size=len(rows))
    return counts


def roc_curve(
    responder: BoolArray,
    score: FloatArray,
    fold: IntArray,
    weights: CountArray,
    *,
    confidence: float = 0.95,
) -> Curve:
    """Sensitivity over the false positive rate, averaged over the folds.

    Scores of different folds come from different models and are never ranked against each other:
    the curve is the mean of the folds' curves, each weighted by its number of pairs of a responder
    and a non-responder. The area below it is the AUC over within-fold pairs.

    Args:
        responder: Shape ``(n,)``; at least one fold must hold both classes.
        score: Shape ``(n,)``; higher means response.
        fold: Shape ``(n,)``; all equal for one external test set.
        weights: Shape ``(B, n)``, from :func:`draw_weights`.
        confidence: Level of the pointwise band.
    """
    everyone = np.ones((1, responder.size))
    point = _mean_roc(responder, score, fold, everyone)[0]
    draws = in_blocks(lambda block: _mean_roc(responder, score, fold, block), weights)
    low, high = pointwise_band(draws, confidence)
    return Curve(GRID, point, low, high)


def precision_recall_curve(
    responder: BoolArray, prob: FloatArray, weights: CountArray, *, confidence: float = 0.95
) -> Curve:
    """Precision (PPV) over recall (sensitivity) of calibrated probabilities, pooled over folds.

    Precision depends on how common response is, so folds cannot be averaged as in the ROC; the
    probabilities are calibrated fold by fold, which makes pooling them defensible.

    Args:
        responder: Shape ``(n,)``, with at least one True.
        prob: Shape ``(n,)``.
        weights: Shape ``(B, n)``, from :func:`draw_weights`.
        confidence: Level of the pointwise band.
    """
    point = _precision(responder, prob, np.ones((1, responder.size)))[0]
    draws = in_blocks(lambda block: _precision(responder, prob, block), weights)
    low, high = pointwise_band(draws, confidence)
    return Curve(GRID, point, low, high)


def pointwise_band(draws: FloatArray, confidence: float) -> tuple[FloatArray, FloatArray]:
    """Percentiles of curves ``(B, T)``; draws in which the curve does not exist (NaN) are left out.

    In tiny samples a draw may hold one class only. Without draws the band is NaN.
    """
    if not len(draws):
        nowhere = np.full(draws.shape[1], np.nan)
        return nowhere, nowhere
    exists = ~np.isnan(draws).any(axis=1)
    tail = (1.0 - confidence) / 2.0
    low, high = np.quantile(draws[exists], [tail, 1.0 - tail], axis=0)
    return low, high


def _mean_roc(
    responder: BoolArray, score: FloatArray, fold: IntArray, weights: FloatArray
) -> FloatArray:
    """Mean ROC of each draw, shape ``(B, T)``; NaN where no fold of a draw holds both classes."""
    total = np.zeros((weights.shape[0], GRID.size))
    pairs = np.zeros((weights.shape[0], 1))
    for label in np.unique(fold):
        inside = fold == label
        hits, alarms = _cumulative(responder[inside], score[inside], weights[:, inside])
        positives, negatives = hits[:, -1:], alarms[:, -1:]
        share = positives * negatives
        rates = alarms / np.maximum(negatives, 1.0)
        last = _last_at_most(rates, GRID)
        sensitivity = np.take_along_axis(hits, last, axis=1) / np.maximum(positives, 1.0)
        total += share * sensitivity
        pairs += share
    return np.where(pairs > 0, total / np.maximum(pairs, 1.0), np.nan)


def _precision(responder: BoolArray, prob: FloatArray, weights: FloatArray) -> FloatArray:
    """Precision of each draw at each recall, shape ``(B, T)``; NaN in draws without responders."""
    hits, alarms = _cumulative(responder, prob, weights)
    positives = hits[:, -1:]
    recall = hits / np.maximum(positives, 1.0)
    # The first point of the ranking at which the recall is reached; at 0 the first responder.
    wanted = np.maximum(GRID - 1e-9, 1e-9)
    first = np.minimum(_last_at_most(recall, wanted) + 1, hits.shape[1] - 1)
    found = np.take_along_axis(hits, first, axis=1)
    called = found + np.take_along_axis(alarms, first, axis=1)
    return np.where(positives > 0, found / np.maximum(called, 1.0), np.nan)


def _cumulative(
    responder: BoolArray, score: FloatArray, weights: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """True and false positives when the cut-off falls, shape ``(B, distinct scores + 1)``."""
    order = np.argsort(-score, kind="stable")
    # Tied patients are called together: only the last of each tie is a point of the curve.
    ends = np.append(np.flatnonzero(np.diff(score[order])), score.size - 1)
    ranked, positive = weights[:, order], responder[order]
    start = np.zeros((weights.shape[0], 1))
    hits = np.cumsum(ranked * positive, axis=1)[:, ends]
    alarms = np.cumsum(ranked * ~positive, axis=1)[:, ends]
    return np.hstack([start, hits]), np.hstack([start, alarms])


def _last_at_most(rates: FloatArray, grid: FloatArray) -> IntArray:
    """Index of the last rate ≤ each grid point, row by row; rates rise from 0 to at most 1."""
    rows = 2.0 * np.arange(rates.shape[0])[:, None]
    # One search over all rows: each row is shifted into an interval of its own.
    found = np.searchsorted((rates + rows).ravel(), (grid + 1e-12 + rows).ravel(), side="right")
    offset = np.arange(rates.shape[0])[:, None] * rates.shape[1]
    index = found.reshape(rates.shape[0], grid.size) - 1 - offset
    return np.asarray(np.clip(index, 0, rates.shape[1] - 1), dtype=np.int64)

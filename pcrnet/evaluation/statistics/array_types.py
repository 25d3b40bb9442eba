"""Array types of the statistics, and the one check of a score against its label."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
CountArray = npt.NDArray[np.uint16] | npt.NDArray[np.float64]
"""How often each bootstrap draw (row) holds each patient."""

BLOCK_ELEMENTS = 1 << 22
"""Elements of a block of bootstrap draws: bounds the memory, not the result's precision."""


def in_blocks(statistic: Callable[[FloatArray], FloatArray], weights: CountArray) -> FloatArray:
    """A statistic of each bootstrap draw, computed some draws at a time.

    Args:
        statistic: From counts (m, n) to values, m rows of them.
        weights: (draws, n) counts.
    """
    draws, n = weights.shape
    if not draws:
        return statistic(np.ones((1, n)))[:0]
    block = max(1, BLOCK_ELEMENTS // max(n, 1))
    return np.concatenate(
        [
            statistic(weights[start : start + block].astype(np.float64))
            for start in range(0, draws, block)
        ]
    )


def why_undefined(score: FloatArray, label: FloatArray, *, classes: int = 2) -> str | None:
    """Say why no statistic of ``score`` against ``label`` exists, or None where it does.

    Args:
        score: (n,) scores or probabilities.
        label: (n,) labels, 1 for complete response; patients of unknown outcome left out before.
        classes: How many classes the statistic needs.
    """
    if len(score) == 0:
        return "no patient with a known outcome"
    if not np.isfinite(score).all():
        return "a score is not a finite number"
    if not np.isin(label, (0.0, 1.0)).all():
        return "a label is neither 0 nor 1"
    if len(np.unique(label)) < classes:
        return f"one class only: every label is {label[0]:g}"
    return None

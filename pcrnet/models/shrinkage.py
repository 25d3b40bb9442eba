"""How much of a correction to keep: one factor a logit, from patients whom nothing has seen.

Shapes: n patients, 3 logits, 4 outcome cells in the order of ``pcrnet.cohort.outcome.CELLS``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pcrnet.cohort.outcome import CELLS

FloatArray = NDArray[np.float64]

_BEYOND_CHANCE = 1.645
_GRID = np.linspace(0.0, 1.0, 21)
_BREAST_FREE = np.array([breast for breast, _ in CELLS])
_NODES_FREE = np.array([nodes for _, nodes in CELLS])


def choose_factors(start: FloatArray, added: FloatArray, allowed: NDArray[np.bool_]) -> FloatArray:
    """Factors (3,) in [0, 1] on ``added`` that lower the loss of ``start`` beyond chance.

    A logit's factor is the one of least loss among the patients whom the logit concerns and whose
    outcome is known. It is kept only where the gain exceeds 1.645 of its standard errors, which a
    correction of no use does at most one time in twenty a logit (the least loss of the grid is
    slow to gain so much by chance), else it is 0: it would only add noise.

    Args:
        start: (n, 3) logits of a model that has not seen the patient.
        added: (n, 3) what networks that have not seen the patient would add.
        allowed: (n, 4) cells that agree with what is known of the outcome.
    """
    known = allowed.sum(axis=1) == 1
    breast = (allowed & _BREAST_FREE).any(axis=1)
    nodes = (allowed & _NODES_FREE).any(axis=1)
    concerned = (known, known & breast, known & ~breast)
    labels = (breast, nodes, nodes)
    return np.array(
        [
            _factor(start[rows, logit], added[rows, logit], label[rows].astype(float))
            for logit, (rows, label) in enumerate(zip(concerned, labels, strict=True))
        ]
    )


def _factor(start: FloatArray, added: FloatArray, label: FloatArray) -> float:
    if len(label) < 2:
        return 0.0
    logits = start[:, None] + added[:, None] * _GRID  # (n, grid)
    losses = np.logaddexp(0.0, logits) - label[:, None] * logits
    best = int(losses.mean(axis=0).argmin())
    gain = losses[:, 0] - losses[:, best]
    error = float(gain.std(ddof=1)) / np.sqrt(len(gain))
    return float(_GRID[best]) if float(gain.mean()) > _BEYOND_CHANCE * error else 0.0

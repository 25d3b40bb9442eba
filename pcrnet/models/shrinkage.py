"""How much of a correction to keep, told by patients whom nothing has seen.

Shapes: n patients, 3 logits, 4 outcome cells in the order of ``pcrnet.cohort.outcome.CELLS``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pcrnet.cohort.outcome import RESPONSE_CELLS

FloatArray = NDArray[np.float64]

_BEYOND_CHANCE = 1.645
_GRID = np.linspace(0.0, 1.0, 21)
_BREAST_FREE = np.array(RESPONSE_CELLS["yT0"])
_NODES_FREE = np.array(RESPONSE_CELLS["yN0"])


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
    return np.array(
        [
            _factor(start[rows, logit], added[rows, logit], label[rows])
            for logit, (rows, label) in enumerate(_concerned(allowed))
        ]
    )


def is_promising(
    start: FloatArray, added: FloatArray, allowed: NDArray[np.bool_], share: float, bar: float
) -> bool:
    """Whether a correction that is judged on some patients may yet be kept when all are judged.

    Its gain in the likelihood of the joint outcome, at the one factor that suits these patients
    best, is carried on to all patients: it must come to ``bar`` standard errors there (stochastic
    curtailment under the current trend; Lan, Simon & Halperin, Commun Stat C 1982; 1:207). One
    factor and one gain for all logits: each by itself would find a chance of its own.

    Args:
        start: (n, 3) logits of a model that has not seen the patient.
        added: (n, 3) what networks that have not seen the patient would add.
        allowed: (n, 4) cells that agree with what is known of the outcome.
        share: These patients among all who will be judged, above 0, at most 1.
        bar: In standard errors; whatever was found reaches 0.
    """
    losses = np.zeros((len(start), len(_GRID)))
    for logit, (rows, label) in enumerate(_concerned(allowed)):
        losses[rows] += _losses(start[rows, logit], added[rows, logit], label[rows])
    if len(losses) < 2:
        return True
    gain, error, _ = _best(losses)
    return bar == 0.0 or (gain > 0.0 and gain >= bar * error * float(np.sqrt(share)))


def _concerned(
    allowed: NDArray[np.bool_],
) -> list[tuple[NDArray[np.bool_], FloatArray]]:
    """For each logit whom it concerns (n,) among those whose outcome is known, and labels (n,)."""
    known = allowed.sum(axis=1) == 1
    breast = (allowed & _BREAST_FREE).any(axis=1)
    nodes = (allowed & _NODES_FREE).any(axis=1)
    pairs = ((known, breast), (known & breast, nodes), (known & ~breast, nodes))
    return [(rows, label.astype(np.float64)) for rows, label in pairs]


def _factor(start: FloatArray, added: FloatArray, label: FloatArray) -> float:
    if len(label) < 2:
        return 0.0
    gain, error, factor = _best(_losses(start, added, label))
    return factor if gain > _BEYOND_CHANCE * error else 0.0


def _losses(start: FloatArray, added: FloatArray, label: FloatArray) -> FloatArray:
    """Cross-entropy (n, grid) in nats under every factor."""
    logits = start[:, None] + added[:, None] * _GRID
    return np.asarray(np.logaddexp(0.0, logits) - label[:, None] * logits)


def _best(losses: FloatArray) -> tuple[float, float, float]:
    """Mean gain of the best factor over none, its standard error, and the factor."""
    best = int(losses.mean(axis=0).argmin())
    gain = losses[:, 0] - losses[:, best]
    error = float(gain.std(ddof=1)) / np.sqrt(len(gain))
    return float(gain.mean()), error, float(_GRID[best])

"""Newton's method under lower bounds: small smooth fits, to the last digits."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from pcrnet.evaluation.statistics.array_types import BoolArray, FloatArray

Derivatives = tuple[float, FloatArray, FloatArray]
"""Value, gradient (p,) and Hessian (p, p) of an objective."""

GRADIENT_TOLERANCE = 1e-8
_STEPS = 200
_HALVINGS = 60
_SUFFICIENT = 1e-4
_DECREMENT = 1e-10


def minimise(
    objective: Callable[[FloatArray], Derivatives], starts: Sequence[FloatArray], lower: FloatArray
) -> FloatArray:
    """Minimise a smooth objective of a few parameters from several starts; the best end wins.

    Projected Newton steps (Bertsekas 1982, SIAM J Control Optim 20:221): parameters at their bound
    whose gradient points outward are held, the others take a Newton step with the Hessian made
    positive definite, projected onto the bounds and halved until the objective falls.

    Args:
        objective: Value, gradient and Hessian at (p,) parameters.
        starts: Starting points, each within the bounds.
        lower: (p,) lower bounds, −∞ where there is none.

    Returns:
        (p,) parameters whose projected gradient is below 1e-8 in every component, or from which
        no step lowers the objective by more than its rounding.

    Raises:
        ArithmeticError: No start converges (the objective is not smooth or not bounded below).
    """
    ends = [_descend(objective, start, lower) for start in starts]
    converged = [end for end in ends if end is not None]
    if not converged:
        raise ArithmeticError("Newton's method did not converge from any start")
    return min(converged, key=lambda end: objective(end)[0])


def _descend(
    objective: Callable[[FloatArray], Derivatives], start: FloatArray, lower: FloatArray
) -> FloatArray | None:
    point = np.maximum(start, lower)
    value, gradient, hessian = objective(point)
    for _ in range(_STEPS):
        free = ~((point <= lower) & (gradient > 0))
        if not (np.abs(gradient[free]) > GRADIENT_TOLERANCE).any():
            return point
        step = np.zeros_like(point)
        step[free] = _newton_step(gradient, hessian, free)
        for halving in range(_HALVINGS):
            trial = np.maximum(point + 0.5**halving * step, lower)
            new = objective(trial)
            # Close to the optimum the fall drowns in rounding; there a smaller gradient decides.
            if new[0] < value + _SUFFICIENT * float(gradient @ (trial - point)) or (
                new[0] <= value + 1e-12 * (1 + abs(value))
                and np.linalg.norm(new[1][free]) < np.linalg.norm(gradient[free])
            ):
                break
        else:
            # The Newton decrement does not depend on the units of the parameters: where it is
            # nothing, gradients of very different scales keep the components above their tolerance.
            nothing_left = -float(gradient @ step) <= _DECREMENT * (1 + abs(value))
            return point if nothing_left else None
        point, (value, gradient, hessian) = trial, new
    return None


def _newton_step(gradient: FloatArray, hessian: FloatArray, free: BoolArray) -> FloatArray:
    # Along flat directions the step is zero, along concave ones it goes downhill.
    eigenvalues, vectors = np.linalg.eigh(hessian[np.ix_(free, free)])
    size = np.abs(eigenvalues)
    flat = size <= 1e-13 * max(float(size.max()), 1.0)
    scale = np.where(flat, 0.0, 1.0 / np.where(flat, 1.0, size))
    return -np.asarray(vectors @ (scale * (vectors.T @ gradient[free])))

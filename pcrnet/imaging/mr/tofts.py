"""The Tofts models of contrast exchange: the tissue curve, and its fit to every voxel of a mask."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pcrnet.imaging.mr.kinetics import Floats, PlasmaInput, divide

_RATES_PER_MIN = np.geomspace(1e-3, 50.0, 400)
"""Candidates of the rate constant Ktrans/ve, 2.7 % apart; the fit then refines between them."""
_VOXELS_AT_ONCE = 256


def tofts_concentration(
    ktrans_per_min: ArrayLike,
    ve: ArrayLike,
    vp: ArrayLike,
    plasma: PlasmaInput,
    time_s: ArrayLike,
) -> Floats:
    """Tissue concentration of the extended Tofts model; vp = 0 is the Tofts model.

    C(t) = vp Cₚ(t) + Ktrans ∫₀ᵗ Cₚ(τ) exp(−Ktrans/ve (t − τ)) dτ.

    Args:
        ktrans_per_min: Volume transfer constant, any shape (…).
        ve: Extravascular extracellular volume fraction, same shape, positive.
        vp: Plasma volume fraction, same shape.
        plasma: The arterial input.
        time_s: Times of the tissue curve, shape (t,), within those of the input.

    Returns:
        mmol/l, shape (…, t).

    Source: Tofts et al., J Magn Reson Imaging 1999; 10:223–232.
    """
    ktrans, ve_, vp_ = np.broadcast_arrays(ktrans_per_min, ve, vp)
    times = np.asarray(time_s, np.float64)
    leaked = _residue_integral(ktrans.astype(np.float64) / ve_, plasma, times)
    vascular = np.interp(times, plasma.time_s, plasma.plasma_mmol_l)
    return np.asarray(ktrans[..., None] * leaked + vp_[..., None] * vascular)


@dataclass(frozen=True)
class ToftsBounds:
    """The upper bounds of a fit; all are at least 0, ``ve`` and ``vp`` shares of the tissue."""

    ktrans_per_min: float = 5.0
    ve: float = 1.0
    vp: float = 0.5


@dataclass(frozen=True, eq=False)
class ToftsFit:
    """Fitted maps of one shape (...), NaN outside the mask and where a curve holds NaN.

    Attributes:
        ktrans_per_min: Volume transfer constant.
        ve: Extravascular extracellular volume fraction; NaN where Ktrans is 0.
        vp: Plasma volume fraction; 0 for the Tofts model.
        rms_mmol_l: Root mean square of what the model leaves over.
        at_limit: Whether the rate Ktrans/ve ends at the edge of what is searched, where the curve
            follows the input: of a vessel neither Ktrans nor ve can be told. bool, False outside
            the mask.
    """

    ktrans_per_min: Floats
    ve: Floats
    vp: Floats
    rms_mmol_l: Floats
    at_limit: NDArray[np.bool_]


def fit_tofts(
    concentration_mmol_l: ArrayLike,
    time_s: ArrayLike,
    plasma: PlasmaInput,
    *,
    extended: bool = True,
    mask: NDArray[np.bool_] | None = None,
    bounds: ToftsBounds | None = None,
) -> ToftsFit:
    """Fit the Tofts or extended Tofts model to each voxel by bounded least squares.

    For a given rate Ktrans/ve the model is linear in Ktrans and vp, and the bounded optimum of two
    linear parameters has a closed form. So every voxel is solved for all candidate rates at once
    and then between the best ones: no starting value, no local minimum, no iteration that may fail.

    Args:
        concentration_mmol_l: Tissue curves, shape (i, j, k, t) or any (…, t).
        time_s: Shape (t,), within the times of the input.
        plasma: The arterial input.
        extended: Whether to fit a plasma fraction vp.
        mask: Which voxels, shape (…); all when None.
        bounds: Upper bounds of the parameters.
    """
    curves = np.asarray(concentration_mmol_l, np.float64)
    times = np.asarray(time_s, np.float64)
    chosen = np.isfinite(curves).all(axis=-1)
    if mask is not None:
        chosen &= mask
    limits = bounds or ToftsBounds()
    if not extended:
        limits = ToftsBounds(limits.ktrans_per_min, limits.ve, 0.0)
    problem = _Projection(times, plasma, limits)
    maps = np.full((5, *curves.shape[:-1]), np.nan)
    selected = curves[chosen]
    parts = [
        problem.solve(selected[start : start + _VOXELS_AT_ONCE])
        for start in range(0, len(selected), _VOXELS_AT_ONCE)
    ]
    if parts:
        maps[:, chosen] = np.concatenate(parts, axis=1)
    ktrans, ve, vp, rms, at_limit = maps
    return ToftsFit(ktrans, ve, vp, rms, at_limit == 1.0)


class _Projection:
    """Least squares over Ktrans and vp for fixed rates, by the normal equations.

    Letters: v voxels, r rates, t times.
    """

    def __init__(self, times: Floats, plasma: PlasmaInput, limits: ToftsBounds) -> None:
        self._times, self._plasma, self._limits = times, plasma, limits
        self._vascular = np.interp(times, plasma.time_s, plasma.plasma_mmol_l)  # (t,)
        self._bases = _residue_integral(_RATES_PER_MIN, plasma, times)  # (r, t)

    def solve(self, curves: Floats) -> Floats:
        """(v, t) -> rows Ktrans, ve, vp, rms, and 1 at the limit of the rate, each (v,)."""
        _, _, left_over = self._optimum(curves @ self._bases.T, self._bases, _RATES_PER_MIN, curves)
        rate = _between(left_over)
        fastest = left_over.argmin(axis=1) == len(_RATES_PER_MIN) - 1
        bases = _residue_integral(rate, self._plasma, self._times)  # (v, t)
        along = np.einsum("vt,vt->v", curves, bases)[:, None]
        ktrans, vp, left_over = self._optimum(along, bases[:, None], rate[:, None], curves)
        ktrans, vp = ktrans[:, 0], vp[:, 0]
        rms = np.sqrt(np.maximum(left_over[:, 0], 0.0) / curves.shape[1])
        ve = divide(ktrans, rate, where=ktrans > 0)
        return np.stack([ktrans, ve, vp, rms, fastest & (ktrans > 0)])

    def _optimum(
        self, along: Floats, bases: Floats, rates: Floats, curves: Floats
    ) -> tuple[Floats, Floats, Floats]:
        """Bounded minimum of |C − K·b − vp·a|² for each voxel and rate; all (v, r)."""
        a = self._vascular
        bb, ba, aa = (bases * bases).sum(-1), bases @ a, float(a @ a)
        ca, cc = (curves @ a)[:, None], (curves * curves).sum(-1)[:, None]
        highest = np.minimum(self._limits.ktrans_per_min, rates * self._limits.ve)

        def best_ktrans(vp: Floats) -> Floats:
            return np.asarray(np.clip((along - vp * ba) / bb, 0.0, highest))

        def best_vp(ktrans: Floats) -> Floats:
            return np.asarray(np.clip((ca - ktrans * ba) / aa, 0.0, self._limits.vp))

        def left_over(ktrans: Floats, vp: Floats) -> Floats:
            cost = cc - 2 * (ktrans * along + vp * ca)
            return np.asarray(cost + ktrans**2 * bb + 2 * ktrans * vp * ba + vp**2 * aa)

        determinant = np.maximum(bb * aa - ba**2, 1e-12 * bb * aa)
        free = (along * aa - ca * ba) / determinant, (ca * bb - along * ba) / determinant
        inside = (free[0] >= 0) & (free[0] <= highest) & (free[1] >= 0)
        inside &= free[1] <= self._limits.vp
        ktrans, vp = np.where(inside, free[0], 0.0), np.where(inside, free[1], 0.0)
        cost = np.where(inside, left_over(ktrans, vp), np.inf)
        # Outside the box the optimum of a convex cost lies on one of its four edges.
        zero = np.zeros_like(along)
        for edge_vp in (zero, zero + self._limits.vp):
            candidate = best_ktrans(edge_vp), edge_vp
            ktrans, vp, cost = _better((ktrans, vp, cost), (*candidate, left_over(*candidate)))
        for edge_ktrans in (zero, zero + highest):
            candidate = edge_ktrans, best_vp(edge_ktrans)
            ktrans, vp, cost = _better((ktrans, vp, cost), (*candidate, left_over(*candidate)))
        return ktrans, vp, cost


def _better(
    old: tuple[Floats, Floats, Floats], new: tuple[Floats, Floats, Floats]
) -> tuple[Floats, Floats, Floats]:
    """Element by element, whichever of two (Ktrans, vp, cost) costs less."""
    less = new[2] < old[2]
    first, second, third = (np.where(less, n, o) for o, n in zip(old, new, strict=True))
    return first, second, third


def _between(cost: Floats) -> Floats:
    """The rate at the minimum of a parabola through the best candidate and its neighbours."""
    best = np.clip(cost.argmin(axis=1), 1, len(_RATES_PER_MIN) - 2)
    voxel = np.arange(len(cost))
    low, middle, high = (cost[voxel, best + step] for step in (-1, 0, 1))
    curvature = low - 2 * middle + high
    shift = divide(0.5 * (low - high), curvature, where=curvature > 0)
    step = np.log(_RATES_PER_MIN[1] / _RATES_PER_MIN[0])
    return np.asarray(_RATES_PER_MIN[best] * np.exp(step * np.clip(np.nan_to_num(shift), -1, 1)))


def _residue_integral(rate_per_min: Floats, plasma: PlasmaInput, times: Floats) -> Floats:
    """∫₀ᵗ Cₚ(τ) exp(−rate (t − τ)) dτ in mmol·min/l, exact for a piecewise linear input.

    Args:
        rate_per_min: Any shape (…).
        plasma: The arterial input.
        times: Seconds, shape (t,).

    Returns:
        Shape (…, t).
    """
    rate = np.asarray(rate_per_min, np.float64)
    # Rounded, so that an even sampling shows as one interval, whose weights are computed once.
    steps_min = np.round(np.diff(plasma.time_s) / 60.0, 12)
    integral = np.zeros((len(plasma.time_s), *rate.shape))
    for number, (start, end) in enumerate(itertools.pairwise(plasma.plasma_mmol_l)):
        if number == 0 or steps_min[number] != steps_min[number - 1]:
            decay, weight_start, weight_end = _interval_weights(rate, float(steps_min[number]))
        integral[number + 1] = integral[number] * decay + start * weight_start + end * weight_end
    place = np.clip(np.searchsorted(plasma.time_s, times) - 1, 0, len(steps_min) - 1)
    share = (times - plasma.time_s[place]) / np.diff(plasma.time_s)[place]
    share = share.reshape(-1, *[1] * rate.ndim)
    sampled = (1 - share) * integral[place] + share * integral[place + 1]
    return np.asarray(np.moveaxis(sampled, 0, -1))


def _interval_weights(rate: Floats, step_min: float) -> tuple[Floats, Floats, Floats]:
    """Decay over an interval, and the weights of the input at its start and end."""
    x = rate * step_min
    decay = np.exp(-x)
    # Close to 0 the closed forms cancel and their series serve.
    small = x < 1e-3
    safe = np.where(small, 1.0, x)
    whole = np.where(small, 1 - x / 2 + x**2 / 6, (1 - decay) / safe)
    end = np.where(small, 0.5 - x / 6 + x**2 / 24, (safe - 1 + np.exp(-safe)) / safe**2)
    return decay, step_min * (whole - end), step_min * end

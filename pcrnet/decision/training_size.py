"""How the logits of a fit change with one fold more to learn from.

A calibrator is fitted to what fits of one fold less said, and used on a fit that saw that fold,
too. The larger fit is less noisy, so that the same logit means more: left alone, calibration is too
timid (regression dilution). By how much is told without any outcome, from what fits that all left
out a fold say of its patients: the single fit S that left out this fold alone, and the pair fits P
that left out another one besides.

The model, for one logit over the patients of the fold: a fit on m folds says s(m)·(μ + e), where μ
is what all fits agree on, with variance V. The noise e has a part from the sample, a mean over the
m folds of errors of variance σ² (fits share the errors of the folds they share), and a part from
seeds, of variance τ², which no other fit shares. s lets a learner speak up with more patients, as
penalised ones do. With K folds, s(K−2) = 1 and r = s(K−1)::

    A = Var(P)      = V + σ²/(K−2) + τ²        B = Cov(P, P′) = V + σ²(K−3)/(K−2)²
    C = Cov(S, P)   = r·(V + σ²/(K−1))         D = Var(S)     = r²·(V + σ²/(K−1) + τ²)

Four moments, four unknowns: (A + (K−2)B)·r² − (K−2)C·r − D = 0 gives r, the rest follows. The slope
of the outcome on a logit is Cov(μ, logit)/Var(logit), so it is a(m) ∝ 1/(s(m)·(V + σ²/m + τ²)).
Sampling noise, seed noise and growth are told apart: a fit that is linear in its training folds,
which has no noise but the sample's, is seen as clearly as a noisy one.

Shapes: n patients, 3 logits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from pcrnet.evaluation.statistics.array_types import BoolArray, FloatArray

_FEWEST_PATIENTS = 5
"""In a fold, for its moments to say anything."""

LogitsByLeftOut = Mapping[tuple[int, ...], FloatArray]
"""Folds left out by a fit to its logits (n, 3), NaN where the fit saw the patient."""


@dataclass(frozen=True)
class Moments:
    """Variances and covariances of fits over patients that none of them saw, each (3,)."""

    pair: FloatArray
    pairs: FloatArray
    single_and_pair: FloatArray
    single: FloatArray


def steeper_in_single(logits: LogitsByLeftOut, fold: NDArray[np.int64], outer: int) -> FloatArray:
    """How much steeper (3,) outcomes run on the logits of the single fit than on pair fits'.

    Only patients of ``outer`` are looked at, and of these no outcome.

    Args:
        logits: Of the single and pair fits that left out ``outer``.
        fold: (n,) fold of each patient, from 0.
        outer: The fold that was left out.
    """
    folds = int(fold.max()) + 1
    moments = _moments(logits, fold, outer)
    if moments is None:
        return np.ones(3)
    return _ratios(moments, folds)[0]


def steeper_in_all(logits: LogitsByLeftOut, fold: NDArray[np.int64]) -> FloatArray:
    """How much steeper (3,) outcomes run on the logits of the fit on everybody than on singles'.

    Of the fit on everybody nothing is known, since it saw all patients: s and the noise are drawn
    out by one fold more, 1/s being taken as linear in 1/m.
    """
    moments = _pooled(logits, fold)
    return np.ones(3) if moments is None else _ratios(moments, int(fold.max()) + 1)[1]


@dataclass(frozen=True)
class NoiseShares:
    """What is noise in fits' scores, each (k,) between 0 and 1.

    Attributes:
        of_sample: Share of the variance of single fits' scores that comes of the sample.
        of_seeds: Share that comes of seeds.
        differences: Share of the variance between pair fits that comes of seeds.
    """

    of_sample: FloatArray
    of_seeds: FloatArray
    differences: FloatArray


def noise_shares(logits: LogitsByLeftOut, fold: NDArray[np.int64]) -> NoiseShares | None:
    """Shares of noise in scores (n, k); None where the fits do not tell."""
    moments = _pooled(logits, fold)
    if moments is None:
        return None
    folds = int(fold.max()) + 1
    parts = _parts(moments, folds)
    of_sample = parts.sample / (folds - 1)
    total = parts.signal + of_sample + parts.seed
    apart = parts.seed + parts.sample / (folds - 2) ** 2
    return NoiseShares(
        of_sample=_share(of_sample, total),
        of_seeds=_share(parts.seed, total),
        differences=_share(parts.seed, apart),
    )


def _share(part: FloatArray, whole: FloatArray) -> FloatArray:
    return np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)


def pair_key(one: int, other: int) -> tuple[int, int]:
    """The folds that a pair fit left out, in order."""
    return min(one, other), max(one, other)


def brought_to_scale(
    logits: FloatArray, steeper: FloatArray, about: FloatArray | None = None
) -> FloatArray:
    """Logits (n, 3) drawn to their means by ``steeper``, as the larger fit would have meant them.

    A calibrator that is fitted to them has slopes that are right for the larger fit, and thresholds
    that are chosen on its probabilities stay where they were.

    Args:
        logits: (n, 3) of fits of one fold less.
        steeper: (3,) how much steeper outcomes run on the larger fit's.
        about: (m, 3) logits whose means are meant, where these are not all of them.
    """
    mean = (logits if about is None else about).mean(axis=0)
    return np.asarray(mean + (logits - mean) / steeper)


def _moments(logits: LogitsByLeftOut, fold: NDArray[np.int64], outer: int) -> Moments | None:
    """None where the fold is too small, or the pair fits are not there, as in ``crossfit``."""
    own = fold == outer
    others = [inner for inner in range(int(fold.max()) + 1) if inner != outer]
    keys = [pair_key(outer, inner) for inner in others]
    if own.sum() < _FEWEST_PATIENTS or not all(key in logits for key in keys):
        return None
    single = _centred(logits[(outer,)][own])
    pairs = [_centred(logits[key][own]) for key in keys]
    return Moments(
        pair=_mean([pair * pair for pair in pairs]),
        pairs=_mean([one * other for one, other in combinations(pairs, 2)]),
        single_and_pair=_mean([single * pair for pair in pairs]),
        single=_mean([single * single]),
    )


def _pooled(logits: LogitsByLeftOut, fold: NDArray[np.int64]) -> Moments | None:
    """The mean of the folds' moments; None where no fold has any."""
    folds = range(int(fold.max()) + 1)
    found = [m for outer in folds if (m := _moments(logits, fold, outer)) is not None]
    if not found:
        return None
    means = {
        part.name: np.mean([getattr(moments, part.name) for moments in found], axis=0)
        for part in fields(Moments)
    }
    return Moments(**means)


@dataclass(frozen=True)
class _Parts:
    """What the moments are made of: r, V, σ² and τ² of the model, and where they are told."""

    growth: FloatArray
    signal: FloatArray
    sample: FloatArray
    seed: FloatArray
    told: BoolArray


def _parts(moments: Moments, folds: int) -> _Parts:
    single, pair = folds - 1, folds - 2
    a, b, c, d = moments.pair, moments.pairs, moments.single_and_pair, moments.single
    told = (a > 0) & (d > 0) & (a + pair * b > 0)
    a, b, c, d = (np.where(told, values, 1.0) for values in (a, b, c, d))
    lead = a + pair * b
    growth = (pair * c + np.sqrt((pair * c) ** 2 + 4 * lead * d)) / (2 * lead)
    # What one fold's sample adds can neither be negative nor exceed all that the pairs disagree on.
    apart = np.maximum(a - b, 0.0)
    sample = np.clip(single * (c / growth - b), 0.0, apart) * pair**2
    seed = apart - sample / pair**2
    signal = np.maximum(b - sample * (folds - 3) / pair**2, 0.0)
    return _Parts(growth, signal, sample, seed, told)


def _ratios(moments: Moments, folds: int) -> tuple[FloatArray, FloatArray]:
    """a(K−1)/a(K−2) and a(K)/a(K−1), each (3,); 1 where the fits say the same of everybody."""
    single, pair = folds - 1, folds - 2
    parts = _parts(moments, folds)
    spread = [parts.signal + parts.sample / m + parts.seed for m in (pair, single, folds)]
    told = parts.told & (np.min(spread, axis=0) > 0)
    spread = [np.where(told, values, 1.0) for values in spread]
    to_single = spread[0] / (spread[1] * parts.growth)
    to_all = spread[1] / spread[2] * (1 - (parts.growth - 1) * pair / folds)
    # Noise that is all the sample's falls as 1/m; nothing that the model knows goes beyond.
    return (
        np.where(told, np.clip(to_single, pair / single, single / pair), 1.0),
        np.where(told, np.clip(to_all, single / folds, folds / single), 1.0),
    )


def _centred(values: FloatArray) -> FloatArray:
    return np.asarray(values - values.mean(axis=0))


def _mean(products: Sequence[FloatArray]) -> FloatArray:
    return np.asarray(np.mean([product.mean(axis=0) for product in products], axis=0))

"""The record of an estimate, and the intervals that are right at the size of a trial.

Notation: x successes of n; z the normal quantile of the two-sided confidence.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from scipy.special import betaincinv, expit, logit, ndtr, ndtri

from pcrnet.evaluation.statistics.array_types import BLOCK_ELEMENTS, FloatArray

Interval = tuple[float, float]

_MOST_LEFT_OUT = 2000
"""Most groups of patients that the jackknife leaves out one after another."""


_JACKKNIFE_GROUPS = 200
"""The same where the jackknife alone makes the interval."""


@dataclass(frozen=True)
class Estimate:
    """One estimate with its interval; what is undefined is None with a reason, never NaN.

    Attributes:
        value: The estimate, or None.
        low: Lower limit of the interval, or None.
        high: Upper limit of the interval, or None.
        n: Patients that the estimate rests on.
        method: How value and interval were obtained, and what the interval conditions on.
        reason: Why something is undefined or degenerate; None where all is well.
    """

    value: float | None
    low: float | None
    high: float | None
    n: int
    method: str
    reason: str | None = None

    def __post_init__(self) -> None:
        for number in (self.value, self.low, self.high):
            if number is not None and not math.isfinite(number):
                raise ValueError(f"an estimate must be finite or None with a reason: {self}")
        if self.value is None and not self.reason:
            raise ValueError("an undefined estimate needs its reason")

    @classmethod
    def undefined(cls, reason: str, *, n: int, method: str) -> Estimate:
        """An estimate that does not exist, and why."""
        return cls(None, None, None, n, method, reason)

    def to_json(self) -> dict[str, float | int | str | None]:
        """The record of ``metrics.json``; ``reason`` only where there is one."""
        record: dict[str, float | int | str | None] = {
            "value": self.value,
            "low": self.low,
            "high": self.high,
            "n": self.n,
            "method": self.method,
        }
        return record if self.reason is None else {**record, "reason": self.reason}


def normal_quantile(confidence: float) -> float:
    """z of a two-sided interval: 1.96 for 0.95."""
    return float(ndtri((1 + confidence) / 2))


def wilson_interval(
    successes: int, n: int, confidence: float = 0.95, *, continuity: bool = False
) -> Interval:
    """Wilson's score interval of a proportion (Newcombe 1998, Stat Med 17:857, methods 3 and 4).

    Raises:
        ValueError: Unless 0 ≤ successes ≤ n and n ≥ 1.
    """
    _check_counts(successes, n)
    z = normal_quantile(confidence)
    p = successes / n
    shift = 1.0 if continuity else 0.0
    centre, scale = 2 * successes + z**2, 2 * (n + z**2)
    below = z**2 + 4 * successes * (1 - p) + shift * (4 * p - 2 - 1 / n)
    above = z**2 + 4 * successes * (1 - p) + shift * (2 - 4 * p - 1 / n)
    low = (centre - shift - z * math.sqrt(max(below, 0.0))) / scale
    high = (centre + shift + z * math.sqrt(max(above, 0.0))) / scale
    return (
        0.0 if successes == 0 else max(low, 0.0),
        1.0 if successes == n else min(high, 1.0),
    )


def clopper_pearson_interval(successes: int, n: int, confidence: float = 0.95) -> Interval:
    """The exact two-sided interval of a proportion; its coverage is never below ``confidence``."""
    tail = (1 - confidence) / 2
    return (
        clopper_pearson_lower(successes, n, alpha=tail),
        clopper_pearson_upper(successes, n, alpha=tail),
    )


def clopper_pearson_lower(successes: int, n: int, *, alpha: float) -> float:
    """The exact one-sided lower limit, in [0, 1], of a share: P(X ≥ successes | limit) = alpha."""
    _check_counts(successes, n)
    return 0.0 if successes == 0 else float(betaincinv(successes, n - successes + 1, alpha))


def clopper_pearson_upper(successes: int, n: int, *, alpha: float) -> float:
    """The exact one-sided upper limit, in [0, 1], of a share: P(X ≤ successes | limit) = alpha."""
    return 1.0 - clopper_pearson_lower(n - successes, n, alpha=alpha)


def logit_wald_interval(value: float, standard_error: float, confidence: float = 0.95) -> Interval:
    """Wald's interval on the logit scale, brought back: inside (0, 1), skewed as it should be.

    Args:
        value: A proportion or AUC strictly between 0 and 1.
        standard_error: Of ``value`` itself; the delta method brings it to the logit scale.
        confidence: Two-sided.
    """
    if not 0.0 < value < 1.0:
        raise ValueError("the logit scale needs a value strictly between 0 and 1")
    half = normal_quantile(confidence) * standard_error / (value * (1 - value))
    centre = logit(value)
    return float(expit(centre - half)), float(expit(centre + half))


def newcombe_difference(
    successes_1: int, n_1: int, successes_2: int, n_2: int, confidence: float = 0.95
) -> Interval:
    """Interval of p₁ − p₂ of two independent groups (Newcombe 1998, Stat Med 17:873, method 10)."""
    p_1, p_2 = successes_1 / n_1, successes_2 / n_2
    low_1, high_1 = wilson_interval(successes_1, n_1, confidence)
    low_2, high_2 = wilson_interval(successes_2, n_2, confidence)
    difference = p_1 - p_2
    return (
        difference - math.hypot(p_1 - low_1, high_2 - p_2),
        difference + math.hypot(high_1 - p_1, p_2 - low_2),
    )


def proportion(successes: int, n: int, confidence: float = 0.95, *, of: str) -> Estimate:
    """A proportion with its Wilson interval; undefined where nobody belongs to the denominator.

    Args:
        successes: From 0 to ``n``.
        n: Patients in the denominator.
        confidence: Level of the interval, two-sided.
        of: The denominator in words, for the reason: ``complete responses``.
    """
    if n == 0:
        return Estimate.undefined(f"no {of}", n=0, method="Wilson")
    low, high = wilson_interval(successes, n, confidence)
    return Estimate(successes / n, low, high, n, "Wilson")


CountStatistic = Callable[[FloatArray], FloatArray]
"""From counts (m, n), how often each of n patients was drawn, to m values of a statistic."""


def bootstrap_counts(
    strata: FloatArray, draws: int, generator: np.random.Generator
) -> Iterator[FloatArray]:
    """Yield blocks (m, n) of how often each patient is drawn, m adding up to ``draws``.

    Args:
        strata: (n,) stratum of each patient; every draw keeps the size of each.
        draws: Number of bootstrap samples.
        generator: Seeded source of the randomness.
    """
    n = len(strata)
    members = [np.flatnonzero(strata == stratum) for stratum in np.unique(strata)]
    block = max(1, BLOCK_ELEMENTS // max(n, 1))
    for start in range(0, draws, block):
        rows = min(block, draws - start)
        counts = np.zeros((rows, n))
        for inside in members:
            drawn = generator.integers(len(inside), size=(rows, len(inside)))
            offset = np.arange(rows)[:, None] * len(inside)
            flat = np.bincount((drawn + offset).ravel(), minlength=rows * len(inside))
            counts[:, inside] = flat.reshape(rows, len(inside))
        yield counts


def bootstrap_estimate(
    statistic: CountStatistic,
    strata: FloatArray,
    *,
    draws: int,
    generator: np.random.Generator,
    confidence: float = 0.95,
    within: str = "",
) -> Estimate:
    """A statistic with its bias-corrected and accelerated bootstrap interval (Efron 1987).

    Args:
        statistic: Vectorised over draws; NaN where a draw leaves it undefined.
        strata: (n,) strata within which patients are drawn; all equal for none.
        draws: Number of bootstrap samples; with 0 the interval is normal, by the jackknife.
        generator: Seeded source of the randomness.
        confidence: Two-sided.
        within: What the strata are, for the method's name.
    """
    n = len(strata)
    if not draws:
        return _jackknife_estimate(statistic, strata, confidence)
    method = f"BCa bootstrap{f' within {within}' if within else ''}, {draws} draws"
    # A draw may hold one class only, or a jackknife sample nobody: undefined, left out below.
    with np.errstate(invalid="ignore", divide="ignore"):
        value = float(statistic(np.ones((1, n)))[0])
        blocks = [statistic(counts) for counts in bootstrap_counts(strata, draws, generator)]
        deviations = _jackknife(statistic, strata, _MOST_LEFT_OUT)
    samples = np.concatenate(blocks)
    samples = samples[np.isfinite(samples)]
    if 2 * len(samples) < draws:
        return Estimate(value, None, None, n, method, "no interval: most draws leave it undefined")
    if np.ptp(samples) <= 1e-12 * abs(value):
        return Estimate(value, value, value, n, method, "degenerate: all draws agree")
    low, high = bca_interval(value, samples, deviations, confidence)
    return Estimate(value, low, high, n, method)


def bca_interval(
    value: float, samples: FloatArray, jackknife: FloatArray, confidence: float = 0.95
) -> Interval:
    """BCa limits from bootstrap ``samples`` and leave-one-out deviations (Efron 1987, JASA 82:171).

    Args:
        value: The statistic of the sample itself.
        samples: (m,) bootstrap values.
        jackknife: (n,) leave-one-out values, less their mean within the stratum.
        confidence: Two-sided.
    """
    # Ties with the value count half, so that a discrete statistic is not taken for a biased one.
    below = np.mean(samples < value) + np.mean(samples == value) / 2
    bias = ndtri(np.clip(below, 0.5 / len(samples), 1 - 0.5 / len(samples)))
    spread = np.sum(jackknife**2)
    acceleration = -np.sum(jackknife**3) / (6 * spread**1.5) if spread > 0 else 0.0
    z = normal_quantile(confidence)
    shifted = bias + np.array([-z, z])
    # A denominator below 0 would turn the tail over; its limit is the end of the samples.
    levels = ndtr(bias + shifted / np.maximum(1 - acceleration * shifted, 1e-9))
    low, high = np.quantile(samples, levels)
    return float(low), float(high)


def _jackknife_estimate(
    statistic: CountStatistic, strata: FloatArray, confidence: float
) -> Estimate:
    """The statistic with a normal interval, its variance by the jackknife over groups of patients.

    What serves where there are so many patients that nothing is gained by drawing them.
    """
    n = len(strata)
    with np.errstate(invalid="ignore", divide="ignore"):
        value = float(statistic(np.ones((1, n)))[0])
        deviations = _jackknife(statistic, strata, _JACKKNIFE_GROUPS)
    groups = len(deviations)
    method = f"normal, jackknife over {groups} groups of patients"
    if groups < 2 or not deviations.any():
        return Estimate(value, None, None, n, method, "no interval: nothing varies")
    error = math.sqrt((groups - 1) / groups * float(deviations @ deviations))
    half = normal_quantile(confidence) * error
    return Estimate(value, value - half, value + half, n, method)


def _jackknife(statistic: CountStatistic, strata: FloatArray, most: int) -> FloatArray:
    """Leave-one-out values less their mean within the stratum, (n,).

    Of more than ``most`` patients small groups of one stratum are left out together, (groups,):
    their deviations are sums of those of their patients, with the same skewness over the same
    spread.
    """
    n = len(strata)
    size = -(-n // most)
    members = [np.flatnonzero(strata == stratum) for stratum in np.unique(strata)]
    groups = [
        (number, inside[start : start + size])
        for number, inside in enumerate(members)
        for start in range(0, len(inside), size)
    ]
    block = max(1, BLOCK_ELEMENTS // max(n, 1))
    values = np.empty(len(groups))
    for start in range(0, len(groups), block):
        left_out = groups[start : start + block]
        counts = np.ones((len(left_out), n))
        for row, (_, patients) in enumerate(left_out):
            counts[row, patients] = 0.0
        values[start : start + block] = statistic(counts)
    of_stratum = np.array([number for number, _ in groups])
    deviations = np.zeros(len(groups))
    for number in range(len(members)):
        inside = (of_stratum == number) & np.isfinite(values)
        if inside.any():
            deviations[inside] = values[inside] - values[inside].mean()
    return deviations


def _check_counts(successes: int, n: int) -> None:
    if not 0 <= successes <= n or n < 1:
        raise ValueError(f"a proportion needs 0 ≤ successes ≤ n and n ≥ 1, not {successes} of {n}")

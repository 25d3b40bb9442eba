"""Repeats of cross-validation: metrics are averaged over them, predictions never.

Averaging a patient's predictions over repeats would judge an ensemble that nobody ships, and
biases the AUC. The limits are averaged like the value: each interval is about the patients who were
drawn, and the mean of a metric varies no more with them than the metric of one repeat does. How far
the metric moves with the folds and the seeds alone is the spread beside it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np

from pcrnet.evaluation.statistics.intervals import Estimate


@dataclass(frozen=True)
class Spread:
    """A metric over the repeats, folds and seeds being all that differs.

    Attributes:
        values: One a repeat, in their order.
        sd: Standard deviation, with one degree of freedom less than repeats.
        lowest: Smallest value.
        highest: Largest value.
    """

    values: tuple[float, ...]
    sd: float
    lowest: float
    highest: float

    def to_json(self) -> dict[str, object]:
        """The record of ``metrics.json``."""
        return asdict(self) | {"values": list(self.values)}


def average(estimates: Sequence[Estimate]) -> Estimate:
    """The mean of one metric over repeats; undefined where it is undefined in any of them.

    Args:
        estimates: One a repeat, all of the same patients; at least one.
    """
    first = estimates[0]
    if len(estimates) == 1:
        return first
    method = f"{first.method}; mean of {len(estimates)} repeats, limits likewise"
    reason = next((estimate.reason for estimate in estimates if estimate.reason), None)
    undefined = sum(estimate.value is None for estimate in estimates)
    if undefined:
        where = f"undefined in {undefined} of {len(estimates)} repeats: {reason}"
        return Estimate.undefined(where, n=first.n, method=method)
    value, low, high = (
        _mean([getattr(estimate, name) for estimate in estimates])
        for name in ("value", "low", "high")
    )
    return replace(first, value=value, low=low, high=high, method=method, reason=reason)


def average_metrics(repeats: Sequence[Mapping[str, Estimate]]) -> dict[str, Estimate]:
    """Every metric averaged over repeats; the first repeat says which there are."""
    return {name: average([metrics[name] for metrics in repeats]) for name in repeats[0]}


def spreads(repeats: Sequence[Mapping[str, Estimate]]) -> dict[str, Spread]:
    """The spread of every metric that is defined in all repeats; none of a single repeat."""
    found: dict[str, Spread] = {}
    for name in repeats[0] if len(repeats) > 1 else ():
        values = tuple(value for metrics in repeats if (value := metrics[name].value) is not None)
        if len(values) == len(repeats):
            sd = float(np.std(values, ddof=1))
            found[name] = Spread(values, sd, min(values), max(values))
    return found


def _mean(numbers: Sequence[float | None]) -> float | None:
    known = [number for number in numbers if number is not None]
    return float(np.mean(known)) if len(known) == len(numbers) else None

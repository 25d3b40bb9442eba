"""The confirmatory analysis: co-primary endpoints by intersection-union, in a fixed sequence.

An endpoint is met when the one-sided Clopper–Pearson lower limits of both sensitivity and
specificity exceed their null values. Both must pass, so neither test needs a smaller level (Berger,
Technometrics 1982;24:295); in a fixed sequence each is tested at the full level, and only while all
before it were met (Maurer, Hothorn and Lehmacher 1995).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from pcrnet.cohort.outcome import Head
from pcrnet.evaluation.statistics.confusion import Confusion
from pcrnet.evaluation.statistics.intervals import clopper_pearson_lower
from pcrnet.evaluation.statistics.power import (
    CoprimaryDesign,
    DesignPower,
    design_power,
    smallest_trial,
)
from pcrnet.evaluation.trial.protocol import CoprimaryEndpoint, Protocol

Status = Literal["met", "not met", "not tested", "not in this run"]

_POWERS = (0.8, 0.9)


@dataclass(frozen=True)
class LimitTest:
    """One proportion against its null value."""

    measure: Literal["sensitivity", "specificity"]
    successes: int
    n: int
    null: float
    lower: float
    """One-sided Clopper–Pearson limit."""

    @property
    def passed(self) -> bool:
        """Whether the limit exceeds the null value."""
        return self.lower > self.null


@dataclass(frozen=True)
class EndpointResult:
    """One co-primary endpoint and what became of it."""

    endpoint: CoprimaryEndpoint
    status: Status
    tests: tuple[LimitTest, ...] = ()
    reason: str = ""
    """Why it was not tested."""


@dataclass(frozen=True)
class SampleSize:
    """Smallest trials for one assumed truth: patients by the power of both endpoints."""

    design: CoprimaryDesign
    patients: tuple[tuple[float, int | None], ...]


def judge_endpoints(
    protocol: Protocol, counts: Mapping[tuple[Head, str], Confusion | str]
) -> tuple[EndpointResult, ...]:
    """Test the co-primary endpoints in the order of the protocol.

    Args:
        protocol: With the null values, the level and the order.
        counts: By head and analysis, the 2×2 table at the locked threshold, or why there is none.
    """
    results: list[EndpointResult] = []
    open_gate = True
    for endpoint in protocol.coprimary:
        found = counts[endpoint.head, endpoint.analysis]
        if isinstance(found, str):
            results.append(EndpointResult(endpoint, "not in this run", reason=found))
            open_gate = False
            continue
        result = _test_both(endpoint, found, protocol.alpha)
        if not open_gate:
            reason = "an endpoint before it was not met; the limits are shown for description"
            result = replace(result, status="not tested", reason=reason)
        results.append(result)
        open_gate = open_gate and result.status == "met"
    return tuple(results)


def design_of(protocol: Protocol, endpoint: CoprimaryEndpoint) -> CoprimaryDesign:
    """The planned design of one co-primary endpoint."""
    return CoprimaryDesign(
        response_rate=protocol.response_rate,
        null_sensitivity=endpoint.nulls.sensitivity,
        null_specificity=endpoint.nulls.specificity,
        true_sensitivity=endpoint.assumed.sensitivity,
        true_specificity=endpoint.assumed.specificity,
        alpha=protocol.alpha,
    )


def power_table(
    design: CoprimaryDesign, patients: int, response_rates: Sequence[float]
) -> tuple[DesignPower, ...]:
    """Power at the planned number of patients, for each rate of complete response."""
    return tuple(
        design_power(replace(design, response_rate=rate), patients) for rate in response_rates
    )


def sample_size_table(
    design: CoprimaryDesign, truths: Sequence[tuple[float, float]]
) -> tuple[SampleSize, ...]:
    """Smallest trials with power 0.8 and 0.9, for each assumed (sensitivity, specificity)."""
    designs = [
        replace(design, true_sensitivity=sensitivity, true_specificity=specificity)
        for sensitivity, specificity in truths
    ]
    return tuple(
        SampleSize(assumed, tuple((power, smallest_trial(assumed, power)) for power in _POWERS))
        for assumed in designs
    )


def _test_both(endpoint: CoprimaryEndpoint, counts: Confusion, alpha: float) -> EndpointResult:
    responders, others = counts.positives, counts.negatives
    if not responders or not others:
        reason = "sensitivity and specificity need patients with and without response"
        return EndpointResult(endpoint, "not tested", reason=reason)
    tests = (
        LimitTest(
            "sensitivity",
            counts.true_positive,
            responders,
            endpoint.nulls.sensitivity,
            clopper_pearson_lower(counts.true_positive, responders, alpha=alpha),
        ),
        LimitTest(
            "specificity",
            counts.true_negative,
            others,
            endpoint.nulls.specificity,
            clopper_pearson_lower(counts.true_negative, others, alpha=alpha),
        ),
    )
    met = all(test.passed for test in tests)
    return EndpointResult(endpoint, "met" if met else "not met", tests)

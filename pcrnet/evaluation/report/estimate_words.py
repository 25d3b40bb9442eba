"""An estimate as a reader reads it."""

from __future__ import annotations

from pcrnet.evaluation.statistics.intervals import Estimate


def with_interval(estimate: Estimate) -> str:
    """``0.83 (95 % CI 0.79 to 0.86)``; the reason where there is no value."""
    if estimate.value is None:
        return f"not defined ({estimate.reason})"
    text = f"{estimate.value:.2f}"
    if estimate.low is not None and estimate.high is not None:
        text += f" (95 % CI {estimate.low:.2f} to {estimate.high:.2f})"
    return text.replace("-", "−")

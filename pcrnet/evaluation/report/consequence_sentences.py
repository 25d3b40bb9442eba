"""Sentences on what would come of acting on the predictions, as they are."""

from __future__ import annotations

from pcrnet.evaluation.population.patients import listed
from pcrnet.evaluation.report.estimate_words import with_interval
from pcrnet.evaluation.results import HeadResult
from pcrnet.evaluation.statistics.net_benefit import READ_OFF

_LEVEL_AGREES = 0.2
"""On the logit scale; it moves a probability by 0.05 at most."""


def level_sentence(main: HeadResult) -> str:
    """That probabilities are too high or too low as a whole; empty where they may be right."""
    level = main.metrics.get("calibration_in_the_large")
    if level is None or level.low is None or level.high is None:
        return ""
    if level.high >= -_LEVEL_AGREES and level.low <= _LEVEL_AGREES:
        return ""
    much = "high" if level.high < 0 else "low"
    return (
        f"The probabilities of {main.label} are too {much} for these patients, of whom "
        f"{main.responders} of {main.n} responded (calibration in the large "
        f"{with_interval(level)}). A threshold on them does not mean here what it meant where it "
        "was chosen."
    )


def net_benefit_sentence(main: HeadResult) -> str:
    """Where acting on the predictions is better or worse than operating on all, by its interval."""
    curve = main.decision
    if curve is None:
        return ""
    better, worse = [], []
    for threshold in READ_OFF.tolist():
        at = int(abs(curve.thresholds - threshold).argmin())
        if curve.low[at] > 0:
            better.append(f"{threshold:.2f}")
        elif curve.high[at] < 0:
            worse.append(f"{threshold:.2f}")
    parts = []
    if better:
        parts.append(f"better than operating on all at thresholds of {listed(better)}")
    if worse:
        parts.append(f"worse at {listed(worse)}" if better else _only_worse(worse))
    if not parts:
        return (
            f"At none of the thresholds below is acting on predictions of {main.label} shown to be "
            "better or worse than operating on all: each 95 % interval holds 0, or has no width."
        )
    return (
        f"Acting on predictions of {main.label} is {' and '.join(parts)}, by pointwise 95 % "
        "intervals; at the other thresholds below neither is shown."
    )


def _only_worse(worse: list[str]) -> str:
    return f"worse than operating on all at thresholds of {listed(worse)}, and better at none"

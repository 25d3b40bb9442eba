"""The run's model beside the other models of the same run: rows for the page, and sentences.

A sentence says better or worse only where a paired interval leaves out 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pcrnet.cohort.outcome import Head
from pcrnet.config.model import SETTINGS
from pcrnet.evaluation.metrics import Metrics
from pcrnet.evaluation.population.patients import listed
from pcrnet.evaluation.results import HEAD_LABELS, Analysis, ComparedHead
from pcrnet.evaluation.statistics.intervals import Estimate

_SHOWN: tuple[Head, ...] = ("yT0yN0", "yT0")
"""The outcomes that a first page has room for."""
_LOGITS = ("yT0", "yN0 after yT0", "yN0 with residue in the breast")
_HALF_WIDTH = 48.0
"""Of the drawing of an interval, in its own units."""
_SAME_PROB = 0.0005
"""Differences below it are 0 in three digits."""


@dataclass(frozen=True)
class Measure:
    """One measure of one model; ``difference`` is the run's model less a rival, None in its own
    row."""

    value: Estimate
    difference: Estimate | None
    drawn: Drawn | None


@dataclass(frozen=True)
class Drawn:
    """A difference from worse (left) to better (right): ``value``, interval ``low`` to ``high``.

    In units of the drawing; 0 is the middle.
    """

    low: float
    value: float
    high: float


@dataclass(frozen=True)
class RivalRow:
    """A model and its two measures."""

    name: str
    auc: Measure
    log_loss: Measure


@dataclass(frozen=True)
class RivalGroup:
    """One outcome: the run's model, then its rivals."""

    head: Head
    label: str
    rows: tuple[RivalRow, ...]


def rival_groups(analysis: Analysis) -> tuple[RivalGroup, ...]:
    """The table of the first page; empty where no other model was judged."""
    compared = _compared(analysis)
    if not compared:
        return ()
    judged = {head.head: head for head in analysis.heads}
    shown = [head for head in _SHOWN if any(head in heads for heads in compared.values())]
    found = [heads[head] for heads in compared.values() for head in shown if head in heads]
    scales = (
        _scale([one.difference for one in found]),
        _scale([one.scores["log_loss"] for one in found]),
    )
    own = _capital(model_name(analysis.sources.kind))
    groups = []
    for head in shown:
        metrics = judged[head].metrics
        rows = [
            RivalRow(own, *(Measure(metrics[name], None, None) for name in ("auc", "log_loss")))
        ]
        for kind, heads in compared.items():
            if head in heads:
                rows.append(_rival_row(kind, analysis.rivals[kind][head], heads[head], scales))
        groups.append(RivalGroup(head, HEAD_LABELS[head], tuple(rows)))
    return tuple(groups)


def _rival_row(
    kind: str, metrics: Metrics, found: ComparedHead, scales: tuple[float, float]
) -> RivalRow:
    area, loss = found.difference, found.scores["log_loss"]
    return RivalRow(
        _capital(model_name(kind)),
        Measure(metrics["auc"], area, _drawn(area, scales[0])),
        # Less log loss is better, and better is to the right.
        Measure(metrics["log_loss"], loss, _drawn(loss, -scales[1])),
    )


def rival_sentences(analysis: Analysis) -> tuple[str, ...]:
    """What the paired intervals say, a sentence for each rival and outcome; then what was kept of
    the network."""
    own = model_name(analysis.sources.kind)
    sentences = [
        f"{HEAD_LABELS[head]}: {_verdict(own, model_name(kind), heads[head])}."
        for kind, heads in _compared(analysis).items()
        for head in _SHOWN
        if head in heads
    ]
    kept = kept_sentence(analysis)
    return (*sentences, kept) if kept else tuple(sentences)


def kept_sentence(analysis: Analysis) -> str:
    """How much the shipped network adds to what it starts from; empty where that is not known."""
    kept = analysis.sources.kept
    if not kept or analysis.sources.kind != "network":
        return ""
    if not any(kept):
        return (
            "The shipped network adds nothing to the model that it starts from, and equals it: in "
            f"patients left out, none of its correction held. {_judged_fits(analysis)}"
        )
    shares = listed(
        [f"{100 * share:.0f} % for {name}" for share, name in zip(kept, _LOGITS, strict=False)]
    )
    return (
        "Of the shipped network’s correction of the model that it starts from, patients left out "
        f"let this much stand: {shares}."
    )


def _judged_fits(analysis: Analysis) -> str:
    """How far what is judged lies from the model that the shipped network equals."""
    chose = "That is the fit that ships; each judged fit chose for itself"
    start = analysis.sources.baselines.get("quantitative")
    if start is None:
        return f"{chose}, and may have kept a part."
    judged = analysis.sources.predictions
    furthest = max(
        float(np.abs(judged.prob[head] - start.prob[head]).max()) for head in judged.heads
    )
    if furthest < _SAME_PROB:
        return f"{chose}, with the same probabilities."
    return (
        f"{chose}, and the probabilities judged here differ from those of "
        f"{model_name('quantitative')} by up to {furthest:.3f}."
    )


def model_name(kind: str) -> str:
    """A kind of model within a sentence."""
    if kind in SETTINGS:
        return SETTINGS[kind].title
    return f"the model {kind.replace('_', ' ')}" if kind else "this prediction"


def _compared(analysis: Analysis) -> dict[str, dict[Head, ComparedHead]]:
    return {
        comparison.name: dict(comparison.heads)
        for comparison in analysis.comparisons
        if comparison.kind == "baselines" and comparison.name in analysis.rivals
    }


def _verdict(own: str, rival: str, found: ComparedHead) -> str:
    area, loss = found.difference, found.scores["log_loss"]
    by_area, by_loss = _sign(area), -_sign(loss)
    words = {1: "better", -1: "worse"}
    if by_area == by_loss == 0:
        said = f"no evidence that {own} is better than {rival}"
    elif by_area == by_loss:
        said = f"{own} is {words[by_area]} than {rival}"
    elif by_area * by_loss < 0:
        said = f"{own} is {words[by_area]} than {rival} by AUC and {words[by_loss]} by log loss"
    else:
        measure, other = ("AUC", "log loss") if by_area else ("log loss", "AUC")
        said = f"{own} is {words[by_area or by_loss]} than {rival} by {measure}"
        said += f"; by {other} there is no evidence of it"
    return f"{said}: AUC {_signed(area, 'differs ')}, log loss {_signed(loss)}"


def _sign(difference: Estimate) -> int:
    """1 or −1 where the whole interval lies above or below 0, else 0."""
    if difference.low is None or difference.high is None:
        return 0
    return int(difference.low > 0) - int(difference.high < 0)


def _signed(difference: Estimate, verb: str = "") -> str:
    if difference.value is None:
        return f"not defined ({difference.reason})"
    text = _fixed(difference.value)
    if difference.low is None or difference.high is None:
        return f"{verb}by {text} (no interval)"
    return f"{verb}by {text} ({_fixed(difference.low)} to {_fixed(difference.high)})"


def _fixed(value: float) -> str:
    """With its sign, three digits: differences of log losses are small."""
    text = f"{value:+.3f}"
    return (text[1:] if float(text) == 0.0 else text).replace("-", "−")


def _scale(differences: Sequence[Estimate]) -> float:
    """Units of the drawing for each unit of a measure, so that the widest interval fits."""
    limits = [
        abs(limit)
        for estimate in differences
        for limit in (estimate.low, estimate.value, estimate.high)
        if limit is not None
    ]
    return _HALF_WIDTH / max([*limits, 1e-3])


def _drawn(difference: Estimate, scale: float) -> Drawn | None:
    if difference.value is None or difference.low is None or difference.high is None:
        return None
    low, high = sorted((scale * difference.low, scale * difference.high))
    return Drawn(low, scale * difference.value, high)


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]

"""The page of a sweep: what won, what it is worth, and everything that was tried."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pcrnet.cohort.outcome import HEADS
from pcrnet.evaluation.report.page import render_page
from pcrnet.evaluation.results import HEAD_LABELS, READING_ORDER
from pcrnet.evaluation.statistics.intervals import Estimate
from pcrnet.run_layout import RunLayout
from pcrnet.storage import read_record
from pcrnet.sweeps.estimate import WinnerEstimate
from pcrnet.sweeps.folder.layout import SweepLayout
from pcrnet.sweeps.folder.ledger import best_of, equals_of
from pcrnet.sweeps.folder.records import FinishedTrial
from pcrnet.sweeps.folder.table import shown
from pcrnet.sweeps.plan.objective import direction_of
from pcrnet.sweeps.plan.settings import Sweep
from pcrnet.sweeps.plan.space import searched_keys
from pcrnet.sweeps.proposals.savings import FitCount
from pcrnet.sweeps.report.curves import learning_curves
from pcrnet.sweeps.report.figures import (
    draw_importance,
    draw_learning_curves,
    draw_parallel_coordinates,
    draw_values,
)
from pcrnet.sweeps.report.importance import importances

_METRICS = ("auc", "log_loss", "brier", "sensitivity", "specificity", "calibration_slope")


@dataclass(frozen=True)
class TrialRow:
    """One line of the table of trials; ``value`` is its objective, None where it has none."""

    number: int
    trial: str
    state: str
    value: float | None
    fits: int
    seconds: float
    values: tuple[str, ...]
    reason: str
    won: bool


def render_sweep(
    sweep: Sweep,
    layout: SweepLayout,
    finished: Sequence[FinishedTrial],
    estimate: WinnerEstimate | None,
    counted: FitCount,
) -> str:
    """The page as HTML, which loads nothing from anywhere."""
    from markupsafe import Markup

    best = best_of(sweep, finished)
    winner = "" if best is None else best.proposal.trial
    keys = searched_keys(sweep.space)
    figures = {
        "course": draw_values(sweep, finished, winner),
        "parallel": draw_parallel_coordinates(sweep, finished, winner),
        "importance": draw_importance(importances(sweep, finished)),
        "curves": draw_learning_curves(learning_curves(layout, finished), winner),
    }
    return render_page(
        "sweep.html.j2",
        {
            "name": sweep.config.name,
            "simulated": _simulated(layout, finished),
            "objective": sweep.config.objective.metric,
            "more_is_better": direction_of(sweep.config.objective) == "maximize",
            "search": sweep.config.search.kind,
            "winner": best,
            "equals": 0 if best is None else equals_of(best, finished),
            "winning": []
            if best is None
            else [(key, _brief(value)) for key, value in best.proposal.values.items()],
            "estimate": estimate,
            "metrics": _METRICS,
            "heads": []
            if estimate is None
            else [
                (HEAD_LABELS[head], [_cell(estimate.heads[head][name]) for name in _METRICS])
                for head in READING_ORDER
                if head in estimate.heads and head in HEADS
            ],
            "counted": counted,
            "keys": keys,
            "rows": _rows(sweep, finished, keys, winner),
            "figures": {
                name: None if svg is None else Markup(svg)  # noqa: S704 - drawn here, texts escaped
                for name, svg in figures.items()
            },
            "settings": sweep.config.model_dump(mode="json", exclude={"engine", "base"}),
            "configuration": sweep.experiment.without_paths().to_yaml(),
        },
    )


def _rows(
    sweep: Sweep, finished: Sequence[FinishedTrial], keys: Sequence[str], winner: str
) -> list[TrialRow]:
    sign = -1.0 if direction_of(sweep.config.objective) == "maximize" else 1.0
    ranked = sorted(
        finished,
        key=lambda trial: (
            trial.value is None,
            0.0 if trial.value is None else sign * trial.value,
            trial.proposal.number,
        ),
    )
    return [
        TrialRow(
            number=trial.proposal.number,
            trial=trial.proposal.trial,
            state=trial.result.state,
            value=trial.value,
            fits=trial.result.fits,
            seconds=trial.result.seconds,
            values=tuple(
                _brief(trial.proposal.values[key]) if key in trial.proposal.values else "–"
                for key in keys
            ),
            reason=trial.result.reason,
            won=trial.proposal.trial == winner,
        )
        for trial in ranked
    ]


def _brief(value: object) -> str:
    """A value with as many digits as can be read; the table beside the page has all of them."""
    return f"{value:.4g}" if isinstance(value, float) else shown(value)


def _cell(estimate: Estimate) -> str:
    if estimate.value is None:
        return "–"
    text = f"{estimate.value:.3f}"
    if estimate.low is not None:
        text += f" ({estimate.low:.3f} to {estimate.high:.3f})"
    return text.replace("-", "−")


def _simulated(layout: SweepLayout, finished: Sequence[FinishedTrial]) -> bool:
    """Whether the patients were made by the in-silico trial."""
    for trial in finished:
        environment = RunLayout(layout.trials / trial.proposal.trial).environment
        if environment.is_file():
            return read_record(environment).get("simulated") is True
    return False

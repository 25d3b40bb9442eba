"""The end of a sweep: the winner to be trained, what it is worth, and the report."""

from __future__ import annotations

from collections.abc import Sequence

from pcrnet.config.plain_yaml import plain_text
from pcrnet.evaluation.tables.predictions import read_predictions
from pcrnet.storage import write_json, write_text
from pcrnet.sweeps.estimate import JobOf, WinnerEstimate, estimate_fresh, estimate_nested
from pcrnet.sweeps.folder.layout import SweepLayout, TrialLayout
from pcrnet.sweeps.folder.ledger import best_of, equals_of
from pcrnet.sweeps.folder.records import FinishedTrial, complete
from pcrnet.sweeps.folder.table import write_table
from pcrnet.sweeps.plan.settings import Sweep
from pcrnet.sweeps.proposals.savings import count_fits


def conclude(
    sweep: Sweep,
    layout: SweepLayout,
    finished: Sequence[FinishedTrial],
    fresh: Sequence[TrialLayout],
    job_of: JobOf,
) -> None:
    """Write ``trials.csv``, ``best.yaml``, ``estimate.json``, ``report.html``; the end is last.

    Args:
        sweep: What was searched.
        layout: Its folder.
        finished: All trials.
        fresh: Repeats of the winner, where those were asked for.
        job_of: The fits of a trial.
    """
    from pcrnet.sweeps.report.page import render_sweep

    write_table(layout.table, sweep, finished)
    winner = best_of(sweep, finished)
    estimate = _estimate(sweep, layout, finished, fresh, job_of)
    counted = count_fits(sweep, layout, finished, fresh)
    record: dict[str, object] = {"winner": None, "fits": counted.to_json()}
    if winner is not None and estimate is not None:
        write_text(layout.best, best_yaml(sweep, winner))
        record |= {
            "winner": winner.proposal.trial,
            "won_with": winner.value,
            "equals": equals_of(winner, finished),
            **estimate.to_json(),
        }
    write_json(layout.estimate, record)
    write_text(layout.report, render_sweep(sweep, layout, finished, estimate, counted))
    write_json(layout.finished, {"trials": len(finished), "complete": len(complete(finished))})


def best_yaml(sweep: Sweep, winner: FinishedTrial) -> str:
    """The experiment that won, under a name of its own, as ``train.py`` takes it."""
    experiment = sweep.trial(winner.proposal.values)
    run = experiment.run.model_copy(update={"name": f"{sweep.config.name}-best"})
    values = experiment.model_copy(update={"run": run}).model_dump(mode="json")
    head = (
        f"# The winner of the sweep {sweep.config.name}: trial {winner.proposal.trial}.\n"
        "# What it is worth stands in estimate.json and report.html beside this file; the value\n"
        "# that it won with is optimistic.\n"
        "#\n"
        "# Command:   python train.py THIS_FILE\n"
    )
    return head + plain_text(values)


def _estimate(
    sweep: Sweep,
    layout: SweepLayout,
    finished: Sequence[FinishedTrial],
    fresh: Sequence[TrialLayout],
    job_of: JobOf,
) -> WinnerEstimate | None:
    """None where no trial is complete, or no repeat of the winner."""
    if not complete(finished):
        return None
    if sweep.config.estimate.kind == "nested":
        predictions = {
            trial.proposal.trial: read_predictions(
                TrialLayout(layout.trials / trial.proposal.trial).predictions
            )
            for trial in complete(finished)
        }
        return estimate_nested(sweep, finished, predictions, job_of)
    judged = [place for place in fresh if place.predictions.is_file()]
    return estimate_fresh(sweep, judged) if judged else None

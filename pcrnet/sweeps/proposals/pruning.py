"""Giving a trial up between its fits, by Optuna's WilcoxonPruner.

A finished fit shows what the objective is on each fold that it left out, before anything is
calibrated; the signed-rank test compares these, fold by fold, with those of the best trial of
earlier batches. The order of the fits is fixed and the first moment at which the test speaks
counts, so that neither the number of workers nor the order in which they finish changes what is
given up.
"""

from __future__ import annotations

from collections.abc import Sequence

from pcrnet.config.sweep import Pruning
from pcrnet.data.seeds import derive_seed
from pcrnet.sweeps.folder.records import FinishedTrial, complete
from pcrnet.sweeps.optional import optuna_module
from pcrnet.sweeps.plan.settings import Sweep
from pcrnet.sweeps.proposals.search import steps, study_of
from pcrnet.training.plan import FitPlan, Mode, judged_fits


def fits_in_order(folds: int, mode: Mode) -> tuple[FitPlan, ...]:
    """The judged fits, those that leave out one fold first: they show the most."""
    return tuple(sorted(judged_fits(folds, mode), key=lambda plan: len(plan.left_out)))


def fits_until_given_up(
    sweep: Sweep,
    shown: Sequence[Sequence[float | None]],
    earlier: Sequence[FinishedTrial],
) -> int | None:
    """After how many fits a trial is given up; None as long as it is not.

    Args:
        sweep: What is searched.
        shown: Of each finished fit, in order and without a gap, the early values.
        earlier: Finished trials of earlier batches.
    """
    config: Pruning = sweep.config.pruning
    if not config.enabled or not complete(earlier):
        return None
    optuna = optuna_module()
    pruner = optuna.pruners.WilcoxonPruner(
        p_threshold=config.p_threshold, n_startup_steps=config.startup_steps
    )
    study = study_of(
        sweep, complete(earlier), seed=derive_seed(sweep.config.seed, "pruner") % 2**31
    )
    values: list[float | None] = []
    for count, fit in enumerate(shown, start=1):
        values += fit
        if not steps(values):
            continue
        trial = optuna.trial.create_trial(
            state=optuna.trial.TrialState.RUNNING, intermediate_values=steps(values)
        )
        if pruner.prune(study, trial):
            return count
    return None

"""``pcrnet sweep`` from its settings to its report, on whatever engine."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pcrnet.config.sweep import LocalEngine, RayEngine, SlurmEngine
from pcrnet.run.preparation import gather
from pcrnet.sweeps.engines.local import run_local, workers_here
from pcrnet.sweeps.engines.on_ray import run_on_ray
from pcrnet.sweeps.engines.on_slurm import run_on_slurm
from pcrnet.sweeps.folder.layout import SweepLayout, TrialLayout
from pcrnet.sweeps.folder.ledger import Ledger
from pcrnet.sweeps.joining import begin, outcome
from pcrnet.sweeps.optional import optuna_module
from pcrnet.sweeps.plan.settings import Sweep
from pcrnet.sweeps.proposals.pruning import fits_in_order
from pcrnet.training.devices import require_device
from pcrnet.training.events import Listener


class Bar(Protocol):
    """Something that shows how far one is."""

    def update(self, done: int, total: int) -> None:
        """So much is done, of so much that is known of."""


@dataclass(frozen=True)
class SweepProgress:
    """How far a sweep is, from its files.

    Attributes:
        trials: That are finished.
        fits: That are made.
        known: Fits of all trials that have been proposed.
    """

    trials: int
    fits: int
    known: int


def run_sweep(
    sweep: Sweep,
    listen: Listener,
    bar: Callable[[], AbstractContextManager[Bar]],
) -> tuple[SweepLayout, dict[str, object]]:
    """Begin a sweep, or go on with it, and wait for its end.

    Args:
        sweep: What is searched.
        listen: Told of the cohort's preprocessing.
        bar: Opens what shows the fits.

    Raises:
        PcrnetError: Whatever a user can cause and remedy.
    """
    if sweep.config.search.kind != "grid" or sweep.config.pruning.enabled:
        optuna_module()  # before anything is made
    require_device(sweep.experiment.training)
    layout = begin(sweep)
    if not layout.finished.exists():
        gather(sweep.experiment, listen)  # simulation and tensors, once, before workers need them
        ledger = Ledger(sweep, layout)
        with bar() as shown:

            def poll() -> int:
                found = progress(sweep, layout, ledger)
                shown.update(found.fits, max(found.known, 1))
                return found.fits

            _launch(sweep, layout, poll)
    return layout, outcome(layout)


def progress(sweep: Sweep, layout: SweepLayout, ledger: Ledger) -> SweepProgress:
    """How far it is."""
    evaluation = sweep.experiment.evaluation
    each = len(fits_in_order(evaluation.folds, evaluation.mode))
    fits = trials = known = 0
    for proposal in ledger.proposals():
        place = TrialLayout(layout.trials / proposal.trial)
        finished = ledger.finished(proposal)
        made = sum(1 for _ in place.folds.iterdir()) if place.folds.is_dir() else 0
        fits += made
        known += made if finished else each
        trials += finished is not None
    return SweepProgress(trials, fits, known)


def _launch(sweep: Sweep, layout: SweepLayout, poll: Callable[[], int]) -> None:
    log: Path = layout.path / "logs"
    match sweep.config.engine:
        case LocalEngine() as engine:
            workers = workers_here(engine, sweep.config, sweep.experiment.training)
            run_local(layout, workers, log, poll)
        case RayEngine() as engine:
            run_on_ray(layout, engine, log, poll)
        case SlurmEngine() as engine:
            run_on_slurm(layout, engine, log, poll)

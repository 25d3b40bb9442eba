"""The door to a module and data for a Lightning trainer of one's own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pcrnet.config.experiment import Experiment
from pcrnet.errors import ConfigError
from pcrnet.run.directory import RunDirectory
from pcrnet.run.preparation import prepare
from pcrnet.training.events import Listener, RunEvent
from pcrnet.training.plan import FitPlan

if TYPE_CHECKING:
    from pcrnet.data.datamodule import FitDataModule
    from pcrnet.training.lightning.module import PcrModule


def module_and_data(
    experiment: Experiment,
    *listeners: Listener,
    left_out: Sequence[int] = (0,),
    validation: float = 0.2,
) -> tuple[PcrModule, FitDataModule]:
    """What one fit of the experiment trains, and on whom, before anything is trained.

    Everything before the first fit is done as :func:`pcrnet.run.pipeline.train` does it, in the
    run's folder: the table is checked, the tensors are made, the folds are drawn.

    Args:
        experiment: The configuration.
        listeners: Told of every stage and remark.
        left_out: The folds that are left out; their patients are tested on. Empty: nobody.
        validation: Share of the training patients to validate on; 0: none.

    Raises:
        ConfigError: There is no such fold, or the model trains no network.
        PcrnetError: Whatever else a user can cause and remedy.
    """
    from pcrnet.training.parts import module_and_data as of_fit

    folds = experiment.evaluation.folds
    if any(fold not in range(folds) for fold in left_out):
        raise ConfigError(
            f"the folds are 0 to {folds - 1}, found {list(left_out)}",
            field="left_out",
            remedy="name folds of the run, or set evaluation.folds",
        )

    def listen(event: RunEvent) -> None:
        for listener in listeners:
            listener(event)

    run = RunDirectory(experiment.run.directory)
    with run.opened(experiment):
        job, _, _ = prepare(experiment, run, listen)
        return of_fit(FitPlan(tuple(sorted(set(left_out)))), job, validation=validation)

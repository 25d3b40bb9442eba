"""What a worker does with a trial: pcrnet's own fits, in the trial's own run directory."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from pcrnet.cohort.outcome import HEADS
from pcrnet.cohort.table import allowed_cells
from pcrnet.config.experiment import Experiment
from pcrnet.decision.calibrators import head_probabilities, joint_cells
from pcrnet.decision.nested import head_labels
from pcrnet.errors import RunError
from pcrnet.evaluation.metrics import head_metrics
from pcrnet.evaluation.tables.predictions import write_predictions
from pcrnet.run.directory import RunDirectory
from pcrnet.run.judging import judge
from pcrnet.run.preparation import Material, gather, settle
from pcrnet.storage import sha256_json, write_text
from pcrnet.sweeps.conclusion import conclude
from pcrnet.sweeps.folder.layout import SweepLayout, TrialLayout
from pcrnet.sweeps.folder.records import FinishedTrial, FitNote
from pcrnet.sweeps.plan.objective import early_value, objective_value
from pcrnet.sweeps.plan.settings import Sweep, scoring
from pcrnet.sweeps.worker import Check, TrialFailedError
from pcrnet.training.devices import require_device
from pcrnet.training.events import (
    EpochReport,
    FitTimed,
    Listener,
    Measured,
    Remark,
    RunEvent,
)
from pcrnet.training.fit import FitJob, read_logits, run_fit
from pcrnet.training.plan import FitPlan


class FitShop:
    """Makes the fits of trials, one after the other, in this process.

    Args:
        sweep: What is searched.
        layout: Its folder.
        device_index: Which GPU to use, where there is one.
        say: Told of what a reader of the log should know.
    """

    def __init__(
        self,
        sweep: Sweep,
        layout: SweepLayout,
        device_index: int = 0,
        say: Callable[[str], None] = lambda text: None,
    ) -> None:
        import torch

        self._sweep, self._layout = sweep, layout
        self._device_index, self._say = device_index, say
        self._materials: dict[str, Material] = {}
        self._jobs: dict[Path, FitJob] = {}
        torch.set_num_threads(sweep.config.threads)
        require_device(sweep.experiment.training)

    def prepare(self, listen: Listener) -> None:
        """Read the cohort and make its tensors, as the experiment that all trials share has it."""
        self._material(self._placed(self._sweep.experiment, self._layout.trials), listen)

    def fit(
        self, experiment: Experiment, plan: FitPlan, trial: TrialLayout, folder: Path, check: Check
    ) -> FitNote:
        """Make a fit in ``folder``, or go on with what lies there."""
        import torch

        job = replace(self._job(experiment, trial), directory=folder)
        losses: list[float] = []

        def listen(event: EpochReport | Measured | FitTimed | Remark) -> None:
            check()
            if isinstance(event, EpochReport):
                losses.append(round(event.loss, 6))
            elif isinstance(event, Remark):
                self._say(event.text)

        started = time.monotonic()
        try:
            run_fit(plan, job, device_index=self._device_index, listen=listen)
        except torch.OutOfMemoryError as error:
            raise TrialFailedError(
                "the memory of the GPU does not hold a fit",
                field="training.batch_size",
                remedy="search smaller values, or let fewer workers share a GPU",
            ) from error
        seconds = time.monotonic() - started
        early = self._early(job, plan, folder / plan.name)
        return FitNote(round(seconds, 3), early, losses=tuple(losses))

    def judge(
        self, experiment: Experiment, trial: TrialLayout
    ) -> tuple[float | None, dict[str, dict[str, float | None]]]:
        """The objective of a trial whose fits are finished, and all metrics of its heads."""
        job = self._job(experiment, trial)
        scans = self._material(job.experiment, _silent).scans
        predictions = judge(job, scans).predictions
        write_predictions(trial.predictions, predictions)
        evaluation = scoring(job.experiment.evaluation)
        heads: dict[str, dict[str, float | None]] = {
            head: {
                name: estimate.value
                for name, estimate in head_metrics(predictions, head, evaluation).items()
            }
            for head in predictions.heads
        }
        return objective_value(predictions, self._sweep.config.objective, evaluation), heads

    def finish(self, finished: Sequence[FinishedTrial], fresh: Sequence[TrialLayout]) -> None:
        """Judge the winner and write the report."""

        def job_of(trial: FinishedTrial) -> FitJob:
            layout = TrialLayout(self._layout.trials / trial.proposal.trial)
            return self._job(self._sweep.trial(trial.proposal.values), layout)

        conclude(self._sweep, self._layout, finished, fresh, job_of)

    def _job(self, experiment: Experiment, trial: TrialLayout) -> FitJob:
        """The trial's fits to be; its folder is begun where nobody has."""
        if trial.path not in self._jobs:
            placed = self._placed(experiment, trial.path.parent, trial.path.name)
            material = self._material(placed, self._heed)
            run = RunDirectory(trial.path)
            if not run.config.is_file():
                write_text(run.config, placed.to_yaml())
            job = settle(placed, material, run, self._heed)
            self._check_patients(job)
            self._jobs[trial.path] = job
        return self._jobs[trial.path]

    def _check_patients(self, job: FitJob) -> None:
        """Refuse a trial of other patients than the sweep is about: they cannot be compared."""
        common = self._material(self._placed(self._sweep.experiment, self._layout.trials), _silent)
        if [each.patient_id for each in common.patients] != [
            each.patient_id for each in job.patients
        ]:
            raise TrialFailedError(
                "these settings let other patients enter than those of the other trials",
                field="data",
                remedy="let all trials read the same patients, or lower data.minimum_scans",
            )

    def _material(self, experiment: Experiment, listen: Listener) -> Material:
        """Patients, scans and tensors; read once for all trials that read them alike."""
        deciding = {
            name: getattr(experiment, name).model_dump(mode="json")
            for name in ("data", "outcome", "imaging")
        }
        key = sha256_json([deciding, experiment.run.seed])
        if key not in self._materials:
            self._materials[key] = gather(experiment, listen)
        return self._materials[key]

    def _placed(self, experiment: Experiment, root: Path, name: str = "base") -> Experiment:
        """The experiment where its files are: tensors in the one cache that all trials share."""
        base = self._sweep.experiment
        from pcrnet.simulation.trial import COVARIATES

        data = {
            "cohort": cohort_of(base, self._layout),
            "cache": str(cache_of(base, self._layout)),
            "covariates": COVARIATES
            if base.data.cohort is None and experiment.data.covariates is None
            else experiment.data.covariates,
        }
        return experiment.model_copy(
            update={
                "run": experiment.run.model_copy(update={"root": str(root), "name": name}),
                "data": experiment.data.model_copy(update=data),
            }
        )

    def _early(self, job: FitJob, plan: FitPlan, folder: Path) -> tuple[float | None, ...]:
        """What the fit shows of the objective on each fold that it left out."""
        logits = read_logits(folder)
        objective = self._sweep.config.objective
        values = []
        for fold in plan.left_out:
            members = [each for each in job.patients if job.splits.fold_of[each.patient_id] == fold]
            prob = head_probabilities(
                joint_cells(np.stack([logits[each.patient_id] for each in members]))
            )
            allowed = allowed_cells(members)
            label = {head: head_labels(allowed, head) for head in HEADS}
            values.append(early_value(prob, label, objective))
        return tuple(values)

    def _heed(self, event: RunEvent) -> None:
        if isinstance(event, Remark):
            self._say(event.text)


def cohort_of(base: Experiment, layout: SweepLayout) -> str:
    """Path of the cohort's table, which is simulated where none is given.

    Raises:
        RunError: It is to be simulated and has not been.
    """
    if base.data.cohort is not None:
        return base.data.cohort
    from pcrnet.run.preparation import simulation_name
    from pcrnet.simulation.trial import is_simulated

    folder = layout.root / "trials" / simulation_name(base)
    if not is_simulated(folder / "cohort.csv"):
        raise RunError(
            "the cohort of this sweep is to be simulated and has not been",
            file=folder,
            remedy="start pcrnet sweep first; pcrnet work joins it",
        )
    return str(folder / "cohort.csv")


def cache_of(base: Experiment, layout: SweepLayout) -> Path:
    """The one folder of preprocessed tensors."""
    return Path(base.data.cache) if base.data.cache else layout.root / "cache"


def _silent(event: RunEvent) -> None:
    """Where nobody listens."""

"""What a run needs and what there is: device, memory, disk, fits and time."""

from __future__ import annotations

import math
import os
import platform
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from pcrnet.config.experiment import Experiment
from pcrnet.doctor.imagined import imagine
from pcrnet.doctor.step import time_step
from pcrnet.errors import PcrnetError, ProblemListError, RunError
from pcrnet.machine import available_cores, available_memory, in_words
from pcrnet.models.kinds import KINDS
from pcrnet.training.demands.memory import (
    MemoryNeed,
    fits_wanted,
    images_alone,
    memory_need,
)
from pcrnet.training.devices import (
    computing_device,
    lightning_precision,
    uses_gpu,
)
from pcrnet.training.fit import networks_of_fit
from pcrnet.training.plan import FitPlan, fits_in_words, judged_fits, plan_fits, rivals_to_train

_SURELY = 1.25
"""Estimates of memory were off by up to 16 %: what is refused exceeds what there is by more."""
_BESIDES_THE_STEP = 1.4
"""Augmenting, loading and logging, measured: 88 ms of a step of 63."""
_FIT_S = 1.0
"""Beginning a fit, predicting with it and writing it."""
_IMAGE_S = 1.0
"""Reading, registering and resampling a patient of twelve scans, on one core."""
_OTHER_FILES = 20_000_000
"""Of a run: report, predictions, figures."""
_PRECISIONS = {"bf16-mixed": "bf16", "32-true": "float32", "64-true": "float64"}


@dataclass(frozen=True)
class MachineNeeds:
    """What an experiment needs of this machine.

    Attributes:
        patients: Of the cohort.
        device: In words.
        precision: Of training, in words.
        cores: That this process may use.
        memory: Bytes a fit takes, and all tensors; None where no network is trained.
        memory_free: Bytes that can still be taken; None where nothing tells.
        gpu_free: Bytes that are free on the GPU; None on a CPU.
        side_by_side: Fits that run at the same time.
        tensors: Bytes of the preprocessed images on the disk.
        tensors_there: Bytes that the folder of tensors holds already.
        run: Bytes that the run writes.
        disk_free: Bytes that are free where the run is written.
        cache_free: Bytes that are free where the tensors are written.
        fits: Of the run's own model, its repeats and rivals.
        planned: The same in the words of the training that is to come.
        step_s: Of one step of training; None where no network is trained.
        seconds: That it may all take, preprocessing included.
    """

    patients: int
    device: str
    precision: str
    cores: int
    memory: MemoryNeed | None
    memory_free: int | None
    gpu_free: int | None
    side_by_side: int
    tensors: int
    tensors_there: int
    run: int
    disk_free: int
    cache_free: int
    fits: int
    planned: str
    step_s: float | None
    seconds: float

    def lines(self) -> list[str]:
        """All of it, in words."""
        here = [f"device: {self.device}, {self.cores} cores granted, {self.precision}"]
        if self.memory is not None:
            free = "unknown" if self.memory_free is None else in_words(self.memory_free)
            text = (
                f"memory: a fit needs about {in_words(self.memory.fit)}, the tensors of all "
                f"{in_words(self.memory.cohort)}; free: {free}"
            )
            if self.gpu_free is not None:
                text += (
                    f"; on the GPU a fit needs about {in_words(self.memory.gpu)} of "
                    f"{in_words(self.gpu_free)}"
                )
            here.append(text)
        here.append(
            f"disk: tensors of {self.patients} patients take up to {in_words(self.tensors)}, "
            f"{in_words(self.tensors_there)} are there already, {in_words(self.cache_free)} are "
            f"free; the run takes about {in_words(self.run)} of {in_words(self.disk_free)}"
        )
        step = "" if self.step_s is None else f"; {1000 * self.step_s:.0f} ms a step"
        fits = f"fits: {self.planned}{step}; {self.side_by_side} at a time"
        # Of a network whose step was not timed, since it does not fit, nobody knows.
        timed = self.memory is None or self.step_s is not None
        here.append(f"{fits}; about {_duration(self.seconds)} in all" if timed else fits)
        return here

    def problems(self) -> list[PcrnetError]:
        """Why it cannot fit on this machine; empty where it can."""
        found: list[PcrnetError] = []
        smaller = "lower training.batch_size, imaging.size or the widths of model.encoder"
        if self.memory is not None:
            free = self.memory_free
            if free is not None and self.memory.fit > _SURELY * free:
                found.append(
                    RunError(
                        f"one fit needs about {in_words(self.memory.fit)} of memory, and "
                        f"{in_words(free)} are free",
                        field="training.batch_size",
                        remedy=f"{smaller}, or take a machine with more memory",
                    )
                )
            if self.gpu_free is not None and self.memory.gpu > _SURELY * self.gpu_free:
                found.append(
                    RunError(
                        f"one fit needs about {in_words(self.memory.gpu)} on the GPU, and "
                        f"{in_words(self.gpu_free)} are free there",
                        field="training.batch_size",
                        remedy=f"{smaller}, or end what else uses the GPU",
                    )
                )
        missing = max(0, self.tensors - self.tensors_there)
        if missing > self.cache_free:
            found.append(
                RunError(
                    f"the preprocessed images need up to {in_words(missing)} more, and "
                    f"{in_words(self.cache_free)} are free",
                    field="data.cache",
                    remedy="free space, or set data.cache to a folder on another disk",
                )
            )
        if self.run > self.disk_free:
            found.append(
                RunError(
                    f"the run writes about {in_words(self.run)}, and {in_words(self.disk_free)} "
                    "are free",
                    field="run.root",
                    remedy="free space, or set run.root to a folder on another disk",
                )
            )
        return found

    def require_room(self) -> None:
        """Refuse what cannot fit.

        Raises:
            ProblemListError: It does not.
        """
        problems = self.problems()
        if problems:
            raise ProblemListError("this experiment does not fit on this machine", problems)


def foresee(experiment: Experiment, patients: int, covariates: int) -> MachineNeeds:
    """Find out what an experiment needs, with a forward pass and half a second of steps.

    Args:
        experiment: The configuration.
        patients: Of the cohort.
        covariates: How many clinical covariates enter.

    Raises:
        ProblemListError: The images alone are more than the machine holds, so that none is made.
    """
    training = experiment.training
    trains = KINDS[experiment.model.kind].trains
    fits = _planned_fits(experiment)
    rivals = len(rivals_to_train(experiment, covariates))
    data = experiment.data
    voxels = math.prod(experiment.imaging.size) * len(data.timepoints) * len(data.channels)
    free = available_memory()
    memory = weights = None
    if trains:
        _refuse_at_sight(images_alone(training, voxels), free)
        network, one = imagine(experiment, covariates, 1)
        weights = sum(parameter.numel() * 4 for parameter in network.parameters())
        memory = memory_need(network, one, training, networks_of_fit(experiment), patients)
        del network
    side_by_side = min(fits_wanted(memory, training), len(fits)) if trains else 1
    if memory is not None and free is not None and training.parallel_fits == "auto":
        side_by_side = max(1, min(side_by_side, free // memory.fit))
    cache = _existing(experiment.cache_directory)
    root = _existing(Path(experiment.run.root))
    needs = MachineNeeds(
        patients=patients,
        device=_device(experiment),
        precision=_PRECISIONS[lightning_precision(training)] if trains else "float64",
        cores=available_cores(),
        memory=memory,
        memory_free=free,
        gpu_free=torch.cuda.mem_get_info(computing_device(training, 0))[0]
        if trains and uses_gpu(training)
        else None,
        side_by_side=side_by_side,
        tensors=patients * (2 * voxels + 20_000),
        tensors_there=_bytes_in(experiment.cache_directory),
        run=_OTHER_FILES + len(fits) * networks_of_fit(experiment) * 2 * (weights or 100_000),
        disk_free=shutil.disk_usage(root).free,
        cache_free=shutil.disk_usage(cache).free,
        fits=len(fits) + _fits_of_rivals(experiment, rivals),
        planned=_planned_in_words(experiment, rivals),
        step_s=None,
        seconds=0.0,
    )
    if needs.problems() or not trains:
        return _timed(needs, experiment, fits, patients, None)
    threads = available_cores() if uses_gpu(training) else max(1, available_cores() // side_by_side)
    step = time_step(experiment, covariates, threads)
    return _timed(needs, experiment, fits, patients, step.seconds)


def _refuse_at_sight(needed: int, free: int | None) -> None:
    """Refuse what could not even be tried out; trying would end this process instead."""
    if free is not None and needed > _SURELY * free:
        problem = RunError(
            f"the images of one fit alone need {in_words(needed)} of memory, and "
            f"{in_words(free)} are free",
            field="imaging.size",
            remedy="lower imaging.size or training.batch_size, or raise imaging.spacing_mm",
        )
        raise ProblemListError("this experiment does not fit on this machine", [problem])


def _timed(
    needs: MachineNeeds,
    experiment: Experiment,
    fits: list[FitPlan],
    patients: int,
    step_s: float | None,
) -> MachineNeeds:
    folds, training = experiment.evaluation.folds, experiment.training
    networks = networks_of_fit(experiment)
    learning = 1.0 if networks < 2 else 1.0 - 1.0 / networks  # each leaves out a part
    seconds = _FIT_S * needs.fits
    for plan in fits:
        inside = patients * (1 - len(plan.left_out) / folds) * learning
        steps = math.ceil(inside / training.batch_size) * training.max_epochs
        if training.max_steps is not None:
            steps = min(steps, training.max_steps)
        seconds += networks * steps * (step_s or 0.0) * _BESIDES_THE_STEP
    seconds /= needs.side_by_side
    missing = max(0, needs.tensors - needs.tensors_there) / max(1, needs.tensors)
    seconds += patients * missing * _IMAGE_S / needs.cores
    return replace(needs, step_s=step_s, seconds=seconds)


def _planned_fits(experiment: Experiment) -> list[FitPlan]:
    """The fits of the run's own model, in all repeats."""
    evaluation = experiment.evaluation
    again = judged_fits(evaluation.folds, evaluation.mode)
    return [
        *plan_fits(evaluation.folds, evaluation.mode),
        *(plan for _ in range(evaluation.repeats - 1) for plan in again),
    ]


def _fits_of_rivals(experiment: Experiment, rivals: int) -> int:
    evaluation = experiment.evaluation
    return rivals * len(judged_fits(evaluation.folds, evaluation.mode))


def _planned_in_words(experiment: Experiment, rivals: int) -> str:
    """Stage by stage, as training names them: own fits, those of the repeats, those of rivals."""
    evaluation = experiment.evaluation
    own = len(plan_fits(evaluation.folds, evaluation.mode))
    parts = [fits_in_words(own, networks_of_fit(experiment), experiment.training.max_epochs)]
    again = len(judged_fits(evaluation.folds, evaluation.mode))
    if evaluation.repeats > 1:
        parts.append(f"{evaluation.repeats - 1} × {again} more in repeats")
    if rivals:
        parts.append(f"{rivals} × {again} of rivals")
    return ", ".join(parts)


def _device(experiment: Experiment) -> str:
    if not KINDS[experiment.model.kind].trains or not uses_gpu(experiment.training):
        return f"CPU ({platform.machine()}, {torch.backends.cpu.get_cpu_capability()})"
    count = torch.cuda.device_count()
    name = torch.cuda.get_device_name(computing_device(experiment.training, 0))
    return f"{count} × {name}" if count > 1 else name


def _existing(path: Path) -> Path:
    """The folder, or the nearest above it that is there."""
    found = path.absolute()
    while not found.exists():
        found = found.parent
    return found


def _bytes_in(folder: Path) -> int:
    if not folder.is_dir():
        return 0
    with os.scandir(folder) as entries:
        return sum(entry.stat().st_size for entry in entries if entry.name.endswith(".safetensors"))


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}"

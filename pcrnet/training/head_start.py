"""Workers that train begin with torch and Lightning imported, and these can be imported early.

This module imports neither: a command calls it before it imports the rest itself.
"""

from __future__ import annotations

from multiprocessing.context import BaseContext
from pathlib import Path

from pcrnet.config.experiment import Experiment
from pcrnet.config.model import RIVALS
from pcrnet.machine import available_cores
from pcrnet.processes import warm_context

_NEEDED = (
    "pcrnet.training.crossval",
    "pcrnet.data.datamodule",
    "pcrnet.training.lightning.callbacks",
    "pcrnet.training.lightning.checkpoints",
    "pcrnet.training.lightning.clock",
    "pcrnet.training.lightning.meter",
    "pcrnet.training.lightning.module",
    "pcrnet.training.lightning.named",
    "pcrnet.training.lightning.trainer",
    "sklearn.covariance",
)
_GPU_DRIVERS = (Path("/dev/nvidiactl"), Path("/dev/kfd"))


def warm_workers() -> BaseContext:
    """What starts workers that train on the CPU."""
    return warm_context(_NEEDED)


def begin_early(experiment: Experiment) -> None:
    """Let the imports of workers begin, where fits will surely run side by side on the CPU."""
    training = experiment.training
    on_cpu = training.accelerator == "cpu" or (
        training.accelerator == "auto" and not any(path.exists() for path in _GPU_DRIVERS)
    )
    fits = training.parallel_fits
    several = available_cores() > 1 if fits == "auto" else fits > 1
    trains = experiment.model.kind not in RIVALS
    if on_cpu and several and trains:
        warm_workers()

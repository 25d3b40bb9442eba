"""What ``pcrnet doctor`` says, and what the head of every run says of itself."""

from __future__ import annotations

import math
import platform
from collections.abc import Callable, Iterator
from pathlib import Path

import torch

from pcrnet import __version__
from pcrnet.cohort.table import read_cohort
from pcrnet.config.experiment import Experiment
from pcrnet.doctor.bench import measure
from pcrnet.doctor.convolution import (
    LARGEST_ERROR,
    ConvolutionCheck,
    check_convolutions,
    cudnn_version,
)
from pcrnet.doctor.needs import MachineNeeds, foresee
from pcrnet.machine import available_cores
from pcrnet.review.channel_rules import rules_in_words
from pcrnet.simulation.trial import COVARIATES
from pcrnet.training.devices import (
    computing_device,
    lightning_precision,
    require_deterministic_layers,
    require_device,
    uses_gpu,
)


def examine(
    experiment: Experiment, say: Callable[[str], None], *, bench: bool = False
) -> MachineNeeds:
    """Say what an experiment needs and what there is, check the arithmetic, and refuse what cannot
    fit.

    Args:
        experiment: The configuration.
        say: Told a line at a time.
        bench: Whether to measure the machine as well.

    Raises:
        ProblemListError: It does not fit on this machine.
        PcrnetError: The table cannot be read, or a GPU is asked for and there is none.
    """
    for line in _versions():
        say(line)
    require_device(experiment.training)
    require_deterministic_layers(experiment)
    patients, covariates = _size(experiment)
    needs = foresee(experiment, patients, covariates)
    for line in [*rules_in_words(experiment.data, experiment.imaging), *needs.lines()]:
        say(line)
    for line in arithmetic(experiment):
        say(line)
    if bench:
        for found in measure(experiment, covariates, available_cores()):
            say(f"{found.title}: {found.value:,.3g} {found.unit}")
    needs.require_room()
    return needs


def arithmetic(experiment: Experiment) -> list[str]:
    """Whether bf16 computes right here, where it is asked for or a GPU might use it."""
    reduced = lightning_precision(experiment.training) == "bf16-mixed"
    if not reduced and not uses_gpu(experiment.training):
        return ["bf16: not used; training is in float32"]
    checks = check_convolutions(computing_device(experiment.training, 0))
    wrong = [check for check in checks if not check.sound]
    if not wrong:
        worst = max(check.error for check in checks)
        return [f"bf16: {len(checks)} convolutions agree with float32 to {worst:.1%}"]
    return [
        *(_wrong(check) for check in wrong),
        "bf16 is wrong on this device: a run compares its own gradients and trains in float32"
        + (f"; cuDNN is {cudnn_version()}, update it" if uses_gpu(experiment.training) else ""),
    ]


def _wrong(check: ConvolutionCheck) -> str:
    error = "not finite" if math.isnan(check.error) else f"off by {check.error:.0%}"
    return f"bf16: {check.part} of {check.case.title} is {error} (limit {LARGEST_ERROR:.0%})"


def _versions() -> Iterator[str]:
    yield (
        f"pcrnet {__version__}, Python {platform.python_version()}, torch {torch.__version__}"
        + (f", cuDNN {cudnn_version()}" if cudnn_version() else "")
    )


def _size(experiment: Experiment) -> tuple[int, int]:
    """Patients and covariates, from the table; of a trial that is simulated, from its settings."""
    data = experiment.data
    if data.cohort is None:
        count = len(COVARIATES if data.covariates is None else data.covariates)
        return data.simulation.patients, count
    covariates = data.covariates or ()
    cohort = read_cohort(
        Path(data.cohort),
        definition=experiment.outcome.definition,
        timepoints=data.timepoints,
        channels=data.channels,
        covariates=covariates,
    )
    enough = [
        patient
        for patient in cohort.patients
        if sum(len(visit.scans) for visit in patient.visits.values()) >= data.minimum_scans
    ]
    return len(enough), len(covariates)

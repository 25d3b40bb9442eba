"""The tiny trial, ready for single fits."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from pcrnet.cohort.table import Patient, read_cohort
from pcrnet.data.splits import make_splits
from pcrnet.training.fit import FitJob


@pytest.fixture(scope="session")
def tiny_patients(tiny_trial) -> tuple[Patient, ...]:
    """The patients of the tiny trial who have enough scans, by name."""
    cohort = read_cohort(
        tiny_trial.cohort,
        timepoints=("baseline", "interim"),
        channels=("pet", "t2", "adc"),
        covariates=("age", "grade"),
    )
    enough = [item for item in cohort.patients if item.patient_id != tiny_trial.left_out]
    return tuple(sorted(enough, key=lambda patient: patient.patient_id))


@pytest.fixture
def make_job(tiny_trial, tiny_patients, tmp_path: Path) -> Callable[..., FitJob]:
    """A job of the tiny trial in a folder of its own, with overrides of the configuration."""

    def make(*overrides: str, folder: str = "folds") -> FitJob:
        experiment = tiny_trial.experiment(tmp_path, *overrides)
        splits = make_splits(tiny_patients, 3, experiment.run.seed, "patient")
        return FitJob(experiment, ("age", "grade"), tiny_patients, splits, tmp_path / folder)

    return make


@pytest.fixture
def single_thread():
    """Fits whose bits are compared run on one thread, whatever the machine has."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)

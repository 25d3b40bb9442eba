"""The run directory while it is made: whose it is, and what its numbers depend on."""

from __future__ import annotations

import importlib.metadata
import platform
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from filelock import FileLock, Timeout

from pcrnet import __version__
from pcrnet.cohort.table import Patient
from pcrnet.config.evaluation import ASKED_AFTER_TRAINING
from pcrnet.config.experiment import Experiment
from pcrnet.config.layers import parse_experiment
from pcrnet.config.plain_yaml import read_yaml
from pcrnet.csv_text import csv_of_records
from pcrnet.drafts import sweep_abandoned
from pcrnet.errors import RunError
from pcrnet.imaging.quantify.record import LESION_COLUMNS, QuantityFlags, lesion_cells
from pcrnet.machine import available_cores
from pcrnet.run_layout import RunLayout
from pcrnet.storage import (
    make_folder,
    sha256_json,
    write_json,
    write_text,
)

_LIBRARIES = (
    "torch",
    "pytorch-lightning",
    "monai",
    "numpy",
    "scipy",
    "scikit-learn",
    "nibabel",
    "pydicom",
)


class RunDirectory(RunLayout):
    """A run that is being made: held by one process, with the records of how it was made."""

    @contextmanager
    def opened(self, experiment: Experiment) -> Iterator[None]:
        """Hold the run for this process, new or continued.

        Raises:
            RunError: Another process is training it, or it was begun with another configuration.
        """
        make_folder(self.path)
        # The lock ends with the process, however it ends.
        lock = FileLock(self.lock, timeout=0)
        try:
            lock.acquire()
        except Timeout as error:
            raise RunError(
                "another process is training this run",
                file=self.path,
                remedy="wait for it, or choose another run.name",
            ) from error
        except (OSError, NotImplementedError) as error:
            raise RunError(
                f"the folder cannot be locked against a second process ({type(error).__name__})",
                file=self.path,
                remedy="set run.root to a folder that can be written, on a file system with locks",
            ) from error
        try:
            sweep_abandoned(self.path)
            self._begin_or_continue(experiment)
            yield
        finally:
            lock.release()

    def _begin_or_continue(self, experiment: Experiment) -> None:
        if not self.config.is_file():
            write_text(self.config, experiment.to_yaml())
            return
        before = deciding_values(parse_experiment(read_yaml(self.config)))
        changed = sorted(
            key for key, value in deciding_values(experiment).items() if before.get(key) != value
        )
        if changed and self.splits.is_file():  # before there are folds nothing was made of them
            raise RunError(
                f"the run was begun with other values of {', '.join(changed)}",
                file=self.path,
                remedy="choose another run.name, delete the folder, or take the values back",
            )
        write_text(self.config, experiment.to_yaml())

    def write_environment(self, experiment: Experiment, **facts: object) -> None:
        """Record what the numbers depend on beside the configuration."""
        import torch

        gpus = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
        write_json(
            self.environment,
            {
                "pcrnet": __version__,
                "python": platform.python_version(),
                "platform": f"{platform.system()} {platform.machine()}",
                "cpus": available_cores(),
                "gpus": gpus,
                "libraries": {name: importlib.metadata.version(name) for name in _LIBRARIES},
                "seed": experiment.run.seed,
                "config_sha256": sha256_json(deciding_values(experiment)),
                **facts,
            },
        )

    def write_patients(
        self,
        patients: Sequence[Patient],
        covariates: Sequence[str],
        flags: Mapping[str, QuantityFlags],
    ) -> None:
        """Write who the patients are and where the lesion of each was taken from, a row each."""
        timepoints = list(patients[0].visits)
        columns = [
            "patient_id",
            "site",
            *covariates,
            *(f"{timepoint}.days" for timepoint in timepoints),
            *(name for name in LESION_COLUMNS if name not in covariates),
        ]
        records = (
            {
                "patient_id": patient.patient_id,
                "site": patient.site,
                **lesion_cells(flags[patient.patient_id]),
                **{name: patient.covariates.get(name) for name in covariates},
                **{f"{name}.days": visit.days for name, visit in patient.visits.items()},
            }
            for patient in patients
        )
        write_text(self.patients, csv_of_records(columns, records))


def deciding_values(experiment: Experiment) -> dict[str, Any]:
    """Dotted keys and values that decide numbers; where and how fast a run computes does not."""
    values = experiment.without_paths().model_dump(mode="json")
    free = {
        "run.root",
        "data.cohort",  # its content is what counts, and every fit is named by that
        "data.cache",
        "data.workers",
        "training.parallel_fits",
        "training.resident",
        "training.checkpoints",
        "evaluation.repeats",  # more of them continue a run
        *(f"evaluation.{key}" for key in ASKED_AFTER_TRAINING),
    }
    return {
        f"{section}.{key}": value
        for section, fields in values.items()
        if section != "tracking"
        for key, value in fields.items()
        if f"{section}.{key}" not in free
    }

"""One fit, from a plan to weights and logits on disk; finished once, never trained twice."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pcrnet.cohort.table import Patient
from pcrnet.config.experiment import Experiment
from pcrnet.config.model import NetworkConfig, without_weights
from pcrnet.config.training import TrainingConfig
from pcrnet.csv_text import csv_text
from pcrnet.data.dataset import TensorSource
from pcrnet.data.held import HeldTensors
from pcrnet.data.resident import on_gpu
from pcrnet.data.splits import Splits
from pcrnet.errors import IntegrityError, RunError
from pcrnet.imaging.tensors.cache import Identity, TensorCache
from pcrnet.machine import keep_freed_memory
from pcrnet.models.contract import FitRequest, FittedModel
from pcrnet.models.dual_branch.pretraining import weights_digests
from pcrnet.models.kinds import KINDS, fit_model
from pcrnet.storage import (
    read_record,
    read_rows,
    sha256_file,
    sha256_json,
    taking_apart,
    write_json,
    write_text,
)
from pcrnet.training.devices import computing_device, lightning_precision
from pcrnet.training.events import FitEvent
from pcrnet.training.fit_code import code_digest
from pcrnet.training.lightning.finite import require_finite_logits
from pcrnet.training.lightning.loop import TrainingLoop, forget_trained
from pcrnet.training.plan import FitPlan

LOGITS_FILE = "logits.csv"
MODEL_FOLDER = "model"
DONE_FILE = "done.json"
_DECIDING_NOTHING = {"parallel_fits", "checkpoints", "resident"}
_UNSAID = {"precision": None}
_LOGIT_COLUMNS = ("logit_yT0", "logit_yN0_given_yT0", "logit_yN0_given_residual")


@dataclass(frozen=True)
class FitJob:
    """Everything that a fit needs; plain data that worker processes can be sent.

    Attributes:
        experiment: The configuration.
        covariates: Clinical columns that enter.
        patients: All patients of the cohort that entered the run.
        splits: Their folds.
        directory: ``folds/`` of the run directory.
        precision: What the run has settled on (:mod:`pcrnet.training.demands.precision`); None
            takes the configuration's word.
        verified: Files of the cache whose checksums the run has verified: no fit does so again.
    """

    experiment: Experiment
    covariates: tuple[str, ...]
    patients: tuple[Patient, ...]
    splits: Splits
    directory: Path
    precision: Literal["32", "bf16"] | None = None
    verified: Mapping[str, Identity] = field(default_factory=dict)

    @property
    def training(self) -> TrainingConfig:
        """How fits are trained, in the precision that was settled on."""
        config = self.experiment.training
        if self.precision is None:
            return config
        trainer = config.trainer
        if trainer.precision == "64-true":
            return config
        settled = {"precision": self.precision, "trainer": trainer.model_copy(update=_UNSAID)}
        return config.model_copy(update=settled)

    def cache(self) -> TensorCache:
        """The tensors of the cohort."""
        experiment = self.experiment
        return TensorCache(
            experiment.cache_directory,
            experiment.data,
            experiment.imaging,
            verified=self.verified,
        )


def run_fit(
    plan: FitPlan,
    job: FitJob,
    *,
    device_index: int = 0,
    listen: Callable[[FitEvent], None] = lambda event: None,
) -> bool:
    """Fit one model, write it and its logits; a finished fit is left alone.

    Args:
        plan: Which folds are left out.
        job: What all fits of the run share.
        device_index: Which GPU to use, where there is one.
        listen: Told of every epoch, and where a fit that was cut has to start afresh.

    Returns:
        Whether the fit had to be trained (False: it was finished before).

    Raises:
        RunError: A finished fit in this folder was made of other data or by other code.
        NotFiniteError: Training has left the finite numbers.
    """
    directory = job.directory / plan.name
    training, left_out = partition(plan, job)
    cache = job.cache()
    fingerprint = _fingerprint(plan, job, training, cache)
    if is_finished(directory, fingerprint):
        forget_trained(directory)  # it may have been killed just after its seal
        return False
    directory.mkdir(parents=True, exist_ok=True)
    keep_freed_memory()
    experiment, device = job.experiment, computing_device(job.training, device_index)
    source: TensorSource = HeldTensors(cache)
    if device.type == "cuda" and job.training.resident and job.training.trainer.devices == 1:
        source = on_gpu(cache, source, job.patients, device)
    loop = TrainingLoop(
        experiment,
        job.training,
        plan.name,
        fingerprint,
        source,
        directory,
        device_index,
        epochs_of_fit(experiment),
        listen,
    )
    request = FitRequest(
        name=plan.name,
        patients=tuple(training),
        source=source,
        covariates=job.covariates,
        data=experiment.data,
        imaging=experiment.imaging,
        seed=experiment.run.seed,
        optimise=loop,
        device=device,
    )
    model = fit_model(experiment.model, request)
    logits = model.logits(left_out, source, device=device)
    require_finite_logits(plan.name, logits)
    facts = {
        "fingerprint": fingerprint,
        "training_patients": len(training),
        "precision": lightning_precision(job.training),
    }
    _seal(directory, model, [patient.patient_id for patient in left_out], logits, facts)
    forget_trained(directory)
    return True


def _seal(
    directory: Path,
    model: FittedModel,
    left_out: Sequence[str],
    logits: NDArray[np.float64],
    facts: Mapping[str, object],
) -> None:
    """Write model and logits, and last the record that makes the fit a finished one."""
    # Of an earlier try under other settings, more networks may lie there.
    shutil.rmtree(directory / MODEL_FOLDER, ignore_errors=True)
    model.write(directory / MODEL_FOLDER)
    _write_logits(directory / LOGITS_FILE, left_out, logits)
    written = [directory / LOGITS_FILE, *sorted((directory / MODEL_FOLDER).rglob("*"))]
    files = {
        path.relative_to(directory).as_posix(): sha256_file(path)
        for path in written
        if path.is_file()
    }
    write_json(directory / DONE_FILE, {**facts, "files": files})


def epochs_of_fit(experiment: Experiment) -> int:
    """Epochs that one fit takes: those of all its networks, 0 where it trains none."""
    return networks_of_fit(experiment) * experiment.training.max_epochs


def networks_of_fit(experiment: Experiment) -> int:
    """How many networks one fit trains."""
    model = experiment.model
    if isinstance(model, NetworkConfig):
        return model.networks
    return 1 if KINDS[model.kind].trains else 0


def is_finished(directory: Path, fingerprint: str | None = None) -> bool:
    """Whether a fit is complete and undamaged.

    Raises:
        RunError: It is complete, but made of other data or by other code than ``fingerprint``.
    """
    path = directory / DONE_FILE
    if not path.is_file():
        return False
    try:
        done = read_record(path)
        with taking_apart(path):
            made_of, files = str(done["fingerprint"]), dict(done["files"])
    except IntegrityError:
        return False  # a seal that cannot be read is none: the fit is made again
    if fingerprint is not None and made_of != fingerprint:
        raise RunError(
            "this fit is finished, but scans, outcomes, covariates, settings, the precision that "
            f"this device trains in (it was {done.get('precision')}) or the code of pcrnet have "
            "changed since",
            file=directory,
            remedy="go on where the run began, start a new run under another run.name, or delete "
            "this run's folder",
        )
    return all(
        (directory / name).is_file() and sha256_file(directory / name) == digest
        for name, digest in files.items()
    )


def read_logits(directory: Path) -> dict[str, NDArray[np.float64]]:
    """Patient to logits (3,), of the patients that the fit left out."""
    path = directory / LOGITS_FILE
    rows = read_rows(path, ("patient_id", *_LOGIT_COLUMNS))
    with taking_apart(path):
        return {
            row["patient_id"]: np.array([float(row[column]) for column in _LOGIT_COLUMNS])
            for row in rows
        }


def _write_logits(path: Path, names: Sequence[str], logits: NDArray[np.float64]) -> None:
    rows = ([name, *row] for name, row in zip(names, logits.tolist(), strict=True))
    write_text(path, csv_text([["patient_id", *_LOGIT_COLUMNS], *rows]))


def partition(plan: FitPlan, job: FitJob) -> tuple[list[Patient], list[Patient]]:
    """The patients that a fit learns from, and those it leaves out, both ordered by name."""
    ordered = sorted(job.patients, key=lambda patient: patient.patient_id)
    fold_of = job.splits.fold_of
    training = [item for item in ordered if fold_of[item.patient_id] not in plan.left_out]
    left_out = [item for item in ordered if fold_of[item.patient_id] in plan.left_out]
    return training, left_out


def _fingerprint(
    plan: FitPlan, job: FitJob, training: Sequence[Patient], cache: TensorCache
) -> str:
    """What the weights depend on: code, settings, scans and table rows of the training patients.

    The patients left out are not part of it, and neither are their outcomes.
    """
    experiment = job.experiment
    plain = experiment.model_copy(update={"model": without_weights(experiment.model)})
    return sha256_json(
        {
            "code": code_digest(),
            "fit": plan.name,
            "seed": experiment.run.seed,
            "precision": lightning_precision(job.training),  # "auto" is not the same everywhere
            "sections": {
                name: getattr(plain, name).model_dump(mode="json", exclude=_DECIDING_NOTHING)
                for name in ("imaging", "augmentation", "model", "training")
            },
            "weights": weights_digests(experiment.model),
            "timepoints": experiment.data.timepoints,
            "branches": experiment.data.branches,
            "patients": [
                {
                    "tensor": cache.key(patient),
                    "outcome": patient.outcome.allowed_cells,
                    "covariates": {name: patient.covariates.get(name) for name in job.covariates},
                }
                for patient in training
            ],
        }
    )

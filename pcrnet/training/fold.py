"""One fit, from a plan to weights and logits on disk; finished once, never trained twice."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from pcrnet.cohort.table import Patient
from pcrnet.config import EarlyStopping, Experiment, TrainingConfig
from pcrnet.data.clinical import ClinicalEncoding
from pcrnet.data.dataset import PatientDataset
from pcrnet.data.seeds import derive_seed
from pcrnet.data.splits import Splits, make_splits
from pcrnet.errors import IntegrityError, RunError
from pcrnet.imaging.cache import TensorCache
from pcrnet.models.member import ENCODING_FILE, WEIGHTS_FILE, Member
from pcrnet.storage import (
    atomic_path,
    read_record,
    read_rows,
    sha256_file,
    sha256_json,
    taking_apart,
    write_json,
)
from pcrnet.training.devices import (
    computing_device,
    lightning_precision,
    require_deterministic_layers,
)
from pcrnet.training.events import EpochReport, Remark
from pcrnet.training.finite import require_finite
from pcrnet.training.plan import FitPlan
from pcrnet.training.resume import Start, find_start, forget

LOGITS_FILE = "logits.csv"
HISTORY_FILE = "history.csv"
DONE_FILE = "done.json"
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
        precision: What the run has settled on (:mod:`pcrnet.training.precision`); None takes the
            configuration's word.
    """

    experiment: Experiment
    covariates: tuple[str, ...]
    patients: tuple[Patient, ...]
    splits: Splits
    directory: Path
    precision: Literal["32", "bf16"] | None = None

    @property
    def training(self) -> TrainingConfig:
        """How fits are trained, in the precision that was settled on."""
        config = self.experiment.training
        if self.precision is None:
            return config
        return config.model_copy(update={"precision": self.precision})

    def cache(self) -> TensorCache:
        """The tensors of the cohort."""
        experiment = self.experiment
        return TensorCache(experiment.cache_directory, experiment.data, experiment.imaging)


def run_fit(
    plan: FitPlan,
    job: FitJob,
    *,
    device_index: int = 0,
    listen: Callable[[EpochReport | Remark], None] = lambda event: None,
) -> bool:
    """Train one network and write its weights, history and logits; a finished fit is left alone.

    Args:
        plan: Which folds are left out.
        job: What all fits of the run share.
        device_index: Which GPU to use, where there is one.
        listen: Told of every epoch, and where a fit that was cut has to start afresh.

    Returns:
        Whether the fit had to be trained (False: it was finished before).

    Raises:
        RunError: A finished fit in this folder was trained on other data.
        NotFiniteError: Training has left the finite numbers.
    """
    directory = job.directory / plan.name
    training, left_out = partition(plan, job)
    fingerprint = _fingerprint(plan, job, training)
    if is_finished(directory, fingerprint):
        return False
    directory.mkdir(parents=True, exist_ok=True)
    start = find_start(directory, fingerprint)
    if start.remark:
        forget(directory)
        listen(Remark(f"{plan.name} starts afresh: {start.remark}"))
    member = _train(plan, job, training, directory, device_index, listen, start)
    device = computing_device(job.experiment.training, device_index)
    logits = member.logits(left_out, job.cache(), device=device)
    require_finite(plan.name, member.network, logits.ravel())
    member.write(directory)
    _write_logits(directory / LOGITS_FILE, [patient.patient_id for patient in left_out], logits)
    files = (WEIGHTS_FILE, ENCODING_FILE, LOGITS_FILE, HISTORY_FILE)
    write_json(
        directory / DONE_FILE,
        {
            "fingerprint": fingerprint,
            "training_patients": len(training),
            "precision": lightning_precision(job.training),
            "files": {name: sha256_file(directory / name) for name in files},
        },
    )
    forget(directory)
    return True


def is_finished(directory: Path, fingerprint: str | None = None) -> bool:
    """Whether a fit is complete and undamaged.

    Raises:
        RunError: It is complete, but was trained on other data than ``fingerprint`` names.
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
            "this fit is finished, but scans, outcomes, covariates or settings have changed since",
            file=directory,
            remedy="start a new run under another run.name, or delete this run's folder",
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
    with atomic_path(path) as temporary, temporary.open("w", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["patient_id", *_LOGIT_COLUMNS])
        for name, row in zip(names, logits.tolist(), strict=True):
            writer.writerow([name, *map(repr, row)])


def partition(plan: FitPlan, job: FitJob) -> tuple[list[Patient], list[Patient]]:
    """The patients that a fit learns from, and those it leaves out, both ordered by name."""
    ordered = sorted(job.patients, key=lambda patient: patient.patient_id)
    fold_of = job.splits.fold_of
    training = [item for item in ordered if fold_of[item.patient_id] not in plan.left_out]
    left_out = [item for item in ordered if fold_of[item.patient_id] in plan.left_out]
    return training, left_out


def _fingerprint(plan: FitPlan, job: FitJob, training: Sequence[Patient]) -> str:
    """What the weights depend on: settings, and the scans and table rows of the training patients.

    The patients left out are not part of it, and neither are their outcomes.
    """
    experiment, cache = job.experiment, job.cache()
    return sha256_json(
        {
            "fit": plan.name,
            "seed": experiment.run.seed,
            "sections": {
                name: getattr(experiment, name).model_dump(mode="json", exclude={"parallel_fits"})
                for name in ("imaging", "augmentation", "model", "training")
            },
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


def _train(
    plan: FitPlan,
    job: FitJob,
    training: Sequence[Patient],
    directory: Path,
    device_index: int,
    listen: Callable[[EpochReport | Remark], None],
    start: Start,
) -> Member:
    from pcrnet.data.datamodule import FitDataModule
    from pcrnet.training.callbacks import (
        AveragedWeights,
        BestWeights,
        FiniteNumbers,
        History,
        Progress,
        ResumePoint,
    )
    from pcrnet.training.module import PcrModule
    from pcrnet.training.trainer import interruptible, make_trainer, quiet_lightning

    experiment = job.experiment
    config = job.training
    require_deterministic_layers(experiment)
    seed = derive_seed(experiment.run.seed, plan.name)
    learning, watched = _early_stopping_slice(training, config, seed)
    encoding = ClinicalEncoding.fit(learning, job.covariates)
    torch.manual_seed(derive_seed(seed, "initialisation"))
    member = Member.build(experiment.data, experiment.imaging, experiment.model, encoding)
    member.network.head.start_from(marginal_logits(learning))

    cache = job.cache()
    data = FitDataModule(
        experiment,
        plan.name,
        PatientDataset(learning, cache, encoding),
        PatientDataset(watched, cache, encoding) if watched else None,
    )
    history = History()
    stopping = config.stopping
    best = BestWeights(stopping.patience) if isinstance(stopping, EarlyStopping) else None
    averaged = AveragedWeights(config.average_decay) if config.average_decay > 0 else None
    callbacks = [
        *(callback for callback in (best, averaged) if callback is not None),
        history,
        Progress(plan.name, config.max_epochs, listen),
        FiniteNumbers(plan.name),
        ResumePoint(directory, start.fingerprint),
    ]
    module = PcrModule(member.network, config, seed)
    with quiet_lightning(), interruptible():
        trainer = make_trainer(
            config, callbacks, device_index, validate=bool(watched), directory=directory
        )
        trainer.fit(module, datamodule=data, ckpt_path=start.checkpoint, weights_only=True)
    if best is not None and best.weights is not None:
        module.load_state_dict(best.weights)
    history.write(directory / HISTORY_FILE)
    return member


def marginal_logits(patients: Sequence[Patient]) -> torch.Tensor:
    """Log-odds (3,) of yT0, of yN0 given yT0 and of yN0 given residue, with one patient added to
    each side so that no class is impossible."""
    allowed = np.array([patient.outcome.allowed_cells for patient in patients])
    known = allowed[allowed.sum(axis=1) == 1]
    both, breast_only, nodes_only, neither = known.sum(axis=0) + 0.5
    return torch.tensor(
        [
            np.log((both + breast_only) / (nodes_only + neither)),
            np.log(both / breast_only),
            np.log(nodes_only / neither),
        ],
        dtype=torch.float32,
    )


def _early_stopping_slice(
    training: Sequence[Patient], config: TrainingConfig, seed: int
) -> tuple[list[Patient], list[Patient]]:
    """Patients to learn from and patients to watch, both from the fit's own training folds."""
    if not isinstance(config.stopping, EarlyStopping):
        return list(training), []
    parts = max(2, round(1 / config.stopping.fraction))
    if len(training) < 2 * parts:
        raise RunError(
            f"{len(training)} training patients are too few to watch every {parts}th of them",
            field="training.stopping",
            remedy="set training.stopping.kind=fixed",
        )
    fold_of = make_splits(training, parts, seed, "patient").fold_of
    learning = [patient for patient in training if fold_of[patient.patient_id] != 0]
    watched = [patient for patient in training if fold_of[patient.patient_id] == 0]
    return learning, watched

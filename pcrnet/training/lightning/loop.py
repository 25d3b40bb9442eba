"""The training loop of one network: Lightning, from a resume point of its own to the last epoch."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import nn

from pcrnet.cohort.table import Patient
from pcrnet.config.experiment import Experiment
from pcrnet.config.training import EarlyStopping, TrainingConfig
from pcrnet.data.dataset import PatientDataset, TensorSource
from pcrnet.data.seeds import derive_seed
from pcrnet.data.splits import make_splits
from pcrnet.errors import IntegrityError, RunError
from pcrnet.models.blueprint import NetworkBlueprint
from pcrnet.models.contract import FitPart
from pcrnet.storage import sha256_file, write_bytes
from pcrnet.training.devices import computing_device, require_deterministic_layers
from pcrnet.training.events import FitEvent, Remark
from pcrnet.training.lightning.finite import require_finite
from pcrnet.training.lightning.ranks import Rank, train_in_ranks
from pcrnet.training.lightning.resume import Start, find_start, forget

HISTORY_FILE = "history.csv"
_TRAINED = "trained"


@dataclass(eq=False)
class TrainingLoop:
    """Trains the networks of one fit, one after the other: an
    :class:`~pcrnet.models.contract.Optimiser`.

    A network that is finished is kept in its part's folder until the fit is; one that was cut goes
    on from its resume point.

    Attributes:
        experiment: Settings of augmentation and data.
        training: Length, optimiser, device, and the precision that was settled on.
        fit: Name of the fit.
        fingerprint: Of all that the fit's weights depend on.
        source: Tensors of the patients.
        directory: Folder of the fit; each network has a folder in it.
        device_index: Which GPU to use, where there is one.
        epochs: Epochs of all networks of the fit together.
        listen: Told of every epoch, and where a network has to start afresh.
    """

    experiment: Experiment
    training: TrainingConfig
    fit: str
    fingerprint: str
    source: TensorSource
    directory: Path
    device_index: int
    epochs: int
    listen: Callable[[FitEvent], None]
    _done: int = 0

    def __call__(self, part: FitPart) -> None:
        """Train its network in place; see :class:`~pcrnet.models.contract.Optimiser`.

        Raises:
            NotFiniteError: Training has left the finite numbers.
            RunError: Too few patients for early stopping.
        """
        folder = self.directory / part.name
        folder.mkdir(parents=True, exist_ok=True)
        if not _take_trained(part.network, folder, self.fingerprint):
            start = find_start(folder, self.fingerprint)
            if start.remark:
                forget(folder)
                self.listen(Remark(f"{self.fit}, {part.name} starts afresh: {start.remark}"))
            if self.training.trainer.devices > 1:
                self._require_share_for_each(part)
                train_in_ranks(self, part, start)
                if not _take_trained(part.network, folder, self.fingerprint):
                    raise IntegrityError(
                        "what the processes of a fit have trained cannot be read back",
                        file=folder,
                        remedy="check the disk, and start again: the fit goes on where it was",
                    )
            else:
                self.train(part, start)
            require_finite(f"{self.fit}, {part.name}", part.network)
            self.keep(part)
        forget(folder)
        self._done += self.training.max_epochs

    def train(self, part: FitPart, start: Start, rank: Rank | None = None) -> None:
        """Train from ``start``, in this process or as one of several that share the fit."""
        from pcrnet.data.ahead import one_thread_less
        from pcrnet.data.datamodule import FitDataModule
        from pcrnet.training.lightning.callbacks import (
            AveragedWeights,
            BestWeights,
            EpochReporter,
            FiniteNumbers,
            History,
            NextBatch,
            ResumePoint,
        )
        from pcrnet.training.lightning.checkpoints import Checkpoints
        from pcrnet.training.lightning.clock import StepClock
        from pcrnet.training.lightning.meter import Meter
        from pcrnet.training.lightning.module import PcrModule
        from pcrnet.training.lightning.named import logger_of, named_callbacks
        from pcrnet.training.lightning.trainer import interruptible, make_trainer, quiet_lightning

        config, rank = self.training, rank or Rank()
        require_deterministic_layers(self.experiment)
        folder = self.directory / part.name
        seed = derive_seed(self.experiment.run.seed, self.fit, part.name)
        watched = watched_patients(part.patients, config, seed)
        datasets = [
            PatientDataset(
                [patient for patient, own in zip(part.patients, chosen, strict=True) if own],
                self.source,
                part.encoding,
                part.offset[chosen],
            )
            for chosen in (~watched, watched)
        ]
        data = FitDataModule(
            self.experiment,
            f"{self.fit}/{part.name}",
            datasets[0],
            datasets[1] if watched.any() else None,
            ahead=computing_device(config, self.device_index).type == "cpu"
            and torch.get_num_threads() > 1,
        )
        history = History()
        stopping = config.stopping
        best = BestWeights(stopping.patience) if isinstance(stopping, EarlyStopping) else None
        averaged = AveragedWeights(config.average_decay) if config.average_decay > 0 else None
        finite = FiniteNumbers(f"{self.fit}, {part.name}")
        clock = StepClock(data, self.fit, self.listen)
        meter = Meter(clock, finite)
        callbacks = [
            clock,
            *([NextBatch(data)] if data.ahead else []),
            *(callback for callback in (best, averaged) if callback is not None),
            history,
            meter,
            EpochReporter(self.fit, self.epochs, self.listen, self._done, meter),
            finite,
            *named_callbacks(config, folder),
            *Checkpoints.asked_for(config.checkpoints, folder),
            ResumePoint(folder, start.fingerprint),
        ]
        blueprint = NetworkBlueprint(
            self.experiment.model, self.experiment.data, self.experiment.imaging, part.encoding
        )
        module = PcrModule.training_of(part.network, blueprint, config, seed)
        with quiet_lightning(), interruptible(), one_thread_less(data.ahead):
            trainer = make_trainer(
                config,
                callbacks,
                self.device_index,
                validate=bool(watched.any()),
                directory=folder,
                rank=rank,
                logger=logger_of(config, self.fit, self.listen),
            )
            trainer.fit(module, datamodule=data, ckpt_path=start.checkpoint, weights_only=True)
        if best is not None and best.weights is not None:
            module.load_state_dict(best.weights)
        part.network.float()
        if rank.number == 0:
            history.write(folder / HISTORY_FILE)

    def _require_share_for_each(self, part: FitPart) -> None:
        seed = derive_seed(self.experiment.run.seed, self.fit, part.name)
        watched = int(watched_patients(part.patients, self.training, seed).sum())
        devices = self.training.trainer.devices
        if 0 < watched < devices:
            raise RunError(
                f"{watched} patients to watch are too few for {devices} devices",
                field="training.trainer.devices",
                remedy="share a fit among fewer devices, or watch more (training.stopping)",
            )

    def keep(self, part: FitPart) -> None:
        """Keep a finished network until the fit is finished."""
        _keep_trained(part.network, self.directory / part.name, self.fingerprint)


def forget_trained(directory: Path) -> None:
    """Remove from the folder of a finished fit what only one that was cut would need."""
    for path in directory.glob(f"*/{_TRAINED}.*"):
        path.unlink()


def watched_patients(
    patients: Sequence[Patient], config: TrainingConfig, seed: int
) -> NDArray[np.bool_]:
    """Which patients (n,) early stopping watches and does not learn from; none otherwise.

    Raises:
        RunError: Too few patients to do so.
    """
    if not isinstance(config.stopping, EarlyStopping):
        return np.zeros(len(patients), dtype=np.bool_)
    parts = max(2, round(1 / config.stopping.fraction))
    if len(patients) < 2 * parts:
        raise RunError(
            f"{len(patients)} training patients are too few to watch every {parts}th of them",
            field="training.stopping",
            remedy="set training.stopping.kind=fixed",
        )
    fold_of = make_splits(patients, parts, seed, "patient").fold_of
    return np.array([fold_of[patient.patient_id] == 0 for patient in patients])


def _keep_trained(network: nn.Module, folder: Path, fingerprint: str) -> None:
    """One file whose name says what it is of and what it holds: there whole, or not at all."""
    state = {
        name: value.detach().cpu().contiguous() for name, value in network.state_dict().items()
    }
    data = save(state)
    write_bytes(folder / _trained_name(fingerprint, hashlib.sha256(data).hexdigest()), data)


def _take_trained(network: nn.Module, folder: Path, fingerprint: str) -> bool:
    for path in folder.glob(f"{_TRAINED}.*.safetensors"):
        if path.name == _trained_name(fingerprint, sha256_file(path)):
            try:
                state = load_file(path)
            except SafetensorError:
                return False
            own = network.state_dict()
            if {name: value.shape for name, value in own.items()} != {
                name: value.shape for name, value in state.items()
            }:
                return False  # of another version: nothing of it is taken
            network.load_state_dict(state)
            return True
    return False


def _trained_name(fingerprint: str, digest: str) -> str:
    return f"{_TRAINED}.{fingerprint[:16]}.{digest}.safetensors"

"""Where the time of training goes: waiting for batches, augmenting them, the step, the rest."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from pytorch_lightning import Callback, LightningModule, Trainer

from pcrnet.data.datamodule import FitDataModule
from pcrnet.data.dataset import Batch
from pcrnet.machine import peak_memory
from pcrnet.training.events import FitTimed


@dataclass
class Spent:
    """What steps took, added up.

    Attributes:
        seconds: From the beginning to the end of the last step.
        waiting, augmentation, step: Seconds of these in each.
        patients: That were shown to this process.
        steps: That were taken.
        gpu_peak_bytes: Most that was allocated on the GPU; 0 without one.
    """

    seconds: float = 0.0
    waiting: float = 0.0
    augmentation: float = 0.0
    step: float = 0.0
    patients: int = 0
    steps: int = 0
    gpu_peak_bytes: int = 0

    def add(self, other: Spent) -> None:
        """Count what another stretch took as well."""
        self.seconds += other.seconds
        self.waiting += other.waiting
        self.augmentation += other.augmentation
        self.step += other.step
        self.patients += other.patients
        self.steps += other.steps
        self.gpu_peak_bytes = max(self.gpu_peak_bytes, other.gpu_peak_bytes)


class StepClock(Callback):
    """Adds up what each part of a step takes, and asks no device anything while it trains.

    It stands before the callbacks that read it. A GPU works behind the host: there a step is what
    it takes to ask for one, and whatever the device is behind shows where the host first waits for
    it, mostly in the rest.

    Args:
        data: Says when a batch arrived.
        fit: Name of the fit.
        listen: Told at the end of the training.

    Attributes:
        epoch: What this epoch has taken so far.
    """

    def __init__(self, data: FitDataModule, fit: str, listen: Callable[[FitTimed], None]) -> None:
        self._data, self._fit, self._listen = data, fit, listen
        self._begun = self._epoch_begun = self._last = self._step_begun = 0.0
        self._total, self.epoch = Spent(), Spent()

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin; an epoch that is resumed is told of no start of its own."""
        self._begun = time.perf_counter()
        self._begin_epoch(pl_module)

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """What lies between two epochs is no waiting for a batch."""
        self._begin_epoch(pl_module)

    def _begin_epoch(self, module: LightningModule) -> None:
        self.epoch = Spent()
        self._epoch_begun = self._last = time.perf_counter()
        if module.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(module.device)

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Batch, batch_idx: int
    ) -> None:
        """The batch was waited for until it arrived, and augmented until now."""
        self._step_begun = time.perf_counter()
        # The loader's time: with no processes of its own, it is spent reading.
        arrived = min(max(self._data.received_at, self._last), self._step_begun)
        self.epoch.waiting += arrived - self._last
        self.epoch.augmentation += self._step_begun - arrived

    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: object,
        batch: Batch,
        batch_idx: int,
    ) -> None:
        """The step has ended."""
        self._last = time.perf_counter()
        self.epoch.seconds = self._last - self._epoch_begun
        self.epoch.step += self._last - self._step_begun
        self.epoch.patients += len(batch.patient)
        self.epoch.steps += 1

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """The epoch counts for the fit."""
        if pl_module.device.type == "cuda":
            self.epoch.gpu_peak_bytes = torch.cuda.max_memory_allocated(pl_module.device)
        self._total.add(self.epoch)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Tell, once the device has finished."""
        if pl_module.device.type == "cuda":
            torch.cuda.synchronize(pl_module.device)
        if not self._total.steps:  # a fit that was continued after its last epoch
            return
        self._listen(
            FitTimed(
                fit=self._fit,
                patients=self._total.patients,
                steps=self._total.steps,
                seconds=time.perf_counter() - self._begun,
                waiting=self._total.waiting,
                augmentation=self._total.augmentation,
                step=self._total.step,
                peak_bytes=peak_memory(),
                gpu_peak_bytes=self._total.gpu_peak_bytes,
            )
        )

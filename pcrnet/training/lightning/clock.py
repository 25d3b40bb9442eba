"""Where the time of training goes: waiting for batches, augmenting them, the step, the rest."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from pytorch_lightning import Callback, LightningModule, Trainer

from pcrnet.data.datamodule import FitDataModule
from pcrnet.data.dataset import Batch
from pcrnet.machine import peak_memory
from pcrnet.training.events import FitTimed


class StepClock(Callback):
    """Adds up what each part of a step takes, and asks no device anything while it trains.

    A GPU works behind the host: there a step is what it takes to ask for one, and whatever the
    device is behind shows where the host first waits for it, mostly in the rest.

    Args:
        data: Says when a batch arrived.
        fit: Name of the fit.
        listen: Told at the end of the training.
    """

    def __init__(self, data: FitDataModule, fit: str, listen: Callable[[FitTimed], None]) -> None:
        self._data, self._fit, self._listen = data, fit, listen
        self._begun = self._last = self._step_begun = 0.0
        self._waiting = self._augmentation = self._step = 0.0
        self._patients = self._steps = 0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin."""
        self._begun = self._last = time.perf_counter()
        if pl_module.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(pl_module.device)

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Batch, batch_idx: int
    ) -> None:
        """The batch was waited for until it arrived, and augmented until now."""
        self._step_begun = time.perf_counter()
        # The loader's time: with no processes of its own, it is spent reading.
        arrived = min(max(self._data.received_at, self._last), self._step_begun)
        self._waiting += arrived - self._last
        self._augmentation += self._step_begun - arrived

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
        self._step += self._last - self._step_begun
        self._patients += len(batch.patient)
        self._steps += 1

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """What follows an epoch is no waiting for a batch."""
        self._last = time.perf_counter()

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Nor is what comes before the first batch of one."""
        self._last = time.perf_counter()

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Tell, once the device has finished."""
        device, on_gpu = pl_module.device, pl_module.device.type == "cuda"
        if on_gpu:
            torch.cuda.synchronize(device)
        if not self._steps:  # a fit that was continued after its last epoch
            return
        self._listen(
            FitTimed(
                fit=self._fit,
                patients=self._patients,
                steps=self._steps,
                seconds=time.perf_counter() - self._begun,
                waiting=self._waiting,
                augmentation=self._augmentation,
                step=self._step,
                peak_bytes=peak_memory(),
                gpu_peak_bytes=torch.cuda.max_memory_allocated(device) if on_gpu else 0,
            )
        )

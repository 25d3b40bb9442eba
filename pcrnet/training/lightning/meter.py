"""What training is like: rate, waiting, gradients and the GPU, epoch by epoch."""

from __future__ import annotations

import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from torch import Tensor

from pcrnet.data.dataset import Batch
from pcrnet.training.lightning.callbacks import FiniteNumbers
from pcrnet.training.lightning.clock import StepClock

_STEPS_BETWEEN_LOOKS = 25


class Meter(Callback):
    """Measures every epoch; it costs no waiting for the device but once an epoch.

    It stands before the callback that reports an epoch, and behind the clock.

    Args:
        clock: Knows what an epoch took.
        gradients: Knows the norm of the gradient before it is clipped.

    Attributes:
        measures: Of the last epoch. ``learning_rate``; ``gradient_norm``, the mean over steps;
            ``samples_per_second``, patients; ``waiting_share``, the share of the time in which the
            loop waited for the loader; ``validation_loss`` where there is one; on a GPU
            ``gpu_memory_mb``, the most allocated, and ``gpu_utilisation`` in per cent, where
            nvidia-ml-py is installed.
    """

    def __init__(self, clock: StepClock, gradients: FiniteNumbers) -> None:
        self.clock = clock
        self.gradients = gradients
        self.measures: dict[str, float] = {}
        self._forget()

    def _forget(self) -> None:
        self._norms = 0
        self._norm: Tensor | float = 0.0
        self._utilisation: list[int] = []

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin to measure; a resumed epoch is told of no start of its own."""
        self._forget()

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin to measure."""
        self._forget()

    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: object,
        batch: Batch,
        batch_idx: int,
    ) -> None:
        """Count gradients, and look at the GPU now and then."""
        if self.gradients.norm is not None:
            self._norm = self._norm + self.gradients.norm
            self._norms += 1
        if pl_module.device.type == "cuda" and batch_idx % _STEPS_BETWEEN_LOOKS == 0:
            self._look(pl_module.device)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Sum up, before the epoch is reported."""
        spent = self.clock.epoch
        seconds = max(spent.seconds, 1e-9)
        found = {
            "learning_rate": float(trainer.optimizers[0].param_groups[0]["lr"]),
            "gradient_norm": float(self._norm) / max(1, self._norms),
            "samples_per_second": spent.patients * trainer.world_size / seconds,
            "waiting_share": min(1.0, spent.waiting / seconds),
        }
        loss = trainer.callback_metrics.get("validation/loss")
        if loss is not None:
            found["validation_loss"] = float(loss)
        if pl_module.device.type == "cuda":
            found["gpu_memory_mb"] = spent.gpu_peak_bytes / 1e6
            if self._utilisation:
                found["gpu_utilisation"] = sum(self._utilisation) / len(self._utilisation)
        self.measures = found

    def _look(self, device: torch.device) -> None:
        try:
            self._utilisation.append(torch.cuda.utilization(device))
        except Exception:
            # No nvidia-ml-py, or a driver that does not say: of a share of a GPU, or to this user.
            # Its errors share no class with others, and a meter ends no training.
            return

"""One behaviour each: averaged weights, history, progress, best weights, watch, resume point."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.callbacks import WeightAveraging
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.swa_utils import get_ema_multi_avg_fn

from pcrnet.csv_text import csv_of_records
from pcrnet.errors import NotFiniteError
from pcrnet.storage import write_text
from pcrnet.training.events import EpochReport
from pcrnet.training.lightning.finite import first_not_finite, not_finite
from pcrnet.training.lightning.module import PcrModule
from pcrnet.training.lightning.resume import keep

_STEPS_BETWEEN_LOOKS = 25


class AveragedWeights(WeightAveraging):
    """Exponential moving average of the weights, used for validation and as the result.

    Args:
        decay: Share of the average that each step keeps, in [0, 1).
    """

    _latest_update_step: int  # Lightning's own

    def __init__(self, decay: float) -> None:
        average = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]
        super().__init__(multi_avg_fn=average, use_buffers=False)
        self._decay = decay
        self._pairs: tuple[list[Tensor], list[Tensor]] | None = None
        self._statistics: tuple[list[Tensor], list[Tensor]] = ([], [])

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """The first average of all is a copy; Lightning makes it."""
        self._pairs = None
        average = self._average_model
        assert average is not None  # noqa: S101
        average.to(pl_module.device)  # Lightning made it before it moved the module
        if int(average.n_averaged) > 0:
            self._pair(pl_module)

    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,  # noqa: ANN401 - as Lightning's
        batch: Any,  # noqa: ANN401
        batch_idx: int,
    ) -> None:
        """Average all weights in one operation; statistics of batch norms are copied, as by torch.

        Lightning's own looks for every parameter anew in each step, and asks the device how many
        steps there were: on a CPU that takes a tenth of a step, and a GPU waits for it.
        """
        if self._pairs is None:
            super().on_train_batch_end(trainer, pl_module, outputs, batch, batch_idx)
            if self._latest_update_step > 0:
                self._pair(pl_module)
        elif trainer.global_step > self._latest_update_step:
            average = self._average_model
            assert average is not None  # noqa: S101
            torch._foreach_lerp_(*self._pairs, 1.0 - self._decay)
            if self._statistics[0]:
                torch._foreach_copy_(*self._statistics)
            average.n_averaged.add_(1)
            self._latest_update_step = trainer.global_step

    def _pair(self, pl_module: LightningModule) -> None:
        average = self._average_model
        assert average is not None  # noqa: S101
        self._pairs = (
            [parameter.detach() for parameter in average.module.parameters()],
            [parameter.detach() for parameter in pl_module.parameters()],
        )
        # A buffer that no checkpoint holds is a constant.
        kept = [name for name, _ in pl_module.named_buffers() if name in pl_module.state_dict()]
        self._statistics = (
            [average.module.get_buffer(name) for name in kept],
            [pl_module.get_buffer(name) for name in kept],
        )

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Hand over the average where a resumed fit had no epoch left to train."""
        self.on_train_end(trainer, pl_module)


class MakesBatches(Protocol):
    """Whoever can make the next batch while a step is computed."""

    def make_next(self) -> None:
        """Begin."""


class NextBatch(Callback):
    """Has the next batch made during the backward pass.

    That pass asks nothing of the interpreter, which two threads take away from each other at every
    operation of a forward pass. The last step of an epoch begins the next epoch's first batch, so
    that the epoch's end is time to make it in.

    Args:
        data: Makes batches.
    """

    def __init__(self, data: MakesBatches) -> None:
        self._data = data

    def on_before_backward(
        self, trainer: Trainer, pl_module: LightningModule, loss: Tensor
    ) -> None:
        """Begin, unless nothing is left to train; ``loss`` is a scalar."""
        over = trainer.fit_loop.epoch_loop.batch_progress.is_last_batch
        if not (over and trainer.current_epoch + 1 == trainer.max_epochs):
            self._data.make_next()


class History(Callback):
    """Keeps a row an epoch; the rows travel in the checkpoint, so that none is lost or doubled."""

    COLUMNS = ("epoch", "train_loss", "validation_loss", "learning_rate")

    def __init__(self) -> None:
        self.rows: list[dict[str, float]] = []

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Add the epoch that ended."""
        metrics = trainer.callback_metrics
        row = {"epoch": float(trainer.current_epoch + 1)}
        for column, name in (
            ("train_loss", "train/loss"),
            ("validation_loss", "validation/loss"),
        ):
            if name in metrics:
                row[column] = float(metrics[name])
        row["learning_rate"] = float(trainer.optimizers[0].param_groups[0]["lr"])
        self.rows.append(row)

    def state_dict(self) -> dict[str, Any]:
        """The rows so far."""
        return {"rows": self.rows}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue after the rows of the checkpoint."""
        self.rows = list(state_dict["rows"])

    def write(self, path: Path) -> None:
        """Write the rows as CSV."""
        write_text(path, csv_of_records(self.COLUMNS, self.rows))


class Measures(Protocol):
    """Whoever knows what the epoch that ends was like."""

    @property
    def measures(self) -> Mapping[str, float]:
        """Name to number."""


class EpochReporter(Callback):
    """Tells whoever listens that an epoch has ended."""

    def __init__(
        self,
        fit: str,
        epochs: int,
        listen: Callable[[EpochReport], None],
        before: int = 0,
        meter: Measures | None = None,
    ) -> None:
        self.fit = fit
        self.epochs = epochs
        self.listen = listen
        self.before = before
        self.meter = meter

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Report the epoch."""
        loss = float(trainer.callback_metrics["train/loss"])
        epoch = self.before + trainer.current_epoch + 1
        measures = {} if self.meter is None else dict(self.meter.measures)
        self.listen(EpochReport(self.fit, epoch, self.epochs, loss, measures))


class BestWeights(Callback):
    """Early stopping on the fit's own validation slice; remembers the best weights.

    It stands before :class:`AveragedWeights` in the list of callbacks: the weights that were
    validated are the averaged ones, and they must be seen before they are swapped back.
    """

    def __init__(self, patience: int) -> None:
        self.patience = patience
        self.best_loss = float("inf")
        self.best_epoch = -1
        self.weights: dict[str, torch.Tensor] | None = None
        self._validated: dict[str, torch.Tensor] | None = None
        self._stopped = False

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Stop a resumed fit that had already been stopped; Lightning does not remember it."""
        trainer.should_stop = self._stopped

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Keep the weights that were validated; their loss is known a moment later."""
        self._validated = copy.deepcopy(pl_module.state_dict())

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Compare the epoch with the best so far."""
        loss = float(trainer.callback_metrics["validation/loss"])
        if loss < self.best_loss:
            self.best_loss, self.best_epoch = loss, trainer.current_epoch
            self.weights = self._validated
        elif trainer.current_epoch - self.best_epoch >= self.patience:
            trainer.should_stop = self._stopped = True

    def state_dict(self) -> dict[str, Any]:
        """Best loss, epoch and weights, and whether it has stopped the fit."""
        return {
            "stopped": self._stopped,
            "best_loss": self.best_loss,
            "best_epoch": self.best_epoch,
            "weights": self.weights,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue from the checkpoint."""
        self._stopped = state_dict["stopped"]
        self.best_loss = state_dict["best_loss"]
        self.best_epoch = state_dict["best_epoch"]
        self.weights = state_dict["weights"]


class FiniteNumbers(Callback):
    """Stops the fit at a loss, gradient or weight that is not finite.

    The norms of all gradients are found in one fused operation. On the CPU they are looked at in
    every step, before the step is made; a GPU keeps which was the first, and is asked now and then,
    since every question makes it wait. No epoch ends, and nothing is written, unasked.

    Args:
        fit: Name of the fit.

    Attributes:
        norm: Of the gradient of the last step, before clipping, on its device; None before any.
    """

    def __init__(self, fit: str) -> None:
        self.fit = fit
        self.norm: Tensor | None = None
        self._watched: list[tuple[str, nn.Parameter]] = []
        self._state: dict[str, Tensor] = {}  # all that a checkpoint holds of the module
        self._names: tuple[str, ...] = ()
        self._first_bad: Tensor | None = None  # bool, one a gradient: those of the first bad step

    def on_before_optimizer_step(
        self, trainer: Trainer, pl_module: LightningModule, optimizer: Optimizer
    ) -> None:
        """Note which gradients are not finite, before clipping spreads it to all."""
        if not self._watched:  # to find them takes a while, and they stay the same
            self._watched = list(pl_module.named_parameters())
        named = [
            (name, parameter.grad)
            for name, parameter in self._watched
            if parameter.grad is not None
        ]
        if not named:
            return
        self._names = tuple(name for name, _ in named)
        norms = torch.stack(torch._foreach_norm([gradient for _, gradient in named]))
        self.norm = torch.linalg.vector_norm(norms)
        if isinstance(pl_module, PcrModule):
            pl_module.gradient_norm = self.norm  # to find it twice takes a hundredth of a step
        bad = ~torch.isfinite(norms)
        before = self._first_bad
        if before is None or len(before) != len(bad):
            self._first_bad = bad
        else:
            self._first_bad = torch.where(before.any(), before, bad)
        if bad.device.type == "cpu" or trainer.global_step % _STEPS_BETWEEN_LOOKS == 0:
            self._look(trainer)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Ask about every gradient since, the losses of the epoch and the weights."""
        self._look(trainer)
        for what in ("train/loss", "validation/loss"):
            loss = trainer.callback_metrics.get(what)
            if loss is not None and not bool(torch.isfinite(loss)):
                raise self._error(trainer, f"the {what.split('/')[0]} loss")
        if not self._state:  # gathered once: it takes a tenth of a small step, and stays the same
            kept = pl_module.state_dict().keys()
            named = (*pl_module.named_parameters(), *pl_module.named_buffers())
            self._state = {name: value.detach() for name, value in named if name in kept}
        name = first_not_finite(self._state)
        if name is not None:
            raise self._error(trainer, f"the weight {name.removeprefix('network.')}")

    def _look(self, trainer: Trainer) -> None:
        if self._first_bad is None:
            return
        bad = self._first_bad.tolist()
        if any(bad):
            # Gradients flow from the last layer to the first: the last bad one was bad first.
            name = [name for name, is_bad in zip(self._names, bad, strict=True) if is_bad][-1]
            raise self._error(trainer, f"the gradient of {name.removeprefix('network.')}")

    def _error(self, trainer: Trainer, what: str) -> NotFiniteError:
        return not_finite(self.fit, f"epoch {trainer.current_epoch + 1}: {what}")


class ResumePoint(Callback):
    """Writes a checkpoint after an epoch, whole or not at all (see the module ``resume``).

    Args:
        directory: Folder of the fit.
        fingerprint: What the checkpoint may be continued with.
        every_seconds: Epochs that end sooner after the last checkpoint than this write none.
    """

    def __init__(self, directory: Path, fingerprint: str, every_seconds: float = 10.0) -> None:
        self.directory = directory
        self.fingerprint = fingerprint
        self.every_seconds = every_seconds
        self._written = time.monotonic()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save after every callback has seen the epoch (this one is the last in the list)."""
        due = time.monotonic() - self._written >= self.every_seconds
        if trainer.world_size > 1:  # clocks differ, and saving is done by all or by none
            due = trainer.strategy.broadcast(due)
        if not due:
            return
        if trainer.is_global_zero:
            keep(self.directory, self.fingerprint, trainer.save_checkpoint)
        else:
            trainer.save_checkpoint(self.directory)  # writes nothing, but the first waits for it
        self._written = time.monotonic()

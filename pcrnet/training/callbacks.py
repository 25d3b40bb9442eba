"""One behaviour each: resume point, history, progress, averaged weights, best weights."""

from __future__ import annotations

import copy
import csv
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.callbacks import WeightAveraging
from torch.optim.swa_utils import get_ema_multi_avg_fn

from pcrnet.storage import atomic_path, sha256_file, write_text
from pcrnet.training.events import EpochReport


class AveragedWeights(WeightAveraging):
    """Exponential moving average of the weights, used for validation and as the result."""

    def __init__(self, decay: float) -> None:
        average = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]
        super().__init__(multi_avg_fn=average, use_buffers=False)

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Hand over the average where a resumed fit had no epoch left to train."""
        self.on_train_end(trainer, pl_module)


class ResumePoint(Callback):
    """Writes a checkpoint after an epoch, whole or not at all, with its digest beside it.

    Args:
        path: The checkpoint; ``<path>.sha256`` is its digest.
        every_seconds: Epochs that end sooner after the last checkpoint than this write none.
    """

    def __init__(self, path: Path, every_seconds: float = 10.0) -> None:
        self.path = path
        self.every_seconds = every_seconds
        self._written = time.monotonic()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save after every callback has seen the epoch (this one is the last in the list)."""
        if time.monotonic() - self._written < self.every_seconds:
            return
        with atomic_path(self.path) as temporary:
            trainer.save_checkpoint(temporary)
        write_text(digest_path(self.path), sha256_file(self.path))
        self._written = time.monotonic()


def digest_path(path: Path) -> Path:
    """Where the digest of a checkpoint stands."""
    return path.with_name(f"{path.name}.sha256")


def usable_checkpoint(path: Path) -> Path | None:
    """The checkpoint if it is whole, else ``None``: a fit that starts again ends the same."""
    digest = digest_path(path)
    if path.is_file() and digest.is_file() and digest.read_text() == sha256_file(path):
        return path
    return None


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
        with atomic_path(path) as temporary, temporary.open("w", newline="") as stream:
            writer = csv.DictWriter(stream, self.COLUMNS, restval="", lineterminator="\n")
            writer.writeheader()
            writer.writerows(self.rows)


class Progress(Callback):
    """Tells whoever listens that an epoch has ended."""

    def __init__(self, fit: str, epochs: int, listen: Callable[[EpochReport], None]) -> None:
        self.fit = fit
        self.epochs = epochs
        self.listen = listen

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Report the epoch."""
        loss = float(trainer.callback_metrics["train/loss"])
        self.listen(EpochReport(self.fit, trainer.current_epoch + 1, self.epochs, loss))


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

"""Lightning checkpoints that a run leaves where they are asked for."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from pytorch_lightning import Callback, LightningModule, Trainer

from pcrnet.config.training import CheckpointsConfig
from pcrnet.storage import atomic_path

CHECKPOINTS_FOLDER = "checkpoints"


class Checkpoints(Callback):
    """Writes ``checkpoints/epoch-0005.ckpt`` every few epochs, whole or not at all.

    ``PcrModule.load_from_checkpoint`` reads them. Where weights are averaged, theirs are the
    averaged ones.

    Args:
        directory: Folder of the network within the fit.
        every_epochs: Epochs from one to the next.
        keep: How many of the newest stay; None: all.
    """

    def __init__(self, directory: Path, every_epochs: int, keep: int | None) -> None:
        self.folder = directory / CHECKPOINTS_FOLDER
        self.every_epochs = every_epochs
        self.keep = keep

    @classmethod
    def asked_for(cls, config: CheckpointsConfig, directory: Path) -> Sequence[Checkpoints]:
        """The callback, if the settings want one."""
        if config.every_epochs is None:
            return ()
        return (cls(directory, config.every_epochs, config.keep),)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """What an earlier try has left is none of a fit that begins afresh."""
        if trainer.current_epoch == 0 and trainer.is_global_zero:
            shutil.rmtree(self.folder, ignore_errors=True)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write one when it is time, and forget the oldest beyond those that stay."""
        epoch = trainer.current_epoch + 1
        if epoch % self.every_epochs:
            return
        path = self.folder / f"epoch-{epoch:04d}.ckpt"
        if not trainer.is_global_zero:
            trainer.save_checkpoint(path)  # this process writes nothing, but all must come together
            return
        with atomic_path(path) as temporary:
            trainer.save_checkpoint(temporary)
        if self.keep is not None:
            for old in sorted(self.folder.glob("epoch-*.ckpt"))[: -self.keep]:
                old.unlink()

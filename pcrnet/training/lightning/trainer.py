"""The Lightning trainer of one fit."""

from __future__ import annotations

import logging
import os
import signal
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.plugins.environments import LightningEnvironment

from pcrnet.config.training import TrainingConfig
from pcrnet.training.devices import (
    computing_device,
    lightning_precision,
    overruling_variables,
    uses_gpu,
)


def make_trainer(
    config: TrainingConfig,
    callbacks: Sequence[Callback],
    device_index: int,
    *,
    validate: bool,
    directory: Path,
) -> Trainer:
    """A trainer that writes nothing itself (our callbacks do), and that nothing outside can steer.

    Under SLURM Lightning would take signals for its own, write ``hpc_ckpt_N.ckpt`` into the working
    directory and begin every later fit from it. So it is told that it stands alone, and looks for
    such files where none can be.

    Args:
        config: Length, precision and device.
        callbacks: In the order in which they are to run.
        device_index: Slot of the fit; it chooses the GPU.
        validate: Whether there are patients that early stopping watches.
        directory: Folder of the fit.
    """
    gpu = computing_device(config, device_index).index
    # Deterministic mode would also fill every new tensor, to expose reads of memory that nobody
    # wrote; that finds bugs, changes no result, and costs a tenth of a step.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    with _without_overruling():
        return Trainer(
            plugins=[_Alone()],
            default_root_dir=directory / "lightning",  # never made
            accelerator="gpu" if uses_gpu(config) else "cpu",
            devices=1 if gpu is None else [gpu],
            precision=lightning_precision(config),
            max_epochs=config.max_epochs,
            max_steps=config.max_steps or -1,
            gradient_clip_val=config.gradient_clip,
            deterministic=config.deterministic,
            callbacks=[_OwnEnd(), *callbacks],
            num_sanity_val_steps=0,
            limit_val_batches=1.0 if validate else 0,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )


@contextmanager
def _without_overruling() -> Iterator[None]:
    hidden = {name: os.environ.pop(name) for name in overruling_variables()}
    try:
        yield
    finally:
        os.environ.update(hidden)


class _Alone(LightningEnvironment):
    """One process on one machine, whatever variables of a cluster or of torchrun say."""

    def world_size(self) -> int:
        """One."""
        return 1

    def global_rank(self) -> int:
        """The first."""
        return 0

    def local_rank(self) -> int:
        """The first."""
        return 0

    def node_rank(self) -> int:
        """The first."""
        return 0


class _OwnEnd(Callback):
    """Leaves SIGTERM as it was: what is written is whole at any moment, so the end may be at once.

    Lightning would go on to the end of the batch, and call the end an exit of the program.
    """

    def __init__(self) -> None:
        self._before = signal.getsignal(signal.SIGTERM)

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Take Lightning's handler away again."""
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, self._before)


@contextmanager
def quiet_lightning() -> Iterator[None]:
    """Keep Lightning from announcing devices and advertising loader workers in every fit."""
    logger = logging.getLogger("pytorch_lightning")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*does not have many workers.*")
            warnings.filterwarnings("ignore", message=".*smaller than the logging interval.*")
            warnings.filterwarnings("ignore", message=".*`isinstance\\(treespec, LeafSpec\\)`.*")
            yield
    finally:
        logger.setLevel(level)


@contextmanager
def interruptible() -> Iterator[None]:
    """Let Ctrl-C through: Lightning would make it ``sys.exit(1)`` and ignore every later one."""
    handler = signal.getsignal(signal.SIGINT)
    try:
        yield
    except SystemExit as stopped:
        signal.signal(signal.SIGINT, handler)
        raise KeyboardInterrupt from stopped

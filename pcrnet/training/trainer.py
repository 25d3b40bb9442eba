"""The Lightning trainer of one fit."""

from __future__ import annotations

import logging
import signal
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from pytorch_lightning import Callback, Trainer

from pcrnet.config.training import TrainingConfig
from pcrnet.training.devices import computing_device, lightning_precision, uses_gpu


def make_trainer(
    config: TrainingConfig, callbacks: Sequence[Callback], device_index: int, *, validate: bool
) -> Trainer:
    """A trainer that writes nothing itself; our callbacks do.

    Args:
        config: Length, precision and device.
        callbacks: In the order in which they are to run.
        device_index: Slot of the fit; it chooses the GPU.
        validate: Whether there are patients that early stopping watches.
    """
    gpu = computing_device(config, device_index).index
    # Deterministic mode would also fill every new tensor, to expose reads of memory that nobody
    # wrote; that finds bugs, changes no result, and costs a tenth of a step.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    return Trainer(
        accelerator="gpu" if uses_gpu(config) else "cpu",
        devices=1 if gpu is None else [gpu],
        precision=lightning_precision(config),
        max_epochs=config.max_epochs,
        max_steps=config.max_steps or -1,
        gradient_clip_val=config.gradient_clip,
        deterministic=config.deterministic,
        callbacks=list(callbacks),
        num_sanity_val_steps=0,
        limit_val_batches=1.0 if validate else 0,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )


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

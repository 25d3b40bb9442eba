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
from typing import Any

import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.plugins.environments import LightningEnvironment

from pcrnet.config.training import TrainingConfig
from pcrnet.training.devices import (
    gpus_of,
    lightning_precision,
    overruling_variables,
    uses_gpu,
)
from pcrnet.training.lightning.ranks import Rank


def make_trainer(
    config: TrainingConfig,
    callbacks: Sequence[Callback],
    device_index: int,
    *,
    validate: bool,
    directory: Path,
    rank: Rank | None = None,
    logger: Any = False,  # noqa: ANN401 - False, or one of Lightning's
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
        rank: Which of the processes of the fit this is.
        logger: What monitors of Lightning's tell their numbers.
    """
    own, rank = config.trainer, rank or Rank()
    named = {type(callback).__name__ for callback in callbacks}
    # Deterministic mode would also fill every new tensor, to expose reads of memory that nobody
    # wrote; that finds bugs, changes no result, and costs a tenth of a step.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    with _without_overruling():
        return Trainer(
            plugins=[_Stand(rank)],
            default_root_dir=directory / "lightning",  # never made
            accelerator="gpu" if uses_gpu(config) else "cpu",
            devices=gpus_of(config, device_index) if uses_gpu(config) else rank.of,
            strategy=_strategy(config) if rank.of > 1 else "auto",
            precision=lightning_precision(config),
            max_epochs=config.max_epochs,
            max_steps=config.max_steps or -1,
            gradient_clip_val=config.gradient_clip,
            gradient_clip_algorithm=own.gradient_clip_algorithm,
            accumulate_grad_batches=own.accumulate_grad_batches,
            deterministic=config.deterministic,
            benchmark=own.benchmark,
            detect_anomaly=own.detect_anomaly,
            sync_batchnorm=own.sync_batchnorm,
            profiler=_profiler(config, directory) if rank.number == 0 else None,
            callbacks=[_OwnEnd(), *callbacks],
            num_sanity_val_steps=0,
            limit_train_batches=own.limit_train_batches,
            limit_val_batches=(own.limit_val_batches or 1.0) if validate else 0,
            check_val_every_n_epoch=own.check_val_every_n_epoch,
            log_every_n_steps=own.log_every_n_steps,
            use_distributed_sampler=False,
            logger=logger,
            enable_checkpointing="ModelCheckpoint" in named,
            enable_progress_bar="TQDMProgressBar" in named,
            enable_model_summary=False,
        )


def _strategy(config: TrainingConfig) -> Any:  # noqa: ANN401 - Lightning is not typed
    from pytorch_lightning.strategies import DDPStrategy

    return DDPStrategy(
        process_group_backend="nccl" if uses_gpu(config) else "gloo",
        find_unused_parameters=config.trainer.strategy == "ddp_find_unused_parameters_true",
    )


def _profiler(config: TrainingConfig, directory: Path) -> Any:  # noqa: ANN401 - as above
    from pytorch_lightning import profilers

    if config.trainer.profiler is None:
        return None
    kinds = {
        "simple": profilers.SimpleProfiler,
        "advanced": profilers.AdvancedProfiler,
        "pytorch": profilers.PyTorchProfiler,
    }
    return kinds[config.trainer.profiler](dirpath=directory, filename="profile")


@contextmanager
def _without_overruling() -> Iterator[None]:
    hidden = {name: os.environ.pop(name) for name in overruling_variables()}
    try:
        yield
    finally:
        os.environ.update(hidden)


class _Stand(LightningEnvironment):
    """Where this process stands, whatever variables of a cluster or of torchrun say."""

    def __init__(self, rank: Rank) -> None:
        super().__init__()
        self._rank = rank

    @property
    def creates_processes_externally(self) -> bool:
        """Lightning starts none."""
        return True

    @property
    def main_address(self) -> str:
        """This machine."""
        return "127.0.0.1"

    @property
    def main_port(self) -> int:
        """Where the processes of the fit meet."""
        return self._rank.port

    def world_size(self) -> int:
        """How many share the fit."""
        return self._rank.of

    def global_rank(self) -> int:
        """Which of them this is."""
        return self._rank.number

    def local_rank(self) -> int:
        """The same: they share one machine."""
        return self._rank.number

    def node_rank(self) -> int:
        """The first machine."""
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
    loggers = [logging.getLogger(name) for name in ("pytorch_lightning", "lightning_fabric")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*does not have many workers.*")
            warnings.filterwarnings("ignore", message=".*smaller than the logging interval.*")
            warnings.filterwarnings("ignore", message=".*`isinstance\\(treespec, LeafSpec\\)`.*")
            warnings.filterwarnings("ignore", message=".*SWA is currently only supported every.*")
            # A layout of memory that DDP copies; gradients of a few values.
            warnings.filterwarnings("ignore", message=".*Grad strides do not match.*")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
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

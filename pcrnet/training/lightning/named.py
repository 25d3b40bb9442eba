"""Callbacks of Lightning's that the configuration names, and whom its monitors tell."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, assert_never

from pytorch_lightning import Callback
from pytorch_lightning import callbacks as lightning
from pytorch_lightning.loggers.logger import Logger

from pcrnet.config.trainer import CallbackName
from pcrnet.config.training import EarlyStopping, TrainingConfig
from pcrnet.errors import ConfigError
from pcrnet.training.devices import uses_gpu
from pcrnet.training.events import Measured

MODEL_CHECKPOINT_FOLDER = "model-checkpoint"
_MONITORS = frozenset({"LearningRateMonitor", "DeviceStatsMonitor"})
_AVERAGING_RATE = 0.25  # of the peak: SWA wants a constant rate that still explores


def named_callbacks(config: TrainingConfig, directory: Path) -> list[Callback]:
    """The callbacks that ``training.callbacks`` names.

    Args:
        config: Settings of the fit.
        directory: Folder of the network within the fit, where ModelCheckpoint writes.

    Raises:
        ConfigError: A monitor needs a package that is not installed.
    """
    return [_named(name, config, directory) for name in config.callbacks]


def _named(name: CallbackName, config: TrainingConfig, directory: Path) -> Callback:
    match name:
        case "LearningRateMonitor":
            return lightning.LearningRateMonitor("step")
        case "DeviceStatsMonitor":
            if not uses_gpu(config) and importlib.util.find_spec("psutil") is None:
                raise ConfigError(
                    "DeviceStatsMonitor needs psutil on a CPU",
                    field="training.callbacks",
                    remedy="pip install 'pcrnet[monitors]', or leave it out",
                )
            return lightning.DeviceStatsMonitor()
        case "ModelCheckpoint":
            watches = isinstance(config.stopping, EarlyStopping)
            return lightning.ModelCheckpoint(
                dirpath=directory / MODEL_CHECKPOINT_FOLDER,
                filename="best",
                monitor="validation/loss" if watches else "train/loss",
                save_last=True,
                enable_version_counter=False,
            )
        case "StochasticWeightAveraging":
            return lightning.StochasticWeightAveraging(_AVERAGING_RATE * config.learning_rate)
        case "TQDMProgressBar":
            return lightning.TQDMProgressBar()
        case _:
            assert_never(name)


def logger_of(config: TrainingConfig, fit: str, listen: Callable[[Measured], None]) -> Relay | bool:
    """What Lightning's monitors of a fit speak to; False where there are none."""
    return Relay(fit, listen) if _MONITORS & set(config.callbacks) else False


class Relay(Logger):
    """A Lightning logger that hands numbers to the run's own trackers, and nothing but numbers.

    Args:
        fit: Name of the fit.
        listen: Told of every line.
    """

    def __init__(self, fit: str, listen: Callable[[Measured], None]) -> None:
        super().__init__()
        self.fit = fit
        self.listen = listen

    @property
    def name(self) -> str:
        """Of the logger; no folder is named by it."""
        return "pcrnet"

    @property
    def version(self) -> str:
        """None."""
        return ""

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Pass a line on; the losses of epochs are reported elsewhere."""
        values = {
            name: float(value)
            for name, value in metrics.items()
            if name != "epoch" and not name.endswith("/loss")
        }
        if values:
            self.listen(Measured(self.fit, step or 0, values))

    def log_hyperparams(self, *_: Any, **__: Any) -> None:  # noqa: ANN401 - as Lightning has it
        """Hyper-parameters name covariates; they stay here."""

"""Where a fit computes, and in what precision."""

from __future__ import annotations

import os
from typing import Literal

import torch

from pcrnet.config.experiment import Experiment
from pcrnet.config.model import ENCODERS, NetworkConfig
from pcrnet.config.training import TrainingConfig
from pcrnet.errors import ConfigError
from pcrnet.machine import available_cores
from pcrnet.models.kinds import KINDS

_OVERRULING = "PL_TRAINER_"
"""Variables by which Lightning fills whatever argument of a trainer was left out."""


def overruling_variables() -> tuple[str, ...]:
    """Variables of the environment that would change a run unrecorded; no trainer sees them."""
    return tuple(sorted(name for name in os.environ if name.startswith(_OVERRULING)))


def uses_gpu(config: TrainingConfig) -> bool:
    """Whether fits run on a GPU."""
    return config.accelerator != "cpu" and torch.cuda.is_available()


def require_device(config: TrainingConfig) -> None:
    """Refuse to train on the CPU in silence where a GPU is asked for.

    Raises:
        ConfigError: ``training.accelerator`` is gpu, and torch sees none; or more GPUs are to share
            a fit than there are.
    """
    if config.accelerator == "gpu" and not torch.cuda.is_available():
        built = "torch sees none" if torch.version.cuda else "this torch was built without CUDA"
        raise ConfigError(
            f"a GPU is asked for, but {built}",
            field="training.accelerator",
            remedy="check the driver and CUDA_VISIBLE_DEVICES, or set training.accelerator=auto",
        )
    wanted, there = config.trainer.devices, torch.cuda.device_count()
    if uses_gpu(config) and wanted > there:
        raise ConfigError(
            f"{wanted} GPUs are to share a fit, and torch sees {there}",
            field="training.trainer.devices",
            remedy="set training.trainer.devices to no more than there are",
        )


def computing_device(config: TrainingConfig, index: int) -> torch.device:
    """The (first) device of the fit in slot ``index``; slots share the GPUs in turn."""
    if uses_gpu(config):
        return torch.device("cuda", gpus_of(config, index)[0])
    return torch.device("cpu")


def gpus_of(config: TrainingConfig, index: int) -> list[int]:
    """The GPUs that share the fit in slot ``index``."""
    devices = config.trainer.devices
    return [(index * devices + own) % torch.cuda.device_count() for own in range(devices)]


def require_deterministic_layers(experiment: Experiment) -> None:
    """Refuse an encoder that CUDA cannot train deterministically, where that is asked for.

    Raises:
        ConfigError: A kind that declares itself not to be, such as MONAI's networks, whose 3D
            pooling has no such gradient.
    """
    config = experiment.training
    model = experiment.model
    deterministic = KINDS[model.kind].deterministic
    if isinstance(model, NetworkConfig):
        deterministic &= all(
            ENCODERS[model.encoder_of(branch).kind].deterministic
            for branch in experiment.data.branches
        )
    if config.deterministic and uses_gpu(config) and not deterministic:
        raise ConfigError(
            "a layer of this network, such as MONAI's pooling, has no deterministic gradient on a "
            "GPU",
            field="training.deterministic",
            remedy="set training.deterministic=false, or choose another encoder or model",
        )


def fits_at_a_time(config: TrainingConfig) -> int:
    """How many fits run side by side; small networks use cores better apart than together."""
    if config.parallel_fits != "auto":
        return config.parallel_fits
    if uses_gpu(config):
        return max(1, torch.cuda.device_count() // config.trainer.devices)
    return max(1, min(4, available_cores()) // config.trainer.devices)


def use_threads(threads: int) -> None:
    """Give torch so many threads in this process: what begins a worker that trains on a CPU."""
    torch.set_num_threads(threads)


def lightning_precision(config: TrainingConfig) -> Literal["bf16-mixed", "32-true", "64-true"]:
    """Precision of training; prediction is always in float32."""
    if config.trainer.precision is not None:
        return config.trainer.precision
    if config.precision == "auto":
        # On CPUs bf16 gains little and costs digits; on the GPUs that have it, it is the point.
        bf16 = uses_gpu(config) and torch.cuda.is_bf16_supported()
    else:
        bf16 = config.precision == "bf16"
    return "bf16-mixed" if bf16 else "32-true"

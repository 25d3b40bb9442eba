"""Arguments of Lightning's Trainer that a run may set, and why it may not set the others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from pcrnet.config.section import PositiveInt, Section

BatchShare = Annotated[float, Field(gt=0.0, le=1.0)]

CallbackName = Literal[
    "LearningRateMonitor",
    "DeviceStatsMonitor",
    "ModelCheckpoint",
    "StochasticWeightAveraging",
    "TQDMProgressBar",
]
"""Callbacks of Lightning's that a fit may run beside pcrnet's own."""

_IN_TRAINING = "training.{} is its home"
_OWN_TRAINER = "use it in a Trainer of your own (docs/own-trainer.md)"


class TrainerConfig(Section):
    """Arguments of Lightning's ``Trainer`` under Lightning's own names."""

    refused: ClassVar[Mapping[str, str]] = {
        "accelerator": _IN_TRAINING.format("accelerator"),
        "barebones": "it would leave out what stops a fit at numbers that are not finite",
        "callbacks": "training.callbacks names them",
        "default_root_dir": "a fit writes into its own folder, and nowhere else",
        "deterministic": _IN_TRAINING.format("deterministic"),
        "enable_autolog_hparams": "loggers are given nothing but numbers",
        "enable_checkpointing": "training.checkpoints asks for checkpoints",
        "enable_model_summary": "a log has a line a fit, and the report the number of weights",
        "enable_progress_bar": "training.callbacks=[TQDMProgressBar] asks for one",
        "fast_dev_run": f"a run would ship what learned from one batch; {_OWN_TRAINER}",
        "gradient_clip_val": _IN_TRAINING.format("gradient_clip"),
        "inference_mode": "it changes nothing that a fit does",
        "limit_predict_batches": "every patient left out is predicted",
        "limit_test_batches": "every patient left out is predicted",
        "logger": "tracking.loggers names them",
        "max_epochs": _IN_TRAINING.format("max_epochs"),
        "max_steps": _IN_TRAINING.format("max_steps"),
        "max_time": "the length of a fit, and with it its numbers, would hang on the machine",
        "min_epochs": "training.max_epochs and training.stopping say how long a fit runs",
        "min_steps": "training.max_epochs and training.stopping say how long a fit runs",
        "model_registry": "nothing is sent to a registry; the bundle is what ships",
        "num_nodes": "fits are many and small: machines share them out whole, not by the batch",
        "num_sanity_val_steps": "a fit would see its validation patients before it begins",
        "overfit_batches": f"a run would ship what learned from a few batches; {_OWN_TRAINER}",
        "plugins": "configuration is plain data",
        "reload_dataloaders_every_n_epochs": "a fit has the same patients in every epoch",
        "use_distributed_sampler": "pcrnet's own shows every patient once, whatever the devices",
        "val_check_interval": "early stopping counts whole epochs; see check_val_every_n_epoch",
    }
    """Arguments that would break the protocol or have another home, with the reason."""

    devices: PositiveInt = 1
    """GPUs, or processes on CPUs, that share each batch of one fit; for networks too large for
    one. Several fits side by side (``training.parallel_fits``) waste nothing and come first."""
    strategy: Literal["auto", "ddp", "ddp_find_unused_parameters_true"] = "auto"
    """How several devices work together; auto: ddp. What would split the weights among them
    (fsdp, deepspeed) could be neither averaged nor shipped."""
    precision: Literal["32-true", "bf16-mixed", "64-true"] | None = None
    """Instead of ``training.precision``, in Lightning's words. Half precision of 16 bits scales
    gradients, and an overflow is no error there as it is here."""
    accumulate_grad_batches: PositiveInt = 1
    """Batches whose gradients make one step."""
    gradient_clip_algorithm: Literal["norm", "value"] = "norm"
    """Whether ``training.gradient_clip`` bounds the length of the gradient or each of its
    entries."""
    profiler: Literal["simple", "advanced", "pytorch"] | None = None
    """Where the time of each fit goes, written as ``fit-profile.txt`` into the fit's folder."""
    limit_train_batches: PositiveInt | BatchShare | None = None
    """Batches of an epoch, or the share of them, that are trained on; null: all."""
    limit_val_batches: PositiveInt | BatchShare | None = None
    """Batches, or the share of them, that early stopping watches; null: all."""
    check_val_every_n_epoch: PositiveInt = 1
    """Epochs from one look of early stopping to the next."""
    log_every_n_steps: PositiveInt = 50
    """Steps from one line of a monitor to the next."""
    sync_batchnorm: bool = False
    """Batch normalisation over all devices of a fit."""
    benchmark: bool = False
    """Let cuDNN time its algorithms; needs ``training.deterministic=false``."""
    detect_anomaly: bool = False
    """Let autograd name the operation that made a gradient NaN; slow."""

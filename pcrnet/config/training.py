"""Settings of one fit, and of what is told about it while it runs."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from pcrnet.config.section import (
    Distinct,
    NonNegative,
    NonNegativeInt,
    Positive,
    PositiveInt,
    Section,
)
from pcrnet.config.trainer import CallbackName, TrainerConfig


class FixedSchedule(Section):
    """Every fit runs ``training.max_epochs``: nothing is chosen by looking."""

    kind: Literal["fixed"] = "fixed"


class EarlyStopping(Section):
    """Stop on a slice of the fit's own training patients, never on the folds it is judged on."""

    kind: Literal["early"] = "early"
    fraction: Annotated[float, Field(gt=0.0, le=0.5)] = 0.2
    """Share of the fit's training patients that it is watched on."""
    patience: PositiveInt = 10
    """Epochs without a better loss before it stops."""


StoppingConfig = Annotated[FixedSchedule | EarlyStopping, Field(discriminator="kind")]


class CheckpointsConfig(Section):
    """Checkpoints of Lightning that a run leaves behind, for whoever goes on with a fit by hand."""

    every_epochs: PositiveInt | None = None
    """Epochs from one to the next; null keeps none. A run needs none of them to continue."""
    keep: PositiveInt | None = 1
    """How many of the newest stay; null: all."""


class TrainingConfig(Section):
    """How one network is fitted."""

    max_epochs: PositiveInt = 8
    """Passes through the training patients."""
    batch_size: PositiveInt = 8
    """Patients a step."""
    learning_rate: Positive = 2e-3
    """Highest learning rate of AdamW."""
    weight_decay: NonNegative = 0.02
    """Decoupled weight decay of AdamW."""
    warmup_fraction: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.1
    """Share of the steps in which the learning rate rises."""
    gradient_clip: Positive = 1.0
    """Longest gradient; a longer one is shortened."""
    average_decay: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.98
    """Decay of the exponential moving average of the weights; 0 leaves it out."""
    freeze_epochs: NonNegativeInt = 0
    """Epochs in which what an encoder's ``weights`` brought is left as it came."""
    layer_decay: Annotated[float, Field(gt=0.0, le=1.0)] = 1.0
    """Learning rate of each block of an encoder over that of the block behind it; 1: all alike."""
    stopping: StoppingConfig = FixedSchedule()
    """When a fit ends."""
    precision: Literal["auto", "32", "bf16"] = "auto"
    """auto: bf16 where the training device computes in it, else 32."""
    accelerator: Literal["auto", "cpu", "gpu"] = "auto"
    """Where fits compute; auto: on a GPU where there is one."""
    parallel_fits: PositiveInt | Literal["auto"] = "auto"
    """Fits that run at the same time; auto: on CPUs as many as there are cores, four at most; on
    each GPU as many as its memory and the cores hold, eight at most."""
    resident: bool = True
    """Keep the tensors of the cohort on the GPU where they take no more than half of what is free
    there; else each batch is sent."""
    cuda_graphs: bool = True
    """Repeat the passes of a step on a GPU as a whole, rather than ask for each operation."""
    deterministic: bool = True
    """Deterministic algorithms only; densenet has none on a GPU and is refused there."""
    max_steps: PositiveInt | None = None
    """Stop each fit after so many steps: for trying a configuration out."""

    checkpoints: CheckpointsConfig = CheckpointsConfig()
    """What is kept of a fit on its way."""
    trainer: TrainerConfig = TrainerConfig()
    """Further arguments of Lightning's trainer."""
    callbacks: Distinct[CallbackName] = ()
    """Callbacks of Lightning's, by the names of their classes. Monitors need one of
    ``tracking.loggers``; averaging (SWA) runs in the last fifth of the epochs."""

    @field_validator("precision", mode="before")
    @classmethod
    def _number_or_name(cls, value: object) -> object:
        return str(value) if type(value) is int else value

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.trainer.precision is not None and self.precision != "auto":
            raise ValueError("precision and trainer.precision say the same thing: set one of them")
        if self.trainer.devices > self.batch_size:
            raise ValueError(
                "trainer.devices share a batch: batch_size must give each of them a patient"
            )
        if self.trainer.benchmark and self.deterministic:
            raise ValueError("trainer.benchmark chooses by the clock: set deterministic=false")
        if "StochasticWeightAveraging" in self.callbacks:
            if self.average_decay > 0:
                raise ValueError(
                    "StochasticWeightAveraging beside the running average would be undone: "
                    "set average_decay=0"
                )
            if self.stopping.kind == "early":
                raise ValueError(
                    "StochasticWeightAveraging would be undone by early stopping, which goes back "
                    "to the best weights that it saw: set stopping.kind=fixed"
                )
        return self


LoggerName = Literal["wandb", "tensorboard", "csv", "mlflow"]


class TrackingConfig(Section):
    """Loggers beside the local record, which stays the truth. None is told of paths, patients or
    columns."""

    loggers: Distinct[LoggerName] = ("wandb",)
    """Who is told the losses, rates and final metrics. tensorboard and mlflow are extras of their
    names; files go to ``tracking/`` in the run, MLflow's to ``MLFLOW_TRACKING_URI`` if that is
    set."""
    artifacts: Distinct[Literal["bundle", "report", "metrics"]] = ()
    """What else a run that comes through leaves with wandb and MLflow. The bundle names the
    covariates; of the report come the figures, and of ``metrics.json`` all but the subgroups."""
    wandb: Literal["auto", "online", "offline", "disabled"] = "auto"
    """auto: online where the user is logged in, offline elsewhere. ``WANDB_MODE`` overrules all
    but disabled, which is final."""
    project: str = "pcrnet"
    """Project that runs are logged to."""
    group: str | None = None
    """Group of the run within the project."""

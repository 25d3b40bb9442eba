"""Settings of a sweep: what is searched, how, for how long, and how the winner is judged.

They stand in the section ``sweep`` of a SWEEP.yaml, beside the sections of the experiment.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from pcrnet.config.section import (
    Fraction,
    NonNegative,
    Positive,
    PositiveInt,
    RunName,
    Section,
)


class GridSearch(Section):
    """Every combination of the listed values, in their order."""

    kind: Literal["grid"] = "grid"


class RandomSearch(Section):
    """Values drawn independently of each other and of all results."""

    kind: Literal["random"] = "random"


class TpeSearch(Section):
    """Optuna's tree-structured Parzen estimator: later trials learn from earlier ones."""

    kind: Literal["tpe"] = "tpe"
    startup: PositiveInt = 10
    """Trials that are drawn at random before the results are looked at."""


SearchConfig = Annotated[GridSearch | RandomSearch | TpeSearch, Field(discriminator="kind")]


class Objective(Section):
    """What the best trial has the best of: a metric of ``metrics.json``."""

    metric: str = "log_loss"
    """``log_loss``: the mean over the heads; or ``<head>/<metric>``, as ``yT0yN0/auc``."""
    direction: Literal["minimize", "maximize"] | None = None
    """null: what is better is known of the common metrics."""


class Budget(Section):
    """When no further trial is begun."""

    trials: PositiveInt | None = None
    """So many trials."""
    hours: Positive | None = None
    """So many hours in which at least one worker was at work; what was begun is finished."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.trials is None and self.hours is None:
            raise ValueError("name trials, hours, or both")
        return self


class Pruning(Section):
    """Giving up a trial between its fits, by Optuna's WilcoxonPruner."""

    enabled: bool = False
    """Whether trials are given up at all."""
    p_threshold: Fraction = 0.1
    """A trial is given up where the signed-rank test against the best trial finds less."""
    startup_steps: PositiveInt = 4
    """Parts of the cohort that must have been predicted first."""


class NestedEstimate(Section):
    """The selection is done again within each outer fold, from the fits that are there."""

    kind: Literal["nested"] = "nested"


class FreshEstimate(Section):
    """The winner is cross-validated again, with folds and seeds that chose nothing."""

    kind: Literal["fresh"] = "fresh"
    repeats: Annotated[int, Field(ge=1, le=20)] = 2
    """How often."""


EstimateConfig = Annotated[NestedEstimate | FreshEstimate, Field(discriminator="kind")]


class LocalEngine(Section):
    """Workers on this machine."""

    kind: Literal["local"] = "local"
    workers: PositiveInt | Literal["auto"] = "auto"
    """auto: as many as there are GPUs, else as cores and memory allow."""


class RayEngine(Section):
    """Workers on a Ray cluster that shares the folder of the sweep."""

    kind: Literal["ray"] = "ray"
    workers: PositiveInt = 2
    """How many."""
    address: str | None = None
    """Of a running cluster, or ``auto``; null starts one on this machine."""
    cpus: Positive = 1.0
    """Cores that Ray reserves for each."""
    gpus: NonNegative = 0.0
    """GPUs that Ray reserves for each; a fraction shares one."""


class SlurmEngine(Section):
    """Workers as an array of SLURM jobs, by submitit."""

    kind: Literal["slurm"] = "slurm"
    workers: PositiveInt = 4
    """Jobs of the array."""
    cluster: Literal["slurm", "local"] = "slurm"
    """local: submitit's own stand-in on this machine, to try things out."""
    partition: str | None = None
    """SLURM's partition; null takes the cluster's default."""
    cpus: PositiveInt = 2
    """Cores of each job."""
    gpus: Annotated[int, Field(ge=0)] = 0
    """GPUs of each job."""
    memory_gb: Positive = 8.0
    """Memory of each job."""
    hours: Positive = 12.0
    """Time limit of each job; a job that is ended goes on when it is queued again."""


EngineConfig = Annotated[LocalEngine | RayEngine | SlurmEngine, Field(discriminator="kind")]


class SweepConfig(Section):
    """The section ``sweep``."""

    name: RunName
    """Of the sweep and of its folder, ``<run.root>/sweeps/<name>``."""
    base: tuple[str, ...] = ()
    """YAML files of the experiment below the sections beside this one; paths are relative to the
    file that names them."""
    space: dict[str, Any]
    """Dotted key to what it may be: a list of values, ``{low, high, log, step}``, or, of a
    ``kind``, each kind with a space of its own."""
    search: SearchConfig = TpeSearch()
    """How values are proposed."""
    objective: Objective = Objective()
    """What decides."""
    budget: Budget = Budget(trials=20)
    """When it ends."""
    batch: PositiveInt = 4
    """Trials that are proposed together and know nothing of each other. This, and not the number
    of workers, decides what a proposal and a pruning may know, so that both are reproducible."""
    pruning: Pruning = Pruning()
    """Whether trials are given up early."""
    estimate: EstimateConfig = NestedEstimate()
    """How the winner is judged; never by the number that chose it."""
    engine: EngineConfig = LocalEngine()
    """Where workers run."""
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 1
    """Start of the random numbers of the search."""
    threads: PositiveInt = 1
    """Threads of each worker. Their number can change last digits, so it is the sweep's own."""
    patience_s: Annotated[float, Field(ge=1.0)] = 120.0
    """A worker of another machine that gives no sign of life for so long is taken for dead."""

    @field_validator("search", "estimate", "engine", mode="before")
    @classmethod
    def _kind_by_its_name(cls, value: object) -> object:
        return {"kind": value} if isinstance(value, str) else value

    @field_validator("objective", mode="before")
    @classmethod
    def _metric_by_its_name(cls, value: object) -> object:
        return {"metric": value} if isinstance(value, str) else value

    @field_validator("pruning", mode="before")
    @classmethod
    def _switched(cls, value: object) -> object:
        return {"enabled": value} if isinstance(value, bool) else value

    @field_validator("search", "estimate", "engine", mode="before")
    @classmethod
    def _default_kind(cls, value: object, info: Any) -> object:  # noqa: ANN401 - pydantic's own
        if isinstance(value, Mapping) and "kind" not in value:
            default = cls.model_fields[info.field_name].default
            return {"kind": default.kind, **value}
        return value

    @property
    def learns(self) -> bool:
        """Whether what is done with a trial depends on the results of earlier ones."""
        return isinstance(self.search, TpeSearch) or self.pruning.enabled

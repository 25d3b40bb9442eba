"""What whoever follows a run is told. Plain records, so that worker processes can send them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class StageStarted:
    """A stage of the run begins."""

    title: str


@dataclass(frozen=True)
class Progressed:
    """So many patients of the stage are done, or of what ``unit`` names."""

    done: int
    total: int
    unit: str = "patients"


@dataclass(frozen=True)
class Remark:
    """Something that a reader of the log should know; it may name files of this machine."""

    text: str


@dataclass(frozen=True)
class FitsPlanned:
    """These fits are about to run.

    Attributes:
        fits: Their names.
        networks: That each trains at most; 0 where its model has a closed form.
        epochs: That each network trains at most.
    """

    fits: tuple[str, ...]
    networks: int
    epochs: int


@dataclass(frozen=True)
class EpochReport:
    """An epoch of a fit has ended.

    ``loss`` is its mean training loss in nats; ``measures`` are those of
    :class:`~pcrnet.training.lightning.meter.Meter`.
    """

    fit: str
    epoch: int
    epochs: int
    loss: float
    measures: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Measured:
    """A monitor of Lightning's has measured something in a step of a fit."""

    fit: str
    step: int
    values: Mapping[str, float]


@dataclass(frozen=True)
class FitTimed:
    """A network of a fit is trained; where its seconds went, and how much memory it took.

    Attributes:
        fit: Name of the fit.
        patients: Trained on, each time counted.
        steps: Of the optimiser.
        seconds: From the first epoch to the end of the last.
        waiting: Of these, until batches were read.
        augmentation: Of these, until they had been brought to the device and augmented.
        step: Of these, in forward and backward pass and optimiser.
        peak_bytes: Most memory that the process has taken so far; 0 where nothing tells.
        gpu_peak_bytes: The same of the GPU, while this network was trained.
    """

    fit: str
    patients: int
    steps: int
    seconds: float
    waiting: float
    augmentation: float
    step: float
    peak_bytes: int
    gpu_peak_bytes: int


@dataclass(frozen=True)
class FitFinished:
    """A fit is on disk; ``trained`` is False where it was finished before this run began."""

    fit: str
    trained: bool


RunEvent = (
    StageStarted
    | Progressed
    | Remark
    | FitsPlanned
    | EpochReport
    | Measured
    | FitTimed
    | FitFinished
)
FitEvent = EpochReport | Measured | FitTimed | Remark
"""What a fit tells while it runs."""
Listener = Callable[[RunEvent], None]

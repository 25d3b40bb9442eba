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
    """So many patients of the stage are done."""

    done: int
    total: int


@dataclass(frozen=True)
class Remark:
    """Something that a reader of the log should know; it may name files of this machine."""

    text: str


@dataclass(frozen=True)
class FitsPlanned:
    """These fits are about to run, each for at most ``epochs``."""

    fits: tuple[str, ...]
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
class FitFinished:
    """A fit is on disk; ``trained`` is False where it was finished before this run began."""

    fit: str
    trained: bool


RunEvent = StageStarted | Progressed | Remark | FitsPlanned | EpochReport | Measured | FitFinished
Listener = Callable[[RunEvent], None]

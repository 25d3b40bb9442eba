"""What a person following a run is told. Plain records, so that worker processes can send them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class FitStarted:
    """A fit begins, or is found finished."""

    fit: str


@dataclass(frozen=True)
class EpochReport:
    """An epoch of a fit has ended; ``loss`` is its mean training loss in nats."""

    fit: str
    epoch: int
    epochs: int
    loss: float


@dataclass(frozen=True)
class FitFinished:
    """A fit is on disk; ``trained`` is False where it was finished before this run began."""

    fit: str
    trained: bool


FitEvent = FitStarted | EpochReport | FitFinished

"""What is known of a sweep, read from its files: proposals, finished fits, results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from pcrnet.storage import create_once, read_record, sha256_json, taking_apart, write_json

TrialState = Literal["complete", "pruned", "failed"]
_RESTORE = "restore the file, or begin the sweep anew under another sweep.name"


@dataclass(frozen=True)
class ProposedTrial:
    """A trial to be made.

    Attributes:
        number: In the order of proposals, from 0.
        trial: Its id.
        values: Searched key to value; what does not exist beside a chosen kind is absent.
        draws: Path of a parameter in the space to its value.
    """

    number: int
    trial: str
    values: Mapping[str, Any]
    draws: Mapping[str, Any]


@dataclass(frozen=True)
class TrialBatch:
    """Trials that were proposed together; or, where there are none, why there are no more."""

    proposals: tuple[ProposedTrial, ...]
    closed: str = ""


@dataclass(frozen=True)
class TrialResult:
    """What came of a trial.

    Attributes:
        state: How it ended.
        value: Its objective; None where it is not complete.
        fits: Finished fits that the end rests on.
        seconds: That those took.
        heads: Head to metric to value.
        early: What each part of the cohort showed in turn, as the pruner saw it; None if nothing.
        reason: Why it is not complete.
    """

    state: TrialState
    value: float | None
    fits: int
    seconds: float
    heads: Mapping[str, Mapping[str, float | None]] = field(default_factory=dict)
    early: tuple[float | None, ...] = ()
    reason: str = ""


@dataclass(frozen=True)
class FitNote:
    """What a finished fit showed.

    Attributes:
        seconds: That it took.
        early: Of each fold that it left out, the value of the objective before calibration.
        losses: Mean training loss of each epoch, network after network.
    """

    seconds: float
    early: tuple[float | None, ...]
    losses: tuple[float, ...] = ()


def write_batch(path: Path, batch: TrialBatch) -> bool:
    """Write a batch unless another worker has; whether it was this call."""
    import json

    record = {"proposals": [asdict(each) for each in batch.proposals], "closed": batch.closed}
    sealed = {"sha256": sha256_json(record), **record}
    return create_once(path, (json.dumps(sealed, indent=1) + "\n").encode())


def read_batch(path: Path) -> TrialBatch:
    """Read a batch.

    Raises:
        IntegrityError: The file is damaged.
    """
    record = read_record(path, remedy=_RESTORE)
    with taking_apart(path, remedy=_RESTORE):
        seal = record.pop("sha256")
        if seal != sha256_json(record):
            raise ValueError("it differs from its digest")
        proposals = tuple(
            ProposedTrial(int(each["number"]), str(each["trial"]), each["values"], each["draws"])
            for each in record["proposals"]
        )
        return TrialBatch(proposals, str(record["closed"]))


def write_result(path: Path, result: TrialResult) -> None:
    """Write the end of a trial."""
    write_json(path, asdict(result))


def read_result(path: Path) -> TrialResult:
    """Read the end of a trial.

    Raises:
        IntegrityError: The file is damaged.
    """
    record = read_record(path, remedy=_RESTORE)
    with taking_apart(path, remedy=_RESTORE):
        return TrialResult(**{**record, "early": tuple(record["early"])})


def write_note(path: Path, note: FitNote) -> None:
    """Write what a fit showed."""
    write_json(path, asdict(note))


def read_note(path: Path) -> FitNote:
    """Read what a fit showed.

    Raises:
        IntegrityError: The file is damaged.
    """
    record = read_record(path, remedy=_RESTORE)
    with taking_apart(path, remedy=_RESTORE):
        return FitNote(
            float(record["seconds"]),
            tuple(record["early"]),
            tuple(record["losses"]),
        )


@dataclass(frozen=True)
class FinishedTrial:
    """A trial and what came of it."""

    proposal: ProposedTrial
    result: TrialResult

    @property
    def value(self) -> float | None:
        """Its objective, where it is complete."""
        return self.result.value


def complete(trials: Sequence[FinishedTrial]) -> list[FinishedTrial]:
    """Those that have a value."""
    return [trial for trial in trials if trial.result.state == "complete"]

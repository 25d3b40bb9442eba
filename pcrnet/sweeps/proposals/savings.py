"""How many fits a sweep took, and how many pruning spared it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from pcrnet.sweeps.folder.layout import SweepLayout, TrialLayout
from pcrnet.sweeps.folder.records import FinishedTrial
from pcrnet.sweeps.plan.settings import Sweep
from pcrnet.sweeps.proposals.pruning import fits_in_order


@dataclass(frozen=True)
class FitCount:
    """Fits of a sweep.

    Attributes:
        all: What its trials would have taken, had none been given up; failed trials left aside.
        needed: What their ends rest on.
        made: What was made: more than needed where workers had nothing else to do.
        fresh: For repeats of the winner.
    """

    all: int
    needed: int
    made: int
    fresh: int

    @property
    def saved(self) -> float:
        """Share of the fits that pruning made unnecessary, in [0, 1]."""
        return 1 - self.needed / self.all if self.all else 0.0

    def to_json(self) -> dict[str, float]:
        """As plain numbers."""
        return asdict(self) | {"saved": round(self.saved, 4)}


def count_fits(
    sweep: Sweep,
    layout: SweepLayout,
    finished: Sequence[FinishedTrial],
    fresh: Sequence[TrialLayout],
) -> FitCount:
    """Count the fits of a sweep from its folders."""
    evaluation = sweep.experiment.evaluation
    each = len(fits_in_order(evaluation.folds, evaluation.mode))
    ended = [trial for trial in finished if trial.result.state != "failed"]

    def made(place: TrialLayout) -> int:
        return sum(1 for _ in place.folds.iterdir()) if place.folds.is_dir() else 0

    return FitCount(
        all=each * len(ended),
        needed=sum(trial.result.fits for trial in ended),
        made=sum(made(TrialLayout(layout.trials / trial.proposal.trial)) for trial in ended),
        fresh=sum(made(place) for place in fresh),
    )

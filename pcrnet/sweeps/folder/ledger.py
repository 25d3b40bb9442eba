"""What a worker knows of its sweep: read from the files, and remembered where it cannot change."""

from __future__ import annotations

from collections.abc import Sequence

from pcrnet.config.experiment import Experiment
from pcrnet.data.seeds import derive_seed
from pcrnet.sweeps.folder.layout import SweepLayout, TrialLayout
from pcrnet.sweeps.folder.records import (
    FinishedTrial,
    FitNote,
    ProposedTrial,
    TrialBatch,
    complete,
    read_batch,
    read_note,
    read_result,
)
from pcrnet.sweeps.plan.objective import better
from pcrnet.sweeps.plan.settings import Sweep


class Ledger:
    """The files of a sweep, each read once it can no longer change.

    Args:
        sweep: What is searched.
        layout: Its folder.
    """

    def __init__(self, sweep: Sweep, layout: SweepLayout) -> None:
        self._sweep, self._layout = sweep, layout
        self._batches: list[TrialBatch] = []
        self._results: dict[str, FinishedTrial] = {}
        self._experiments: dict[str, Experiment] = {}
        self._notes: dict[tuple[TrialLayout, str], FitNote] = {}
        self._done: set[tuple[TrialLayout, str]] = set()

    def batches(self) -> list[TrialBatch]:
        """All batches so far; the last is closed where there will be no more.

        A list of its own: what another worker adds while this one thinks of the next batch must not
        move the place that the next batch would have.
        """
        while not (self._batches and self._batches[-1].closed):
            path = self._layout.batch(len(self._batches))
            if not path.exists():
                break
            self._batches.append(read_batch(path))
        return list(self._batches)

    def proposals(self) -> list[ProposedTrial]:
        """All trials so far, in order."""
        return [proposal for batch in self.batches() for proposal in batch.proposals]

    def finished(self, proposal: ProposedTrial) -> FinishedTrial | None:
        """What came of a trial; None as long as it is open."""
        known = self._results.get(proposal.trial)
        if known is None:
            path = TrialLayout(self._layout.trials / proposal.trial).result
            if not path.exists():
                return None
            known = self._results[proposal.trial] = FinishedTrial(proposal, read_result(path))
        return known

    def all_finished(self) -> list[FinishedTrial]:
        """Every finished trial, in order."""
        found = (self.finished(proposal) for proposal in self.proposals())
        return [trial for trial in found if trial is not None]

    def winner(self) -> FinishedTrial | None:
        """The best of the complete trials, the first of equals."""
        return best_of(self._sweep, self.all_finished())

    def experiment(self, proposal: ProposedTrial) -> Experiment:
        """The experiment of a trial."""
        if proposal.trial not in self._experiments:
            self._experiments[proposal.trial] = self._sweep.trial(proposal.values)
        return self._experiments[proposal.trial]

    def is_done(self, trial: TrialLayout, fit: str) -> bool:
        """Whether a fit is finished: its folder comes into being whole."""
        key = (trial, fit)
        if key not in self._done and trial.fit(fit).is_dir():
            self._done.add(key)
        return key in self._done

    def note(self, trial: TrialLayout, fit: str) -> FitNote:
        """What a finished fit showed."""
        key = (trial, fit)
        if key not in self._notes:
            self._notes[key] = read_note(trial.note(fit))
        return self._notes[key]


def best_of(sweep: Sweep, finished: Sequence[FinishedTrial]) -> FinishedTrial | None:
    """The best of the complete trials, the first of equals."""
    best: FinishedTrial | None = None
    for trial in complete(finished):
        assert trial.value is not None  # noqa: S101 - complete trials have one
        if best is None or better(sweep.config.objective, trial.value, best.value or 0.0):
            best = trial
    return best


def equals_of(winner: FinishedTrial, finished: Sequence[FinishedTrial]) -> int:
    """How many other complete trials have the winner's very value, as where none keeps a network.

    The search tells these from the winner by nothing but their order.
    """
    return sum(trial.value == winner.value for trial in complete(finished)) - 1


def fresh_experiments(winner: Experiment, repeats: int) -> list[Experiment]:
    """The winner under seeds of its own: other folds, weights and orders than chose it."""
    seed = winner.run.seed
    return [
        winner.reseeded(derive_seed(seed, "fresh", number) % 2**31)
        for number in range(1, repeats + 1)
    ]

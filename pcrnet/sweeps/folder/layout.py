"""How the folder of a sweep is laid out: the one owner of the names of its files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pcrnet.run_layout import RunLayout


@dataclass(frozen=True)
class SweepLayout:
    """Paths below ``<run.root>/sweeps/<name>/``; the files there are all that is known."""

    path: Path

    @property
    def root(self) -> Path:
        """Folder of all runs, wherever it is mounted."""
        return self.path.parent.parent

    @property
    def settings(self) -> Path:
        """The resolved sweep, which a worker reads."""
        return self.path / "sweep.yaml"

    @property
    def begun(self) -> Path:
        """What every worker must agree with: the digest of the code."""
        return self.path / "begun.json"

    @property
    def lock(self) -> Path:
        """Held by the process that begins or widens the sweep."""
        return self.path / "sweep.lock"

    def batch(self, number: int) -> Path:
        """The trials that were proposed together, or that there are no more."""
        return self.path / "batches" / f"{number:04d}.json"

    @property
    def trials(self) -> Path:
        """One folder a trial, laid out as a run."""
        return self.path / "trials"

    @property
    def fresh(self) -> Path:
        """One folder a repeat of the winner, laid out as a run."""
        return self.path / "fresh"

    @property
    def claims(self) -> Path:
        """Who is at what."""
        return self.path / "claims"

    @property
    def workers(self) -> Path:
        """One file a worker, touched as long as it lives."""
        return self.path / "workers"

    @property
    def table(self) -> Path:
        """One row a trial."""
        return self.path / "trials.csv"

    @property
    def best(self) -> Path:
        """The experiment that won, to be trained."""
        return self.path / "best.yaml"

    @property
    def estimate(self) -> Path:
        """How good the winner is, by what did not choose it."""
        return self.path / "estimate.json"

    @property
    def report(self) -> Path:
        """The page of the sweep, which needs nothing beside it."""
        return self.path / "report.html"

    @property
    def finished(self) -> Path:
        """Written last."""
        return self.path / "finished.json"


class TrialLayout(RunLayout):
    """Paths of one trial: those of a run, and what is known while it is made."""

    @property
    def result(self) -> Path:
        """What came of the trial; there once it is finished, pruned or failed."""
        return self.path / "result.json"

    def note(self, fit: str) -> Path:
        """What a finished fit showed, and how long it took."""
        return self.path / "notes" / f"{fit}.json"

    def work(self, fit: str, generation: int) -> Path:
        """Where a fit is made by the worker that holds this generation of its claim."""
        return self.path / "work" / f"{fit}.{generation}"

    def fit(self, fit: str) -> Path:
        """A finished fit."""
        return self.folds / fit

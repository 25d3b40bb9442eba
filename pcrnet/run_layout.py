"""How a run and its report are laid out: the one owner of the names of their files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

PREDICTIONS_FILE = "predictions.csv"
ABLATIONS, BASELINES = VARIANT_KINDS = ("ablations", "baselines")
"""Folders of further predictions: scans taken away; simpler models under the same protocol."""


@dataclass(frozen=True)
class RunLayout:
    """Paths below ``runs/<name>/``; whether anything is there is another question."""

    path: Path

    @property
    def lock(self) -> Path:
        """Held by the process that trains the run."""
        return self.path / "run.lock"

    @property
    def config(self) -> Path:
        """The resolved experiment."""
        return self.path / "config.yaml"

    @property
    def environment(self) -> Path:
        """Versions, machine, seeds and hashes."""
        return self.path / "environment.json"

    @property
    def splits(self) -> Path:
        """Patient to fold."""
        return self.path / "splits.json"

    @property
    def precision(self) -> Path:
        """In what precision the fits train, where reduced precision was to be tried."""
        return self.path / "precision.json"

    @property
    def folds(self) -> Path:
        """One folder per fit."""
        return self.path / "folds"

    @property
    def predictions(self) -> Path:
        """Out-of-fold predictions."""
        return self.path / PREDICTIONS_FILE

    @property
    def patients(self) -> Path:
        """Who the patients are: site, covariates and days."""
        return self.path / "patients.csv"

    @property
    def flow(self) -> Path:
        """From rows of the table to patients analysed."""
        return self.path / "flow.json"

    @property
    def decisions(self) -> Path:
        """Calibrator and thresholds of every outer fold, and of the final model."""
        return self.path / "decisions.json"

    @property
    def pictures(self) -> Path:
        """Example images of the report."""
        return self.path / "pictures"

    @property
    def picture_list(self) -> Path:
        """What each of the pictures shows."""
        return self.pictures / "pictures.json"

    @property
    def rivals(self) -> Path:
        """One folder per rival, with its fits."""
        return self.path / "rivals"

    @property
    def quantities(self) -> Path:
        """What was measured of each patient."""
        return self.path / "quantities.csv"

    @property
    def bundle(self) -> Path:
        """The deployable model."""
        return self.path / "bundle"

    @property
    def report(self) -> ReportLayout:
        """The report of the run."""
        return ReportLayout(self.path / "report")

    def variants(self, kind: str) -> Path:
        """Folder of further predictions of one of the :data:`VARIANT_KINDS`, a table for each."""
        return self.path / kind

    def variant(self, kind: str, name: str) -> Path:
        """Further predictions by name."""
        return self.variants(kind) / f"{name}.csv"

    def repeat(self, number: int) -> RunLayout:
        """Where a repeat of the cross-validation lies, laid out as the run; 1 is the run itself."""
        return self if number == 1 else RunLayout(self.path / "repeats" / str(number))

    def name_of(self, path: Path) -> str:
        """How records call a file of this run, on every machine: its path within the run."""
        return path.relative_to(self.path).as_posix()


@dataclass(frozen=True)
class ReportLayout:
    """Paths below the folder of a report."""

    path: Path

    @property
    def page(self) -> Path:
        """The report itself, which needs nothing beside it."""
        return self.path / "index.html"

    @property
    def metrics(self) -> Path:
        """Every number of the page."""
        return self.path / "metrics.json"

    @property
    def figures(self) -> Path:
        """The figures of the page as files for a manuscript."""
        return self.path / "figures"

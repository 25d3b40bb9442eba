"""A sweep whose fits are made up: what workers agree on needs no network."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml

from pcrnet.storage import write_json, write_text
from pcrnet.sweeps.folder.layout import SweepLayout
from pcrnet.sweeps.folder.records import FinishedTrial, FitNote, TrialResult
from pcrnet.sweeps.joining import begin
from pcrnet.sweeps.plan.settings import Sweep, load_sweep
from pcrnet.sweeps.proposals.search import propose

SPACE = {
    "model.width": {"low": 16, "high": 256, "step": 16},
    "model.fusion.kind": {"concat": {"model.fusion.hidden": [16, 32]}, "gated": {}},
}


@pytest.fixture
def make_sweep(tmp_path: Path):
    """A sweep from values of its section, over the default experiment with three folds."""

    def make(**section) -> Sweep:
        experiment = section.pop("experiment", {})
        path = tmp_path / f"{len(list(tmp_path.glob('*.yaml')))}.yaml"
        values = {"name": "stub", "space": SPACE, "search": "random", "patience_s": 1.0, **section}
        path.write_text(yaml.safe_dump({"sweep": values, **experiment}))
        return load_sweep(path, [f"run.root={tmp_path / 'runs'}", "evaluation.folds=3"])

    return make


@dataclass
class StubShop:
    """Makes fits that take no time and show a function of their trial's width.

    Attributes:
        made: Every fit that was made: trial, fit.
        seconds: That a fit takes.
        fail: Fits of a trial that raise.
    """

    made: list[tuple[str, str]] = field(default_factory=list)
    seconds: float = 0.0
    fail: dict[int, Exception] = field(default_factory=dict)
    finished: int = 0
    layout: SweepLayout | None = None

    def fit(self, experiment, plan, trial, folder, check):
        width = experiment.model.width
        if width in self.fail:
            raise self.fail[width]
        if self.seconds:
            until = time.monotonic() + self.seconds
            while time.monotonic() < until:
                check()
                time.sleep(min(0.02, self.seconds))
        self.made.append((trial.path.name, plan.name))
        write_text(folder / plan.name / "made", "")
        return FitNote(self.seconds, tuple(width / 256 + fold / 100 for fold in plan.left_out))

    def judge(self, experiment, trial):
        return experiment.model.width / 256, {"yT0": {"auc": 0.5}}

    def finish(self, finished, fresh):
        assert self.layout is not None
        self.finished += 1
        write_json(self.layout.finished, {"trials": len(finished)})


@pytest.fixture
def stub_shop():
    """Makes shops."""
    return StubShop


@pytest.fixture
def begun(make_sweep):
    """A sweep that has begun, and its folder."""

    def begin_one(**section) -> tuple[Sweep, SweepLayout]:
        sweep = make_sweep(**section)
        return sweep, begin(sweep)

    return begin_one


@pytest.fixture
def finished(make_sweep):
    """Twelve trials, whose value is a function of the width alone; two of them are not complete."""
    sweep = make_sweep(budget={"trials": 12}, batch=12)
    trials = []
    for proposal in propose(sweep, 0, [], []).proposals:
        value = proposal.values["model.width"] / 256
        result = TrialResult("complete", value, 6, 3.0)
        if proposal.number in (3, 7):
            state = "pruned" if proposal.number == 3 else "failed"
            result = TrialResult(state, None, 2, 1.0, reason="<b>why</b>")
        trials.append(FinishedTrial(proposal, result))
    return sweep, trials


def results_of(layout: SweepLayout) -> dict[str, dict]:
    """Trial to its result."""
    return {
        path.parent.name: json.loads(path.read_text())
        for path in layout.trials.glob("*/result.json")
    }

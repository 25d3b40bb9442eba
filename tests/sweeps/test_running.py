"""A sweep from settings to outcome: what is asked before, which engine, and how far it is."""

from __future__ import annotations

import json
from contextlib import nullcontext
from types import SimpleNamespace

import pytest

from pcrnet.errors import ConfigError
from pcrnet.storage import make_folder, write_json
from pcrnet.sweeps import running as module
from pcrnet.sweeps.folder.layout import TrialLayout
from pcrnet.sweeps.folder.ledger import Ledger
from pcrnet.sweeps.folder.records import TrialResult, write_batch, write_result
from pcrnet.sweeps.proposals.search import propose
from pcrnet.sweeps.running import SweepProgress, progress, run_sweep


def test_progress_is_what_the_folders_hold(begun):
    sweep, layout = begun(batch=3)
    ledger = Ledger(sweep, layout)
    assert progress(sweep, layout, ledger) == SweepProgress(0, 0, 0)
    batch = propose(sweep, 0, [], [])
    write_batch(layout.batch(0), batch)
    first, second, _ = batch.proposals
    for number in range(2):  # given up after two fits of six
        make_folder(TrialLayout(layout.trials / first.trial).fit(f"fit-{number}"))
    write_result(TrialLayout(layout.trials / first.trial).result, TrialResult("pruned", None, 2, 1))
    make_folder(TrialLayout(layout.trials / second.trial).fit("fit-0"))
    assert progress(sweep, layout, ledger) == SweepProgress(trials=1, fits=3, known=2 + 6 + 6)


class Shown:
    def __init__(self):
        self.updates = []

    def update(self, done, total):
        self.updates.append((done, total))


@pytest.fixture
def engines(monkeypatch):
    """Engines that poll once and finish the sweep."""
    started = []

    def stand_in(name):
        def run(layout, what, *rest):
            poll = rest[-1]
            started.append((name, what))
            poll()
            write_json(layout.finished, {})
            write_json(layout.estimate, {"winner": None})

        return run

    for name in ("run_local", "run_on_ray", "run_on_slurm"):
        monkeypatch.setattr(module, name, stand_in(name))
    monkeypatch.setattr(module, "gather", lambda experiment, listen: started.append("gathered"))
    monkeypatch.setattr(module, "outcome", lambda layout: json.loads(layout.estimate.read_text()))
    return started


@pytest.mark.parametrize(
    ("engine", "function"),
    [
        ({"kind": "local", "workers": 3}, "run_local"),
        ({"kind": "ray", "workers": 3}, "run_on_ray"),
        ({"kind": "slurm", "workers": 3}, "run_on_slurm"),
    ],
)
def test_the_engine_that_is_asked_for_is_started_once_all_is_prepared(
    make_sweep, engines, engine, function
):
    sweep, shown = make_sweep(engine=engine), Shown()
    layout, found = run_sweep(sweep, lambda event: None, lambda: nullcontext(shown))
    assert engines[0] == "gathered"
    name, what = engines[1]
    assert name == function
    assert getattr(what, "workers", what) == 3
    assert shown.updates == [(0, 1)]
    assert found == {"winner": None}
    assert layout.finished.exists()


def test_a_finished_sweep_is_told_again_and_nothing_is_started(make_sweep, engines):
    sweep = make_sweep()
    for _ in range(2):
        run_sweep(sweep, lambda event: None, lambda: nullcontext(Shown()))
    assert [each for each in engines if each == "gathered"] == ["gathered"]
    assert len(engines) == 2


def test_a_library_that_is_missing_is_said_before_anything_is_made(make_sweep, monkeypatch):
    def absent():
        raise ConfigError("not installed")

    monkeypatch.setattr(module, "optuna_module", absent)
    sweep = make_sweep()
    with pytest.raises(ConfigError, match="not installed"):
        run_sweep(sweep, lambda event: None, lambda: nullcontext(SimpleNamespace()))
    assert not sweep.experiment.run.directory.parent.joinpath("sweeps").exists()

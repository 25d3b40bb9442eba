"""Workers share a sweep out among themselves; none of them decides what comes of it."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections import Counter

import pytest

from pcrnet.errors import NotFiniteError, OutputError
from pcrnet.sweeps.folder.layout import TrialLayout
from pcrnet.sweeps.folder.ledger import Ledger
from pcrnet.sweeps.folder.records import read_result
from pcrnet.sweeps.worker import Worker

FITS = 6


def run_worker(sweep, layout, shop, **options):
    shop.layout = layout
    Worker(sweep, layout, shop, poll_s=0.01, beat_s=0.05, **options).run()


def outcome(sweep, layout):
    """What must not depend on who did it."""
    return [
        (
            trial.proposal.trial,
            trial.proposal.values,
            trial.result.state,
            trial.result.value,
            trial.result.fits,
            trial.result.early,
        )
        for trial in Ledger(sweep, layout).all_finished()
    ]


def test_a_trial_is_all_its_judged_fits_and_none_is_made_twice(begun, stub_shop):
    sweep, layout = begun(budget={"trials": 5}, batch=2)
    shop = stub_shop()
    run_worker(sweep, layout, shop)
    assert len(shop.made) == len(set(shop.made)) == 5 * FITS
    assert shop.finished == 1
    assert all(len(list((layout.trials / trial).glob("folds/*"))) == FITS for trial, _ in shop.made)


@pytest.mark.parametrize("search", ["random", {"kind": "tpe", "startup": 3}])
@pytest.mark.parametrize("pruning", [False, {"enabled": True, "startup_steps": 2}])
def test_four_workers_find_what_one_finds(begun, stub_shop, search, pruning):
    sections = {"budget": {"trials": 10}, "batch": 4, "search": search, "pruning": pruning}
    alone = begun(name="alone", **sections)
    run_worker(*alone, stub_shop())
    sweep, layout = begun(name="together", **sections)
    shop = stub_shop(seconds=0.01)
    threads = [
        threading.Thread(target=run_worker, args=(sweep, layout, shop), daemon=True)
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=240)  # on a busy machine
    assert outcome(sweep, layout) == outcome(*alone)
    assert max(Counter(shop.made).values()) == 1


def test_a_batch_that_another_worker_adds_meanwhile_moves_no_place(begun, stub_shop):
    """Else a worker that was slow would propose what the budget does not hold."""
    sweep, layout = begun(budget={"trials": 3}, batch=2)
    ledger = Ledger(sweep, layout)
    assert ledger.batches() == []
    before = ledger.batches()
    run_worker(sweep, layout, stub_shop())
    assert len(ledger.all_finished()) == 3
    assert before == []


def test_pruning_gives_up_what_is_worse_and_keeps_the_winner(begun, stub_shop):
    full, pruned = (
        begun(name=name, budget={"trials": 12}, batch=4, pruning=pruning)
        for name, pruning in (("full", False), ("pruned", {"enabled": True, "startup_steps": 3}))
    )
    for each in (full, pruned):
        run_worker(*each, stub_shop())
    best = [Ledger(*each).winner() for each in (full, pruned)]
    assert best[0].proposal == best[1].proposal
    given_up = [trial for trial in Ledger(*pruned).all_finished() if trial.result.state == "pruned"]
    assert given_up
    assert all(trial.result.fits < FITS for trial in given_up)
    assert all(trial.result.value is None for trial in given_up)


def test_a_trial_at_fault_fails_alone_and_says_why(begun, stub_shop):
    sweep, layout = begun(search="grid", space={"model.width": [16, 32]}, budget={"trials": 2})
    shop = stub_shop(fail={16: NotFiniteError("the loss is NaN", field="without-0")})
    run_worker(sweep, layout, shop)
    first, second = Ledger(sweep, layout).all_finished()
    assert first.result.state == "failed"
    assert "the loss is NaN" in first.result.reason
    assert second.result.state == "complete"


def test_what_no_trial_is_at_fault_for_ends_the_worker_and_leaves_the_fit_to_others(
    begun, stub_shop
):
    sweep, layout = begun(search="grid", space={"model.width": [16]}, budget={"trials": 1})
    with pytest.raises(OutputError, match="the disk is full"):
        run_worker(sweep, layout, stub_shop(fail={16: OutputError("the disk is full")}))
    run_worker(sweep, layout, stub_shop())
    assert Ledger(sweep, layout).winner() is not None


def test_a_fit_that_ends_every_worker_is_taken_for_the_trials_fault(begun, stub_shop):
    sweep, layout = begun(search="grid", space={"model.width": [16]}, budget={"trials": 1})
    trial = "0" * 12
    run = Worker(sweep, layout, stub_shop(), poll_s=0.01)
    run._propose([])
    trial = Ledger(sweep, layout).proposals()[0].trial
    folder = layout.claims / trial
    folder.mkdir(parents=True)
    for generation in range(20):
        (folder / f"without-0.{generation}").write_text("nobody")
        (folder / f"without-0.{generation}.freed").write_text("")
    run_worker(sweep, layout, stub_shop())
    result = read_result(TrialLayout(layout.trials / trial).result)
    assert result.state == "failed"
    assert "20 workers ended" in result.reason


def _work_in_process(sweep, layout, shop):
    run_worker(sweep, layout, shop)


def test_a_killed_workers_fit_goes_to_another_at_once_with_what_it_had_done(begun, stub_shop):
    """On one machine nobody waits for a heartbeat: the process is seen to be gone."""
    sweep, layout = begun(
        search="grid", space={"model.width": [16]}, budget={"trials": 1}, patience_s=600.0
    )
    context = multiprocessing.get_context("fork")
    process = context.Process(target=_work_in_process, args=(sweep, layout, stub_shop(seconds=60)))
    process.start()
    deadline = time.monotonic() + 30
    while not list(layout.trials.glob("*/work/without-0.0")):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    (left,) = layout.trials.glob("*/work/without-0.0")
    (left / "half").write_text("an epoch")
    os.kill(process.pid, signal.SIGKILL)
    process.join()

    class Heir(stub_shop):
        found = ()

        def fit(self, experiment, plan, trial, folder, check):
            if plan.name == "without-0":
                Heir.found = tuple(path.name for path in folder.iterdir())
            return super().fit(experiment, plan, trial, folder, check)

    began = time.monotonic()
    run_worker(sweep, layout, Heir())
    assert time.monotonic() - began < 20
    assert Heir.found == ("half",)
    assert not left.exists()


def test_a_worker_that_was_only_slow_gives_way_and_publishes_nothing(begun, stub_shop):
    sweep, layout = begun(search="grid", space={"model.width": [16]}, budget={"trials": 1})

    class Slow(stub_shop):
        overtaken = False

        def fit(self, experiment, plan, trial, folder, check):
            if not self.overtaken:
                self.overtaken = True
                (layout.claims / trial.path.name / f"{plan.name}.1").write_text("another")
                (layout.claims / trial.path.name / f"{plan.name}.1.freed").write_text("")
                deadline = time.monotonic() + 10
                while time.monotonic() < deadline:
                    check()
                    time.sleep(0.01)
            return super().fit(experiment, plan, trial, folder, check)

    said = []
    shop = Slow()
    run_worker(sweep, layout, shop, say=said.append)
    assert any("taken over" in line for line in said)
    assert len(shop.made) == len(set(shop.made)) == FITS


def test_an_hours_budget_ends_the_proposals_and_finishes_what_was_begun(begun, stub_shop):
    sweep, layout = begun(budget={"hours": 1e-7}, batch=2)
    run_worker(sweep, layout, stub_shop(seconds=0.01))
    ledger = Ledger(sweep, layout)
    assert "hours is spent" in ledger.batches()[-1].closed
    assert len(ledger.all_finished()) == len(ledger.proposals())


def test_fresh_repeats_of_the_winner_are_fits_like_any_other(begun, stub_shop):
    sweep, layout = begun(budget={"trials": 2}, estimate={"kind": "fresh", "repeats": 2})
    shop = stub_shop()
    run_worker(sweep, layout, shop)
    assert len(list(layout.fresh.glob("*/result.json"))) == 2
    assert len(shop.made) == 4 * FITS

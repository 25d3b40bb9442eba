"""What a worker knows: from the files alone, each read once it can no longer change."""

from __future__ import annotations

import pytest

from pcrnet.storage import make_folder
from pcrnet.sweeps.folder import ledger as module
from pcrnet.sweeps.folder.layout import TrialLayout
from pcrnet.sweeps.folder.ledger import Ledger, best_of, equals_of, fresh_experiments
from pcrnet.sweeps.folder.records import (
    FinishedTrial,
    FitNote,
    ProposedTrial,
    TrialBatch,
    TrialResult,
    write_batch,
    write_note,
    write_result,
)
from pcrnet.sweeps.proposals.search import propose


def trial(number, value, state="complete"):
    result = TrialResult(state, value, 3, 1.0)
    return FinishedTrial(ProposedTrial(number, f"t{number}", {}, {}), result)


@pytest.fixture
def known(begun):
    """A sweep with one batch of four proposals."""
    sweep, layout = begun(batch=4)
    batch = propose(sweep, 0, [], [])
    write_batch(layout.batch(0), batch)
    return sweep, layout, batch.proposals


def test_batches_are_found_as_they_come_and_no_more_once_it_is_closed(known):
    sweep, layout, proposals = known
    ledger = Ledger(sweep, layout)
    assert ledger.proposals() == list(proposals)
    write_batch(layout.batch(1), TrialBatch((), "the budget is spent"))
    write_batch(layout.batch(2), TrialBatch(proposals))  # which nobody may write
    assert [batch.closed for batch in ledger.batches()] == ["", "the budget is spent"]
    assert ledger.proposals() == list(proposals)


def test_a_result_is_read_once_and_an_open_trial_is_asked_again(known, monkeypatch):
    sweep, layout, (first, *_) = known
    ledger, read = Ledger(sweep, layout), []
    inside = module.read_result
    monkeypatch.setattr(module, "read_result", lambda path: read.append(path) or inside(path))
    assert ledger.finished(first) is None
    write_result(TrialLayout(layout.trials / first.trial).result, TrialResult("pruned", None, 2, 1))
    for _ in range(3):
        assert ledger.finished(first).result.state == "pruned"
    assert len(read) == 1
    assert ledger.all_finished() == [ledger.finished(first)]
    assert ledger.winner() is None


def test_a_fit_is_done_when_its_folder_is_there(known):
    sweep, layout, (first, *_) = known
    ledger, place = Ledger(sweep, layout), TrialLayout(layout.trials / first.trial)
    assert not ledger.is_done(place, "without-0")
    make_folder(place.fit("without-0"))
    write_note(place.note("without-0"), FitNote(2.0, (0.5, None), (1.0,)))
    assert ledger.is_done(place, "without-0")
    assert not ledger.is_done(place, "without-1")
    assert ledger.note(place, "without-0") == FitNote(2.0, (0.5, None), (1.0,))


def test_the_experiment_of_a_trial_has_its_values(known):
    sweep, layout, proposals = known
    ledger = Ledger(sweep, layout)
    for proposal in proposals:
        assert ledger.experiment(proposal).model.width == proposal.values["model.width"]


def test_the_best_is_the_first_of_equals_and_complete(make_sweep):
    trials = [trial(0, 0.5), trial(1, 0.3), trial(2, 0.3), trial(3, None, "failed"), trial(4, 0.9)]
    assert best_of(make_sweep(), trials) is trials[1]
    assert best_of(make_sweep(objective="yT0/auc"), trials) is trials[4]
    assert best_of(make_sweep(), trials[3:4]) is None


def test_trials_of_the_very_value_of_the_winner_are_counted():
    trials = [trial(0, 0.5), trial(1, 0.3), trial(2, 0.3), trial(3, None, "failed"), trial(4, 0.3)]
    assert equals_of(trials[1], trials) == 2
    assert equals_of(trials[0], trials) == 0


def test_a_loss_of_nothing_is_still_the_best(make_sweep):
    trials = [trial(0, 0.0), trial(1, 0.1)]
    assert best_of(make_sweep(), trials) is trials[0]


def test_repeats_have_seeds_of_their_own_and_the_same_settings(make_sweep):
    winner = make_sweep().experiment
    found = fresh_experiments(winner, 3)
    seeds = {each.run.seed for each in found}
    assert len(seeds) == 3
    assert winner.run.seed not in seeds
    assert found == fresh_experiments(winner, 3)
    for each in found:
        assert each.model == winner.model
        assert each.data.cohort == winner.data.cohort

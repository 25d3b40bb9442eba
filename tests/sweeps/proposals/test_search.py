"""Proposals: a function of what is known, whoever asks; Optuna itself is the reference."""

from __future__ import annotations

import optuna
import pytest

from pcrnet.sweeps.folder.records import FinishedTrial, TrialResult
from pcrnet.sweeps.plan.settings import trial_id
from pcrnet.sweeps.proposals.search import frozen, propose, study_of

TPE = {"kind": "tpe", "startup": 2}


def finished(batch, value=lambda values: values["model.width"] / 100):
    return [
        FinishedTrial(each, TrialResult("complete", value(each.values), 6, 1.0))
        for each in batch.proposals
    ]


@pytest.mark.parametrize("search", ["random", TPE])
def test_the_same_knowledge_gives_the_same_proposals(make_sweep, search):
    sweep = make_sweep(search=search, batch=3)
    first = propose(sweep, 0, [], [])
    known = finished(first)
    second = propose(sweep, 1, first.proposals, known)
    assert second == propose(make_sweep(search=search, batch=3), 1, first.proposals, known[::-1])
    assert propose(make_sweep(search=search, batch=3, seed=2), 0, [], []) != first


def test_what_is_searched_at_random_knows_no_results_and_tpe_does(make_sweep):
    for search, learns in (("random", False), (TPE, True)):
        sweep = make_sweep(search=search, batch=4)
        first = propose(sweep, 0, [], [])
        one = propose(sweep, 1, first.proposals, finished(first))
        other = propose(
            sweep, 1, first.proposals, finished(first, lambda values: -values["model.width"])
        )
        assert (one != other) == learns


def test_tpe_moves_to_where_it_is_better(make_sweep):
    sweep = make_sweep(search={"kind": "tpe", "startup": 6}, batch=6, budget={"trials": 30})
    batch = propose(sweep, 0, [], [])
    proposals, known = list(batch.proposals), finished(batch)
    for number in range(1, 4):
        batch = propose(sweep, number, proposals, known)
        proposals += batch.proposals
        known += finished(batch)
    widths = [proposal.values["model.width"] for proposal in proposals]
    assert sum(widths[-12:]) < sum(widths[:12])


def test_no_trial_is_proposed_twice_and_an_exhausted_space_is_said(make_sweep):
    for search in ("grid", "random", TPE):
        sweep = make_sweep(search=search, space={"model.width": [16, 32, 48]}, batch=2)
        first = propose(sweep, 0, [], [])
        second = propose(sweep, 1, first.proposals, finished(first))
        both = [*first.proposals, *second.proposals]
        assert len({proposal.trial for proposal in both}) == 3
        assert [proposal.number for proposal in both] == [0, 1, 2]
        assert "every point" in propose(sweep, 2, both, []).closed


def test_the_budget_of_trials_is_kept(make_sweep):
    sweep = make_sweep(batch=4, budget={"trials": 6})
    first = propose(sweep, 0, [], [])
    second = propose(sweep, 1, first.proposals, finished(first))
    assert (len(first.proposals), len(second.proposals)) == (4, 2)
    closed = propose(sweep, 2, [*first.proposals, *second.proposals], [])
    assert "6 trials is spent" in closed.closed


def test_a_proposal_is_named_by_its_experiment(make_sweep):
    sweep = make_sweep()
    for proposal in propose(sweep, 0, [], []).proposals:
        assert proposal.trial == trial_id(sweep.trial(proposal.values))


def test_optuna_sees_the_trials_as_they_were(make_sweep):
    sweep = make_sweep(search=TPE)
    known = finished(propose(sweep, 0, [], []))
    study = study_of(sweep, known, seed=1)
    assert study.direction == optuna.study.StudyDirection.MINIMIZE
    assert study.best_value == min(trial.value for trial in known)
    best = min(known, key=lambda trial: trial.value)
    assert study.best_params["model.width"] == best.proposal.values["model.width"]
    assert frozen(sweep, best).state == optuna.trial.TrialState.COMPLETE

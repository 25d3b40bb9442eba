"""Shares of the variance: they add up, and fall to what decides."""

from __future__ import annotations

import pytest

from pcrnet.errors import ConfigError
from pcrnet.sweeps.folder.records import FinishedTrial, TrialResult
from pcrnet.sweeps.report import importance as module
from pcrnet.sweeps.report.importance import importances


def test_values_that_no_key_explains_have_no_importance(finished):
    sweep, trials = finished
    alike = [
        FinishedTrial(trial.proposal, TrialResult("complete", 0.5 + (index == 0) * 1e-15, 6, 1.0))
        for index, trial in enumerate(trials)
    ]
    assert isinstance(importances(sweep, alike), dict)


def test_what_decides_the_value_has_the_importance(finished):
    sweep, trials = finished
    shares = importances(sweep, trials)["all trials"]
    assert shares["model.width"] > 0.8
    assert sum(shares.values()) == pytest.approx(1.0)


def test_a_key_below_a_kind_is_weighed_among_the_trials_of_that_kind(finished):
    sweep, trials = finished
    within = [
        FinishedTrial(
            trial.proposal,
            TrialResult("complete", trial.proposal.values["model.fusion.hidden"] / 32, 6, 1.0),
        )
        for trial in trials
        if trial.proposal.values["model.fusion.kind"] == "concat"
    ]
    shares = importances(sweep, within)["model.fusion.kind=concat"]
    assert max(shares, key=shares.get) == "model.fusion.hidden"


def test_fewer_than_four_trials_say_nothing(finished):
    sweep, trials = finished
    complete = [trial for trial in trials if trial.value is not None]
    assert importances(sweep, complete[:3]) == {}
    assert importances(sweep, [trial for trial in trials if trial.value is None]) == {}


def test_a_grid_without_optuna_goes_without(finished, monkeypatch):
    def absent():
        raise ConfigError("not installed")

    monkeypatch.setattr(module, "optuna_module", absent)
    assert importances(*finished) == {}

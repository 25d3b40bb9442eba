"""The page of a sweep: what it says of the winner, and that it needs nothing beside it."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest

from pcrnet.evaluation.statistics.intervals import Estimate
from pcrnet.sweeps.estimate import WinnerEstimate
from pcrnet.sweeps.folder.layout import SweepLayout
from pcrnet.sweeps.folder.records import FinishedTrial, TrialResult
from pcrnet.sweeps.proposals.savings import FitCount
from pcrnet.sweeps.proposals.search import propose
from pcrnet.sweeps.report.figures import draw_parallel_coordinates, draw_values
from pcrnet.sweeps.report.importance import importances
from pcrnet.sweeps.report.page import render_sweep


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


def estimate(kind, **more):
    numbers = Estimate(0.7, 0.6, 0.8, 60, "a method")
    names = ("auc", "log_loss", "brier", "sensitivity", "specificity", "calibration_slope")
    return WinnerEstimate(kind, 0.71, {"yT0": dict.fromkeys(names, numbers)}, **more)


class _Tags(HTMLParser):
    def __init__(self):
        super().__init__()
        self.open, self.outside = [], []

    def handle_starttag(self, tag, attributes):
        for name, value in attributes:
            if name in ("src", "href", "xlink:href") and not (value or "").startswith("#"):
                self.outside.append(value)
        if tag in ("script", "link", "iframe", "img"):
            self.outside.append(tag)
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        """``<path/>`` opens nothing."""

    def handle_endtag(self, tag):
        while self.open and self.open.pop() != tag:
            pass


def test_the_page_is_whole_and_loads_nothing(finished, tmp_path):
    sweep, trials = finished
    count = FitCount(all=66, needed=62, made=63, fresh=0)
    page = render_sweep(sweep, SweepLayout(tmp_path), trials, estimate("nested"), count)
    tags = _Tags()
    tags.feed(page)
    assert tags.open == []
    assert tags.outside == []
    for anchor in ("trials", "parallel-coordinates", "importance", "effort"):
        assert f'id="{anchor}"' in page
    assert "&lt;b&gt;why&lt;/b&gt;" in page
    assert page.count("<svg") == 3  # no network, no learning curve
    assert "saved 6 %" in page


@pytest.mark.parametrize(
    ("kind", "more", "words"),
    [
        ("nested", {"chosen": ("a", "b", "c")}, ["nested selection", "without fold 0, 1"]),
        ("fresh", {"repeats": 2, "caution": "on these patients"}, ["2 fresh repeats", "these pat"]),
    ],
)
def test_the_winner_is_quoted_by_what_did_not_choose_it(finished, tmp_path, kind, more, words):
    sweep, trials = finished
    page = render_sweep(
        sweep, SweepLayout(tmp_path), trials, estimate(kind, **more), FitCount(72, 72, 72, 0)
    )
    for word in [*words, "0.71", "optimistic"]:
        assert word in page
    best = min(trial.value for trial in trials if trial.value is not None)
    assert page.index("0.71") < page.index(f"{best:.3g}")


def test_without_a_complete_trial_it_says_why(finished, tmp_path):
    sweep, trials = finished
    failed = [trial for trial in trials if trial.value is None]
    page = render_sweep(sweep, SweepLayout(tmp_path), failed, None, FitCount(0, 0, 0, 0))
    assert "No trial was completed" in page


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


def test_trials_that_differ_by_rounding_alone_are_drawn_level(finished):
    sweep, trials = finished
    level = [
        FinishedTrial(
            trial.proposal,
            TrialResult("complete", 0.25394477 + number * 1e-13, 6, 3.0),
        )
        for number, trial in enumerate(trials)
    ]
    winner = level[0].proposal.trial
    assert "1e−" not in draw_values(sweep, level, winner)
    assert draw_parallel_coordinates(sweep, level, winner).count("0.2539") == 1


def test_the_foot_of_the_axes_is_marked_where_a_key_can_be_absent(finished):
    sweep, trials = finished
    keys = {key for trial in trials for key in trial.proposal.values}
    whole = [trial for trial in trials if keys <= set(trial.proposal.values)]
    assert 0 < len(whole) < len(trials)
    assert "–" in draw_parallel_coordinates(sweep, trials, "")
    assert "–" not in draw_parallel_coordinates(sweep, whole, "")

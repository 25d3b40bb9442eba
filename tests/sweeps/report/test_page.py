"""The page of a sweep: what it says of the winner, and that it needs nothing beside it."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest

from pcrnet.evaluation.statistics.intervals import Estimate
from pcrnet.sweeps.estimate import WinnerEstimate
from pcrnet.sweeps.folder.layout import SweepLayout
from pcrnet.sweeps.proposals.savings import FitCount
from pcrnet.sweeps.report.page import render_sweep


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

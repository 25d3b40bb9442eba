"""The end of a sweep: files that name one winner, and none where there is none."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import yaml

from pcrnet.config.layers import load_experiment
from pcrnet.evaluation.statistics.intervals import Estimate
from pcrnet.sweeps import conclusion as module
from pcrnet.sweeps.conclusion import best_yaml, conclude
from pcrnet.sweeps.estimate import WinnerEstimate
from pcrnet.sweeps.folder.layout import SweepLayout
from pcrnet.sweeps.folder.ledger import best_of

ESTIMATE = WinnerEstimate(
    "nested",
    0.71,
    {
        "yT0": dict.fromkeys(
            ("auc", "log_loss", "brier", "sensitivity", "specificity", "calibration_slope"),
            Estimate(0.7, 0.6, 0.8, 60, "a method"),
        )
    },
)


@pytest.fixture
def judged(monkeypatch):
    """The estimate is another module's: here only whom it is asked about counts."""
    asked = []

    def nested(sweep, finished, predictions, job_of):
        asked.append(set(predictions))
        return ESTIMATE

    monkeypatch.setattr(module, "estimate_nested", nested)
    monkeypatch.setattr(module, "read_predictions", lambda path: path)
    return asked


def test_the_winner_is_one_in_every_file(finished, tmp_path, judged):
    sweep, trials = finished
    layout = SweepLayout(tmp_path / "sweep")
    conclude(sweep, layout, trials, [], lambda trial: None)
    winner = best_of(sweep, trials)
    record = json.loads(layout.estimate.read_text())
    assert record["winner"] == winner.proposal.trial
    assert record["won_with"] == winner.value == min(t.value for t in trials if t.value)
    assert record["value"] == 0.71
    assert record["winner"] in layout.best.read_text()
    assert "0.71" in layout.report.read_text()
    assert json.loads(layout.finished.read_text()) == {"trials": 12, "complete": 10}
    assert len(layout.table.read_text().splitlines()) == 13
    assert judged == [{t.proposal.trial for t in trials if t.value is not None}]


def test_the_page_and_the_record_say_where_others_are_as_good(finished, tmp_path, judged):
    sweep, trials = finished
    best = best_of(sweep, trials)
    tied = [
        replace(t, result=replace(t.result, value=best.value)) if t.value is not None else t
        for t in trials
    ]
    for number, (asked, equals) in enumerate([(trials, 0), (tied, 9)]):
        layout = SweepLayout(tmp_path / f"sweep{number}")
        conclude(sweep, layout, asked, [], lambda trial: None)
        assert json.loads(layout.estimate.read_text())["equals"] == equals
        assert ("reached exactly the same value" in layout.report.read_text()) == bool(equals)


def test_the_best_file_is_an_experiment_of_its_own_name(finished, tmp_path):
    sweep, trials = finished
    winner = best_of(sweep, trials)
    path = tmp_path / "best.yaml"
    path.write_text(best_yaml(sweep, winner))
    assert (
        yaml.safe_load(path.read_text())["model"]["width"] == winner.proposal.values["model.width"]
    )
    experiment = load_experiment([str(path)])
    expected = sweep.trial(winner.proposal.values)
    assert experiment.run.name == "stub-best"
    assert experiment.model == expected.model
    assert experiment.training == expected.training


def test_without_a_complete_trial_there_is_no_winner_and_an_end_all_the_same(finished, tmp_path):
    sweep, trials = finished
    layout = SweepLayout(tmp_path / "sweep")
    failed = [trial for trial in trials if trial.value is None]
    conclude(sweep, layout, failed, [], lambda trial: None)
    assert json.loads(layout.estimate.read_text())["winner"] is None
    assert not layout.best.exists()
    assert json.loads(layout.finished.read_text()) == {"trials": 2, "complete": 0}


def test_the_mark_of_the_end_is_written_last(finished, tmp_path, judged, monkeypatch):
    sweep, trials = finished
    layout = SweepLayout(tmp_path / "sweep")

    def refuse(*args):
        raise ZeroDivisionError

    monkeypatch.setattr("pcrnet.sweeps.report.page.render_sweep", refuse)
    with pytest.raises(ZeroDivisionError):
        conclude(sweep, layout, trials, [], lambda trial: None)
    assert not layout.finished.exists()


def test_fresh_repeats_that_are_not_there_give_no_estimate(make_sweep, tmp_path, finished):
    _, trials = finished
    sweep = make_sweep(estimate="fresh")
    layout = SweepLayout(tmp_path / "sweep")
    conclude(sweep, layout, trials, [], lambda trial: None)
    assert json.loads(layout.estimate.read_text())["winner"] is None

"""Fits that pruning spared: sums that can be done by hand."""

import pytest

from pcrnet.storage import make_folder
from pcrnet.sweeps.folder.layout import SweepLayout, TrialLayout
from pcrnet.sweeps.folder.records import FinishedTrial, ProposedTrial, TrialResult
from pcrnet.sweeps.proposals.savings import FitCount, count_fits


def trial(layout, number, state, fits, made):
    name = f"t{number}"
    for fit in range(made):
        make_folder(TrialLayout(layout.trials / name).fit(f"fit-{fit}"))
    value = 0.5 if state == "complete" else None
    return FinishedTrial(ProposedTrial(number, name, {}, {}), TrialResult(state, value, fits, 1.0))


def test_three_folds_take_six_fits_and_a_failed_trial_counts_for_none(make_sweep, tmp_path):
    layout = SweepLayout(tmp_path)
    trials = [
        trial(layout, 0, "complete", fits=6, made=6),
        trial(layout, 1, "pruned", fits=2, made=3),  # one more, made by who had nothing else to do
        trial(layout, 2, "failed", fits=0, made=4),
    ]
    fresh = [TrialLayout(layout.fresh / "1"), TrialLayout(layout.fresh / "2")]
    make_folder(fresh[0].fit("without-0"))
    found = count_fits(make_sweep(), layout, trials, fresh)
    assert found == FitCount(all=12, needed=8, made=9, fresh=1)
    assert found.saved == pytest.approx(4 / 12)
    assert found.to_json() == {"all": 12, "needed": 8, "made": 9, "fresh": 1, "saved": 0.3333}


def test_a_sweep_of_nothing_spares_nothing(make_sweep, tmp_path):
    found = count_fits(make_sweep(), SweepLayout(tmp_path), [], [])
    assert found == FitCount(0, 0, 0, 0)
    assert found.saved == 0.0


def test_plain_cross_validation_takes_a_fit_a_fold(make_sweep, tmp_path):
    layout = SweepLayout(tmp_path)
    sweep = make_sweep(estimate="fresh", experiment={"evaluation": {"mode": "crossfit"}})
    found = count_fits(sweep, layout, [trial(layout, 0, "complete", 3, 3)], [])
    assert found.all == 3

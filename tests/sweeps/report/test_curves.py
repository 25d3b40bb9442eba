"""Learning curves: means over the fits of a trial, by hand."""

import pytest

from pcrnet.storage import write_text
from pcrnet.sweeps.folder.layout import SweepLayout, TrialLayout
from pcrnet.sweeps.report.curves import learning_curves


def history(layout, trial, fit, losses):
    folder = TrialLayout(layout.trials / trial.proposal.trial).fit(fit)
    rows = [f"{epoch},{loss}" for epoch, loss in enumerate(losses, 1)]
    write_text(folder / "network" / "history.csv", "\n".join(["epoch,train_loss", *rows]) + "\n")


def test_a_curve_is_the_mean_of_the_fits_that_got_so_far(finished, tmp_path):
    _, trials = finished
    layout = SweepLayout(tmp_path)
    history(layout, trials[0], "without-0", [1.0, 0.5])
    history(layout, trials[0], "without-1", [0.6, 0.3, 0.1])
    history(layout, trials[1], "without-0", [0.9])
    found = learning_curves(layout, trials)
    assert found[trials[0].proposal.trial] == pytest.approx([0.8, 0.4, 0.1])
    assert found[trials[1].proposal.trial] == [0.9]
    assert len(found) == 2


def test_a_history_that_cannot_be_read_is_passed_over(finished, tmp_path):
    _, trials = finished
    layout = SweepLayout(tmp_path)
    history(layout, trials[0], "without-0", [1.0])
    history(layout, trials[0], "without-1", ["no number"])
    history(layout, trials[1], "without-0", ["no number"])
    assert learning_curves(layout, trials) == {trials[0].proposal.trial: [1.0]}

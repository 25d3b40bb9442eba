"""Giving up between fits: by a signed-rank test, in an order that no worker changes."""

from __future__ import annotations

from scipy.stats import wilcoxon

from pcrnet.sweeps.folder.records import FinishedTrial, ProposedTrial, TrialResult
from pcrnet.sweeps.proposals.pruning import fits_in_order, fits_until_given_up

BEST = (0.50, 0.60, 0.55, 0.52, 0.61, 0.58)


def known(early=BEST, value=0.56, state="complete"):
    return FinishedTrial(
        ProposedTrial(0, "a", {}, {}), TrialResult(state, value, 6, 1.0, early=tuple(early))
    )


def shown(early):
    return [(value,) for value in early]


def test_fits_that_leave_out_one_fold_come_first():
    order = [plan.left_out for plan in fits_in_order(3, "nested")]
    assert order == [(0,), (1,), (2,), (0, 1), (0, 2), (1, 2)]


def test_it_is_given_up_at_the_first_fit_at_which_wilcoxon_speaks(make_sweep):
    sweep = make_sweep(pruning={"enabled": True, "startup_steps": 2, "p_threshold": 0.1})
    worse = [value + 0.1 + index / 100 for index, value in enumerate(BEST)]
    differences = [mine - best for mine, best in zip(worse, BEST, strict=True)]
    speaks = next(
        count
        for count in range(2, 7)
        if wilcoxon(differences[:count], alternative="greater", zero_method="zsplit").pvalue < 0.1
    )
    assert fits_until_given_up(sweep, shown(worse), [known()]) == speaks == 4
    assert fits_until_given_up(sweep, shown(worse[:3]), [known()]) is None


def test_what_is_better_or_alone_is_kept(make_sweep):
    sweep = make_sweep(pruning={"enabled": True, "startup_steps": 2})
    better = [value - 0.1 for value in BEST]
    assert fits_until_given_up(sweep, shown(better), [known()]) is None
    worse = [value + 0.1 for value in BEST]
    assert fits_until_given_up(sweep, shown(worse), []) is None
    assert fits_until_given_up(sweep, shown(worse), [known(value=None, state="failed")]) is None


def test_where_more_is_better_the_test_turns_round(make_sweep):
    sweep = make_sweep(pruning={"enabled": True, "startup_steps": 2}, objective="yT0/auc")
    lower = [value - 0.1 - index / 100 for index, value in enumerate(BEST)]
    assert fits_until_given_up(sweep, shown(lower), [known()]) == 4
    assert fits_until_given_up(sweep, shown([v + 0.1 for v in BEST]), [known()]) is None


def test_folds_that_show_nothing_are_passed_over(make_sweep):
    sweep = make_sweep(pruning={"enabled": True, "startup_steps": 2})
    worse = [None, *(value + 0.1 + index / 100 for index, value in enumerate(BEST[1:]))]
    assert fits_until_given_up(sweep, shown(worse), [known()]) == 5


def test_without_pruning_nothing_is_given_up(make_sweep):
    worse = [value + 0.1 for value in BEST]
    assert fits_until_given_up(make_sweep(), shown(worse), [known()]) is None

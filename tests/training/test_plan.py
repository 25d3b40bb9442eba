from __future__ import annotations

from itertools import combinations

import pytest

from pcrnet.training.plan import FitPlan, judged_fits, plan_fits, shipped_fits


@pytest.mark.parametrize("folds", [3, 5, 8])
def test_nested_needs_every_pair_once_and_every_fold_once(folds: int) -> None:
    plans = plan_fits(folds, "nested")
    left_out = [plan.left_out for plan in plans]
    assert len(plans) == folds * (folds - 1) // 2 + folds
    assert len(set(left_out)) == len(plans)
    assert {frozenset(folds) for folds in left_out if len(folds) == 2} == {
        frozenset(pair) for pair in combinations(range(folds), 2)
    }
    assert [folds for folds in left_out if len(folds) == 1] == [(fold,) for fold in range(folds)]


def test_five_folds_take_ten_fits_and_five_more_for_the_model_that_ships() -> None:
    assert [len(plan.left_out) for plan in plan_fits(5, "nested")] == [2] * 10 + [1] * 5


def test_crossfit_has_only_the_fits_that_ship() -> None:
    assert plan_fits(4, "crossfit") == tuple(FitPlan((fold,)) for fold in range(4))


def test_names_are_folders_that_say_which_folds_were_left_out() -> None:
    assert FitPlan((0, 3)).name == "without-0-3"
    assert FitPlan((12,)).name == "without-12"
    names = [plan.name for plan in plan_fits(20, "nested")]
    assert len(set(names)) == len(names)


def test_an_estimate_rests_on_pairs_when_nested_and_on_the_shipped_fits_when_not() -> None:
    assert {len(plan.left_out) for plan in judged_fits(5, "nested")} == {2}
    assert judged_fits(5, "crossfit") == shipped_fits(5) == tuple(FitPlan((i,)) for i in range(5))

from __future__ import annotations

import math
from itertools import combinations

import pytest

from pcrnet.training.plan import FitPlan, judged_fits, plan_fits, shipped_fits


@pytest.mark.parametrize("folds", [3, 4, 5, 6, 7, 8, 20])
def test_nested_needs_every_pair_once_and_every_fold_once(folds: int) -> None:
    left_out = [plan.left_out for plan in plan_fits(folds, "nested")]
    assert len(set(left_out)) == len(left_out)
    assert [pair for pair in left_out if len(pair) == 2] == list(combinations(range(folds), 2))
    assert [fold for fold in left_out if len(fold) == 1] == [(fold,) for fold in range(folds)]


@pytest.mark.parametrize("folds", [5, 6, 7, 8, 20])
def test_the_fewest_triples_touch_every_fold(folds: int) -> None:
    triples = [plan.left_out for plan in judged_fits(folds, "nested") if len(plan.left_out) == 3]
    assert {fold for triple in triples for fold in triple} == set(range(folds))
    assert len(triples) == math.ceil(folds / 3)


@pytest.mark.parametrize("folds", [3, 4])
def test_few_folds_leave_nothing_to_train_without_three_of_them(folds: int) -> None:
    assert max(len(plan.left_out) for plan in plan_fits(folds, "nested")) == 2


def test_five_folds_take_twelve_fits_and_five_more_for_the_model_that_ships() -> None:
    assert [len(plan.left_out) for plan in plan_fits(5, "nested")] == [2] * 10 + [3] * 2 + [1] * 5


def test_crossfit_has_only_the_fits_that_ship() -> None:
    assert plan_fits(4, "crossfit") == tuple(FitPlan((fold,)) for fold in range(4))


def test_names_are_folders_that_say_which_folds_were_left_out() -> None:
    assert FitPlan((0, 3)).name == "without-0-3"
    assert FitPlan((12,)).name == "without-12"
    names = [plan.name for plan in plan_fits(20, "nested")]
    assert len(set(names)) == len(names)


def test_an_estimate_rests_on_pairs_when_nested_and_on_the_shipped_fits_when_not() -> None:
    assert {len(plan.left_out) for plan in judged_fits(4, "nested")} == {2}
    assert judged_fits(5, "crossfit") == shipped_fits(5) == tuple(FitPlan((i,)) for i in range(5))

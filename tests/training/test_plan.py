from __future__ import annotations

from itertools import combinations

import pytest

from pcrnet.config.layers import load_experiment
from pcrnet.training.plan import (
    SHIPPED_FIT,
    FitPlan,
    fits_in_words,
    judged_fits,
    plan_fits,
    rivals_to_train,
)


@pytest.mark.parametrize("folds", [3, 4, 5, 6, 20])
def test_nested_needs_every_pair_every_fold_and_everybody_once(folds: int) -> None:
    left_out = [plan.left_out for plan in plan_fits(folds, "nested")]
    singles = [(fold,) for fold in range(folds)]
    assert left_out == [*combinations(range(folds), 2), *singles, ()]


def test_crossfit_has_every_fold_and_everybody_alone() -> None:
    singles = tuple(FitPlan((fold,)) for fold in range(4))
    assert plan_fits(4, "crossfit") == (*singles, SHIPPED_FIT)


@pytest.mark.parametrize("mode", ["nested", "crossfit"])
def test_what_ships_is_not_judged_and_the_rest_is(mode: str) -> None:
    assert (*judged_fits(5, mode), SHIPPED_FIT) == plan_fits(5, mode)
    assert all(plan.left_out for plan in judged_fits(5, mode))


def test_names_are_folders_that_say_which_folds_were_left_out() -> None:
    assert FitPlan((0, 3)).name == "without-0-3"
    assert FitPlan((12,)).name == "without-12"
    assert SHIPPED_FIT.name == "with-all"
    names = [plan.name for plan in plan_fits(20, "nested")]
    assert len(set(names)) == len(names)


def test_fits_are_told_with_what_each_trains_at_most() -> None:
    assert fits_in_words(16, 3, 8) == "16 fits of up to 3 networks, up to 8 epochs each"
    assert fits_in_words(1, 1, 1) == "1 fit of up to 1 epoch"
    assert fits_in_words(16, 0, 8) == "16 fits"


def test_a_model_is_no_rival_of_itself_and_none_rests_on_covariates_that_are_not_named() -> None:
    rivals = "evaluation.rivals=[clinical,quantitative]"
    network = load_experiment([rivals])
    assert rivals_to_train(network, 2) == ("clinical", "quantitative")
    assert rivals_to_train(network, 0) == ("quantitative",)
    assert rivals_to_train(load_experiment([rivals, "model.kind=quantitative"]), 0) == ()

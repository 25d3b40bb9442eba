from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pcrnet.evaluation.population.patients import NumericCovariate, covariates_of
from pcrnet.evaluation.sources import read_run
from pcrnet.evaluation.subgroups import (
    find_subgroups,
    grouping_covariates,
    judge_subgroups,
    name_patterns,
)
from pcrnet.evaluation.tables.predictions import Predictions

BOTH = ("baseline.pet", "baseline.adc", "interim.pet", "interim.adc")


def predictions(n: int = 12, **columns: object) -> Predictions:
    return Predictions(
        patient_id=tuple(f"P{i}" for i in range(n)),
        prob={"yT0": np.linspace(0.1, 0.9, n)},
        **columns,  # type: ignore[arg-type]
    )


def test_a_numeric_covariate_is_cut_at_its_median() -> None:
    values = np.array([*range(11), np.nan])
    low, high = find_subgroups(predictions(), [NumericCovariate("age", values)])
    assert (low.level, high.level) == ("≤ 5", "> 5")
    assert int(low.rows.sum()) == 6
    assert int(high.rows.sum()) == 5
    assert not low.rows[-1]
    assert not high.rows[-1]
    np.testing.assert_array_equal(low.others, high.rows)
    np.testing.assert_array_equal(high.others, low.rows)


def test_levels_partition_the_known_patients() -> None:
    (grade,) = covariates_of({"grade": ["2"] * 5 + ["3"] * 6 + [""]})
    groups = find_subgroups(predictions(), [grade])
    assert [group.level for group in groups] == ["2", "3"]
    np.testing.assert_array_equal(sum(group.rows.astype(int) for group in groups), [1] * 11 + [0])
    for group in groups:
        np.testing.assert_array_equal(group.rows ^ group.others, [True] * 11 + [False])


def test_a_covariate_in_which_all_are_alike_cuts_nothing() -> None:
    (side,) = covariates_of({"side": ["left"] * 12})
    constant = NumericCovariate("age", np.full(12, 50.0))
    assert find_subgroups(predictions(), [side, constant]) == ()


def test_site_and_pattern_of_scans_come_from_the_predictions() -> None:
    table = predictions(site=("A",) * 6 + ("B",) * 6, scans=(BOTH,) * 7 + (BOTH[:2],) * 5)
    levels = [(group.covariate, group.level) for group in find_subgroups(table, ())]
    assert levels == [
        ("site", "A"),
        ("site", "B"),
        ("scans present", "all"),
        ("scans present", "without interim"),
    ]


def test_site_stands_once_though_both_tables_have_it() -> None:
    table = predictions(site=("A",) * 6 + ("B",) * 6)
    covariates = covariates_of({"site": ["A"] * 6 + ["B"] * 6, "side": ["left"] * 12})
    names = [covariate.name for covariate in grouping_covariates(table, covariates)]
    assert names == ["side", "site"]


def test_rare_sites_and_patterns_are_not_shown() -> None:
    sites = tuple(f"site {i}" for i in range(12))
    scans = tuple(BOTH[: 1 + i % 4] for i in range(12))
    assert grouping_covariates(predictions(site=sites, scans=scans), ()) == ()


@pytest.mark.parametrize(
    ("present", "name"),
    [
        (BOTH, "all"),
        (BOTH[:3], "without interim.adc"),
        (BOTH[:2], "without interim"),
        (("interim.adc",), "without baseline, interim.pet"),
    ],
)
def test_patterns_are_named_by_what_is_missing(present: tuple[str, ...], name: str) -> None:
    assert name_patterns([BOTH, present])[1] == name


def test_a_subgroup_is_set_against_the_others_of_its_covariate(trial_run: Path) -> None:
    sources = read_run(trial_run)
    main = sources.predictions
    results = judge_subgroups(sources, "yT0")
    by_level = {(r.covariate, r.level): r.metrics["auc_less_others"] for r in results}
    negative, positive = (by_level["hormone_receptor", level] for level in ("negative", "positive"))
    assert negative.value == pytest.approx(-positive.value)
    assert negative.low == pytest.approx(-positive.high)
    assert negative.n == len(main)
    areas = {r.level: r.metrics["auc"].value for r in results if r.covariate == "hormone_receptor"}
    assert negative.value == pytest.approx(areas["negative"] - areas["positive"])
    assert "within folds" in negative.method
    assert [r.first for r in results if r.covariate == "site"] == [True, False, False]
    external = replace(sources, predictions=replace(main, fold=None))
    assert "folds" not in judge_subgroups(external, "yT0")[0].metrics["auc_less_others"].method

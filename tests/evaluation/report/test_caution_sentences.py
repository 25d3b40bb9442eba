"""Why the results of a table are not to be believed as they stand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pcrnet.config.evaluation import EvaluationConfig
from pcrnet.evaluation.analysis import analyse
from pcrnet.evaluation.report.caution_sentences import cautions
from pcrnet.evaluation.results import Analysis
from pcrnet.evaluation.sources import Sources
from pcrnet.evaluation.statistics.intervals import Estimate
from pcrnet.evaluation.tables.predictions import Predictions


def judged(prob: np.ndarray, **columns: object) -> Analysis:
    count = len(prob) // 2
    label = np.repeat([0.0, 1.0], count)
    names = tuple(map(str, range(2 * count)))
    table = Predictions(names, {"yT0": prob}, {"yT0": label}, **columns)
    sources = Sources(name="table", predictions=table, covariates=())
    return analyse(sources, EvaluationConfig(bootstrap_draws=200))


@pytest.mark.parametrize("count", [3, 40])
def test_reversed_coding_is_pointed_out(count: int) -> None:
    prob = np.linspace(0.1, 0.9, 2 * count)
    assert cautions(judged(prob)) == ()
    (caution,) = cautions(judged(1 - prob))
    assert "The coding looks reversed" in caution
    assert "yT0 0.00" in caution
    assert cautions(judged(np.full(2 * count, 0.5))) == ()


def test_a_run_of_our_own_is_not_taken_for_reversed(analysis: Analysis) -> None:
    low = Estimate(0.2, 0.1, 0.3, 9, "Wald")
    main = replace(analysis.main, metrics={**analysis.main.metrics, "auc": low})
    assert cautions(replace(analysis, heads=(main, *analysis.heads[1:]))) == ()


def test_thresholds_that_differ_in_a_table_without_folds_are_pointed_out() -> None:
    prob = np.linspace(0.1, 0.9, 20)
    differ = {"yT0": np.repeat([0.4, 0.5], 10)}
    found = judged(prob, threshold=differ)
    assert found.thresholds_differ
    (caution,) = cautions(found)
    assert "2 different thresholds for yT0" in caution
    folds = judged(prob, threshold=differ, fold=np.tile([0, 1], 10))
    assert not folds.thresholds_differ
    assert cautions(folds) == ()
    assert cautions(judged(prob, threshold={"yT0": np.full(20, 0.5)})) == ()


def test_patients_without_a_threshold_are_counted() -> None:
    some = np.where(np.arange(20) % 4, 0.5, np.nan)
    (caution,) = cautions(judged(np.linspace(0.1, 0.9, 20), threshold={"yT0": some}))
    assert "Only 15 of 20 patients have a threshold for yT0" in caution

from __future__ import annotations

import numpy as np
import pytest

from pcrnet.evaluation.report.tables import (
    METRIC_GROUPS,
    metric_groups,
    net_benefit_rows,
    predictive_value_rows,
    recalibration_rows,
)
from pcrnet.evaluation.results import HeadResult, PredictiveValues
from pcrnet.evaluation.statistics.intervals import Estimate
from pcrnet.evaluation.statistics.net_benefit import THRESHOLDS, DecisionCurve

KNOWN = Estimate(0.8, 0.7, 0.9, 50, "Wilson")
BARE = Estimate(0.1, None, None, 50, "smooth ECE", "compare with the null band")


def head(**columns: object) -> HeadResult:
    return HeadResult(head="yT0", n=50, responders=20, **columns)  # type: ignore[arg-type]


def test_every_measure_is_shown_once_by_subject() -> None:
    names = [name for group in METRIC_GROUPS.values() for name in group]
    assert len(names) == len(set(names))
    groups = metric_groups([head(metrics=dict.fromkeys(names, KNOWN))])
    assert [group.title for group in groups] == list(METRIC_GROUPS)
    assert sum(len(group.rows) for group in groups) == len(names)


def test_a_measure_that_no_group_names_comes_last() -> None:
    groups = metric_groups([head(metrics={"auc": KNOWN, "new_measure": KNOWN})])
    assert groups[-1].title == "Further measures"
    assert groups[-1].rows[0].label == "new measure"


def test_a_measure_of_one_head_only_is_said_to_be_missing_in_the_other() -> None:
    (group,) = metric_groups([head(metrics={}), head(metrics={"auc": KNOWN})])
    missing, found = group.rows[0].estimates
    assert missing.reason == "not computed"
    assert found is KNOWN
    assert group.rows[0].method == "Wilson"


@pytest.mark.parametrize(
    ("estimates", "reason"),
    [((BARE, BARE), "compare with the null band"), ((BARE, KNOWN), ""), ((KNOWN, KNOWN), "")],
)
def test_a_reason_that_all_share_stands_once(
    estimates: tuple[Estimate, Estimate], reason: str
) -> None:
    (group,) = metric_groups([head(metrics={"smooth_ece": estimate}) for estimate in estimates])
    assert group.rows[0].reason == reason


def test_recalibration_needs_both_sides_of_every_head() -> None:
    both = head(metrics={"brier": KNOWN, "auc": KNOWN}, uncalibrated={"brier": BARE, "auc": KNOWN})
    rows = recalibration_rows([both, both])
    assert [row.label for row in rows] == ["Brier score", "AUC"]
    assert rows[0].estimates == (BARE, KNOWN, BARE, KNOWN)
    assert recalibration_rows([both, head(metrics={"brier": KNOWN})]) == []


def test_decision_curves_are_read_off_at_their_thresholds() -> None:
    curve = DecisionCurve(THRESHOLDS, THRESHOLDS, THRESHOLDS - 0.1, THRESHOLDS + 0.1, THRESHOLDS, 9)
    rows = net_benefit_rows([head(metrics={}, decision=curve), head(metrics={})])
    assert [row.threshold for row in rows] == [0.5, 0.6, 0.7, 0.8, 0.9, 0.95]
    np.testing.assert_allclose([row.values[0][0] for row in rows], [50, 60, 70, 80, 90, 95])
    assert rows[4].odds == pytest.approx(9.0)
    assert net_benefit_rows([head(metrics={})]) == []


def test_predictive_values_stand_side_by_side() -> None:
    values = tuple(PredictiveValues(rate, KNOWN, KNOWN) for rate in (0.2, 0.5))
    with_values = head(metrics={}, predictive_values=values)
    rows = predictive_value_rows([with_values, head(metrics={}), with_values])
    assert [row.prevalence for row in rows[1]] == [0.5, 0.5]
    assert predictive_value_rows([head(metrics={})]) == []

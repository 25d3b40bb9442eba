"""Thresholds: by hand, by trying every one, and what ties do."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pcrnet.config.evaluation import (
    NetBenefitRule,
    PrevalenceRule,
    SensitivityRule,
    SpecificityRule,
    YoudenRule,
)
from pcrnet.decision.threshold import choose_threshold
from pcrnet.errors import PredictionsError

PROB = np.array([0.1, 0.2, 0.3, 0.4, 0.6, 0.7, 0.8, 0.9])


LABEL = np.array([0.0, 0.0, 1.0, 0.0, 1.0, 0.0, 1.0, 1.0])


RULES = (YoudenRule(), SensitivityRule(target=0.75), SpecificityRule(target=0.75))


cases = st.lists(
    st.tuples(st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0]), st.booleans()),
    min_size=2,
    max_size=12,
).filter(lambda rows: len({label for _, label in rows}) == 2)


def rates(prob, label, threshold):
    called = prob > threshold
    return called[label == 1].mean(), (~called[label == 0]).mean()


def test_thresholds_of_a_small_example_by_hand():
    # Sensitivity + specificity is 3/4 + 3/4 at 0.5 and 2/4 + 4/4 at 0.75: a tie.
    assert choose_threshold(PROB, LABEL, YoudenRule()) == 0.75
    assert choose_threshold(np.append(PROB, 0.6), np.append(LABEL, 1.0), YoudenRule()) == 0.5
    assert choose_threshold(PROB, LABEL, SensitivityRule(target=1.0)) == 0.25
    assert choose_threshold(PROB, LABEL, SensitivityRule(target=0.75)) == 0.5
    assert choose_threshold(PROB, LABEL, SpecificityRule(target=1.0)) == 0.75
    assert choose_threshold(PROB, LABEL, SpecificityRule(target=0.75)) == 0.5
    assert choose_threshold(PROB, LABEL, NetBenefitRule(threshold=0.8)) == 0.8


def test_tied_youden_goes_to_the_larger_threshold():
    prob, label = np.array([0.2, 0.4, 0.6, 0.8]), np.array([0.0, 1.0, 0.0, 1.0])
    assert choose_threshold(prob, label, YoudenRule()) == pytest.approx(0.7)


@settings(max_examples=300, deadline=None)
@given(rows=cases, target=st.sampled_from([0.0, 0.3, 0.5, 0.9, 1.0]))
def test_rules_agree_with_trying_every_threshold(rows, target):
    prob = np.array([p for p, _ in rows])
    label = np.array([float(y) for _, y in rows])
    every = np.array([rates(prob, label, t) for t in (0.0, 0.05, 0.2, 0.3, 0.6, 0.8, 0.95, 1.0)])
    youden = choose_threshold(prob, label, YoudenRule())
    assert sum(rates(prob, label, youden)) == pytest.approx(every.sum(axis=1).max())
    chosen = choose_threshold(prob, label, SpecificityRule(target=target))
    sens, spec = rates(prob, label, chosen)
    assert spec >= target - 1e-12
    assert sens == every[every[:, 1] >= target - 1e-12, 0].max()
    chosen = choose_threshold(prob, label, SensitivityRule(target=target))
    sens, spec = rates(prob, label, chosen)
    reachable = every[every[:, 0] >= target - 1e-12]
    # Probabilities of exactly 0 are never called; then the best that can be done is done.
    if len(reachable):
        assert sens >= target - 1e-12
        assert spec == reachable[:, 1].max()
    else:
        assert sens == every[:, 0].max()
    for rule in (YoudenRule(), SensitivityRule(target=target), SpecificityRule(target=target)):
        threshold = choose_threshold(prob, label, rule)
        assert 0 <= threshold <= 1
        assert threshold == 1.0 or threshold not in prob


def test_unknown_outcomes_do_not_move_a_threshold():
    prob, label = np.append(PROB, [0.05, 0.99]), np.append(LABEL, [np.nan, np.nan])
    for rule in RULES:
        assert choose_threshold(prob, label, rule) == choose_threshold(PROB, LABEL, rule)


@pytest.mark.parametrize(
    ("rule", "label"),
    [(YoudenRule(), 1.0), (YoudenRule(), 0.0), (SensitivityRule(), 0.0), (SpecificityRule(), 1.0)],
)
def test_rule_without_its_class_is_an_error_that_counts(rule, label):
    with pytest.raises(PredictionsError, match=f"{rule.kind} cannot choose .* 8"):
        choose_threshold(PROB, np.full(8, label), rule)


def test_nan_probability_is_an_error():
    prob = PROB.copy()
    prob[2] = np.nan
    with pytest.raises(PredictionsError, match="finite"):
        choose_threshold(prob, LABEL, YoudenRule())


def test_sensitivity_target_means_whole_patients_in_spite_of_floats():
    prob = np.linspace(0.05, 0.95, 10)
    label = np.ones(10)
    label[0] = 1
    # 0.7 × 10 is 7.000000000000001 in floats; 7 patients are enough.
    threshold = choose_threshold(prob, label, SensitivityRule(target=0.7))
    assert (prob > threshold).sum() == 7


def test_the_prevalence_is_the_share_of_responses_and_best_for_calibrated_probabilities():
    assert choose_threshold(PROB, LABEL, PrevalenceRule()) == pytest.approx(np.nanmean(LABEL))
    # In an infinite calibrated trial sensitivity + specificity is largest there.
    prob = np.linspace(0.01, 0.99, 981)
    share = float(prob.mean())
    gain = [
        prob[prob > t].sum() / prob.sum() + (1 - prob)[prob <= t].sum() / (1 - prob).sum()
        for t in prob
    ]
    assert prob[int(np.argmax(gain))] == pytest.approx(share, abs=0.002)
    with pytest.raises(PredictionsError):
        choose_threshold(PROB, np.ones_like(LABEL), PrevalenceRule())

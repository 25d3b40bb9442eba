"""AUC against pROC, scikit-learn, counting by hand, and its coverage."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit, logit
from scipy.stats import norm
from scipy.stats import t as student_t
from sklearn.metrics import roc_auc_score

from pcrnet.evaluation.statistics.discrimination import (
    auc,
    auc_fold_mean,
    delong,
)
from pcrnet.evaluation.statistics.intervals import Estimate

tied_cases = st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=4, max_size=25).filter(
    lambda rows: len({label for _, label in rows}) == 2
)


def binormal(generator, positives, negatives, shift, draws=1):
    score = generator.normal(size=(draws, positives + negatives))
    score[:, :positives] += shift
    label = np.append(np.ones(positives), np.zeros(negatives))
    return score, label


def test_published_areas_variances_and_intervals(reference):
    for case in reference.cases["auc_delong"]:
        score, label = reference.score(case, case["score"])
        result = delong(score[None], label)
        variance = result.covariance[0, 0]
        assert result.auc[0] == pytest.approx(case["auc"], abs=1e-9)
        if "var" in case:
            assert variance == pytest.approx(case["var"], abs=1e-12)
        if "se" in case:
            assert math.sqrt(variance) == pytest.approx(case["se"], abs=1e-9)
        estimate = auc(score, label)
        assert estimate.value == pytest.approx(case["auc"], abs=1e-9)
        assert estimate.n == len(label)
        if "ci" in case:
            # pROC prints Wald's interval; ours is the same half width on the logit scale.
            half = (case["ci"][1] - case["ci"][0]) / 2 / case["auc"] / (1 - case["auc"])
            wald = [expit(logit(case["auc"]) - half), expit(logit(case["auc"]) + half)]
            assert (estimate.low, estimate.high) == pytest.approx(wald, abs=1e-8)


def test_published_area_of_500_external_predictions(val_prob):
    prob, label, case = val_prob
    assert auc(prob, label).value == pytest.approx(case["auc"], abs=1e-9)
    assert delong(prob[None], label).covariance[0, 0] == pytest.approx(case["auc_var"], abs=1e-12)


def test_published_covariances(reference):
    for case in reference.cases["auc_delong_cov"]:
        (first, label), (second, _) = (reference.score(case, case[key]) for key in "ab")
        covariance = delong(np.stack([first, second]), label).covariance
        assert covariance[0, 1] == pytest.approx(case["cov"], abs=1e-12)
        assert covariance[0, 1] == covariance[1, 0]


def test_tiny_example_of_scikit_learn(reference):
    case = reference.cases["auc_tiny"][0]
    assert auc(np.array(case["s"]), np.array(case["y"], dtype=float)).value == case["auc"]


@settings(max_examples=200, deadline=None)
@given(rows=tied_cases)
def test_area_and_variance_are_those_of_counting_pairs(rows):
    score = np.array([float(s) for s, _ in rows])
    label = np.array([float(y) for _, y in rows])
    result = delong(score[None], label)
    assert result.auc[0] == pytest.approx(roc_auc_score(label, score))
    above, below = score[label == 1], score[label == 0]
    kernel = (above[:, None] > below) + 0.5 * (above[:, None] == below)
    if min(kernel.shape) > 1:
        variance = kernel.mean(axis=1).var(ddof=1) / len(above)
        variance += kernel.mean(axis=0).var(ddof=1) / len(below)
        assert result.covariance[0, 0] == pytest.approx(variance, abs=1e-14)
    assert auc(-score, label).value == pytest.approx(1 - result.auc[0])
    assert auc(score, 1 - label).value == pytest.approx(1 - result.auc[0])


def test_monotone_transforms_change_nothing(reference):
    score, label = reference.score(reference.cases["auc_delong"][2], "ndka")
    assert auc(np.log(score), label) == auc(score, label)
    assert auc(score * 1e-12 + 3, label).value == pytest.approx(auc(score, label).value, abs=0.01)


def test_area_below_one_half_stays_there():
    score, label = np.array([4.0, 3.0, 2.0, 1.0, 0.0]), np.array([0.0, 0.0, 1.0, 0.0, 1.0])
    assert auc(score, label).value == pytest.approx(1 / 6)


@pytest.mark.parametrize(("direction", "value"), [(1.0, 1.0), (-1.0, 0.0)])
def test_perfect_separation_is_flagged_and_falls_back_to_an_exact_interval(direction, value):
    label = np.append(np.ones(5), np.zeros(8))
    estimate = auc(direction * np.arange(13.0)[::-1], label)
    assert estimate.value == value
    # Five disjoint pairs, all concordant: 0.025^(1/5).
    bound = 0.025 ** (1 / 5)
    limits = (bound, 1.0) if value == 1.0 else (0.0, 1 - bound)
    assert (estimate.low, estimate.high) == pytest.approx(limits)
    how = "rightly" if value else "wrongly"
    assert estimate.reason == f"degenerate: all pairs are ranked {how}"
    assert estimate.method == "exact over 5 disjoint pairs"
    assert estimate.n == 13
    assert auc(direction * np.arange(13.0)[::-1], label, confidence=0.8).low >= estimate.low


def test_perfect_separation_within_folds_counts_pairs_fold_by_fold():
    label = np.array([1.0, 0.0, 1.0, 0.0, 0.0])
    score = np.array([0.2, 0.1, 0.9, 0.8, 0.7])
    fold = np.array([0, 0, 1, 1, 1])
    assert auc(score, label, fold).method == "exact over 2 disjoint pairs"
    assert auc(score, label).value < 1.0


@pytest.mark.parametrize("fold", [None, np.array([0, 0, 1, 1])])
@pytest.mark.parametrize(
    ("score", "label", "reason"),
    [
        ([0.1, np.nan, 0.3, 0.4], [0, 1, 0, 1], "not a finite number"),
        ([0.1, 0.2, 0.3, 0.4], [1, 1, 1, 1], "one class only"),
        ([0.1, 0.2, 0.3, 0.4], [1, 2, 1, 2], "neither 0 nor 1"),
    ],
)
def test_what_cannot_be_ranked_is_named(fold, score, label, reason):
    score, label = np.array(score), np.array(label, dtype=float)
    found = [auc(score, label, fold)]
    if fold is not None:
        found.append(auc_fold_mean(score, label, fold))
    for estimate in found:
        assert estimate.value is None
        assert reason in estimate.reason


def test_folds_of_one_class_each_have_no_pair():
    score, label, fold = np.arange(4.0), np.array([0.0, 0.0, 1.0, 1.0]), np.array([0, 0, 1, 1])
    for estimate in (auc(score, label, fold), auc_fold_mean(score, label, fold)):
        assert estimate.value is None
        assert estimate.n == 4
        assert estimate.reason == "no fold has patients of both classes"


def test_single_patient_of_a_class_gives_a_value_without_interval():
    reason = "no interval: a class has a single patient"
    expected = Estimate(0.5, None, None, 3, "DeLong, logit scale", reason)
    assert auc(np.array([1.0, 0.0, 2.0]), np.array([1.0, 0.0, 0.0])) == expected


def test_classes_that_are_ranked_alike_leave_no_interval():
    reason = "no interval: the patients of each class are all ranked alike, without variance"
    constant = auc(np.ones(6), np.array([1.0, 0, 1, 0, 1, 0]))
    assert constant == Estimate(0.5, None, None, 6, "DeLong, logit scale", reason)
    # Perfect in one fold, constant in the other: an AUC that ranks, and still no variance.
    score = np.array([2.0, 2.0, 1.0, 1.0, 5.0, 5.0, 5.0, 5.0])
    label, fold = np.array([1.0, 1, 0, 0, 1, 1, 0, 0]), np.repeat([0, 1], 4)
    half = auc(score, label, fold)
    assert (half.value, half.low, half.reason) == (0.75, None, reason)


def test_area_within_folds_counts_pairs_within_folds_only():
    generator = np.random.default_rng(2)
    score, label = generator.normal(size=60), generator.integers(2, size=60).astype(float)
    fold = np.arange(60) % 5
    shifted = score + 10.0 * fold
    won = pairs = 0.0
    for k in range(5):
        above, below = (score[(fold == k) & (label == c)] for c in (1, 0))
        won += (above[:, None] > below).sum()
        pairs += len(above) * len(below)
    assert auc(score, label, fold).value == pytest.approx(won / pairs)
    # The scale of a fold's model is no part of the estimate.
    assert auc(shifted, label, fold) == auc(score, label, fold)
    assert auc(shifted, label).value != pytest.approx(won / pairs)


def test_one_fold_is_plain_delong():
    score, label = binormal(np.random.default_rng(3), 20, 30, 1.0)
    one = auc(score[0], label, np.zeros(50, dtype=int))
    assert (one.value, one.low, one.high) == (
        auc(score[0], label).value,
        auc(score[0], label).low,
        auc(score[0], label).high,
    )
    assert "given the fitted models" in one.method


def test_fold_with_a_single_patient_of_a_class_does_no_harm():
    generator = np.random.default_rng(4)
    score, label = binormal(generator, 21, 21, 1.0)
    fold = np.append(np.zeros(20), np.append([1], np.append(np.zeros(20), [1])))
    estimate = auc(score[0], label, fold)
    assert estimate.low < estimate.value < estimate.high


def test_a_spread_of_rounding_alone_is_no_variance():
    # Three ranks out of one: the mean placement 1/3 is no binary fraction, 0/0 became inf.
    label = np.array([1.0, 1, 1, 0])
    estimate = auc(np.array([0.1, 0.2, 0.6, 0.5]), label)
    assert estimate.value == pytest.approx(1 / 3)
    assert (estimate.low, estimate.high) == (None, None)
    assert estimate.reason == "no interval: a class has a single patient"


def test_folds_with_one_and_the_same_area_have_no_spread_to_judge_by():
    label, fold = np.array([1.0, 0, 1, 0, 1]), np.array([0, 0, 1, 1, 2])
    estimate = auc_fold_mean(np.array([0.9, 0.1, 0.8, 0.2, 0.5]), label, fold)
    assert (estimate.value, estimate.low, estimate.high) == (1.0, None, None)
    assert estimate.reason == (
        "no interval: all folds have the same AUC; 1 of 3 folds have one class and are left out"
    )
    assert auc_fold_mean(np.array([0.9, 0.1, 0.8, 0.2]), label[:4], fold[:4]).reason == (
        "no interval: all folds have the same AUC"
    )


def test_fold_mean_weighs_folds_alike_and_names_those_left_out():
    label = np.array([1.0, 0, 1, 0, 1, 1, 0, 0, 1, 1])
    score = np.array([0.9, 0.1, 0.2, 0.8, 0.9, 0.6, 0.7, 0.1, 0.5, 0.6])
    fold = np.array([0, 0, 1, 1, 2, 2, 2, 2, 3, 3])
    estimate = auc_fold_mean(score, label, fold, confidence=0.5)
    areas = np.array([1, 0, 0.75])
    half = student_t.ppf(0.75, 2) * areas.std(ddof=1) / math.sqrt(3)
    method = "mean over folds, Student's t over folds (folds taken as independent)"
    assert estimate.to_json() == {
        "value": pytest.approx(7 / 12),
        "low": pytest.approx(7 / 12 - half),
        "high": pytest.approx(7 / 12 + half),
        "n": 10,
        "method": method,
        "reason": "1 of 4 folds have one class and are left out",
    }
    wide = auc_fold_mean(score, label, fold, confidence=0.99)
    assert (wide.low, wide.high) == (0.0, 1.0)
    single = Estimate(1.0, None, None, 2, method, "a single fold")
    assert auc_fold_mean(score[:2], label[:2], fold[:2]) == single
    assert auc_fold_mean(score[:8], label[:8], fold[:8]).reason is None
    two = auc_fold_mean(score[2:8], label[2:8], fold[2:8], confidence=0.1)
    assert two.low < two.value == 0.375 < two.high
    undefined = Estimate.undefined("one class only: every label is 1", n=2, method=method)
    assert auc_fold_mean(score[8:], label[8:], fold[8:]) == undefined


@pytest.mark.parametrize(("positives", "negatives", "true_auc"), [(25, 25, 0.95), (30, 30, 0.75)])
def test_logit_interval_covers_where_walds_does_not(positives, negatives, true_auc):
    generator = np.random.default_rng(5)
    shift = math.sqrt(2) * norm.ppf(true_auc)
    scores, label = binormal(generator, positives, negatives, shift, draws=1500)
    estimates = [auc(score, label) for score in scores]
    inside = np.mean([e.low <= true_auc <= e.high for e in estimates])
    assert 0.93 <= inside <= 0.97


@pytest.mark.slow
def test_within_fold_interval_covers():
    generator = np.random.default_rng(6)
    true_auc = 0.75
    fold = np.tile(np.arange(5), 24)
    inside = []
    for _ in range(800):
        label = generator.integers(2, size=120).astype(float)
        score = generator.normal(size=120) + math.sqrt(2) * norm.ppf(true_auc) * label
        estimate = auc(score + 5 * fold, label, fold)
        inside.append(estimate.low <= true_auc <= estimate.high)
    assert 0.93 <= np.mean(inside) <= 0.97

"""Comparisons of AUCs against pROC, SAS, counting by hand, and their level."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import norm
from scipy.stats import t as student_t

from pcrnet.evaluation.statistics.comparison.auc_comparison import (
    AucComparison,
    ScoredGroup,
    compare_auc,
    compare_auc_unpaired,
    compare_many_auc,
    contrast_test,
)
from pcrnet.evaluation.statistics.discrimination import delong
from pcrnet.evaluation.statistics.intervals import Estimate

NO_VARIANCE = "no interval: the difference has no variance in these patients"


def binormal(generator, positives, negatives, shift, draws=1):
    score = generator.normal(size=(draws, positives + negatives))
    score[:, :positives] += shift
    label = np.append(np.ones(positives), np.zeros(negatives))
    return score, label


def test_published_paired_comparisons(reference):
    for case in reference.cases["auc_delong_paired"]:
        (first, label), (second, _) = (reference.score(case, case[key]) for key in "ab")
        result = compare_auc(first, second, label)
        assert result.p == pytest.approx(case["p"], abs=1e-9)
        if "z" in case:
            assert result.z == pytest.approx(case["z"], abs=1e-9)
        if "ci_diff" in case:
            interval = (result.difference.low, result.difference.high)
            assert interval == pytest.approx(case["ci_diff"], abs=1e-9)
        if "diff" in case:
            assert result.difference.value == pytest.approx(case["diff"], abs=1e-9)
            assert result.difference.value / result.z == pytest.approx(case["se"], abs=1e-9)
        if "p_greater" in case:
            assert norm.sf(result.z) == pytest.approx(case["p_greater"], abs=1e-9)
            assert norm.cdf(result.z) == pytest.approx(case["p_less"], abs=1e-9)


def test_published_global_contrast(reference):
    case = reference.cases["auc_delong_global"][0]
    label, table = reference.table(case)
    result = delong(table[["totscore", "alb", "tp"]].to_numpy().T, label)
    contrast = np.array([[-1.0, 1.0, 0.0], [-1.0, 0.0, 1.0]])
    statistic, freedom, p = contrast_test(result, contrast)
    assert statistic == pytest.approx(case["chi2"], abs=1e-9)
    assert freedom == case["df"]
    assert p == pytest.approx(case["p"], abs=1e-9)
    redundant = np.vstack([contrast, contrast.sum(axis=0)])
    assert contrast_test(result, redundant)[:2] == (pytest.approx(statistic), 2)
    assert contrast_test(result, np.zeros((1, 3))) == (0.0, 0, 1.0)


def test_published_unpaired_comparisons(reference):
    for case in reference.cases["auc_unpaired"]:
        groups = (ScoredGroup(*reference.score(case, case[key])) for key in "ab")
        result = compare_auc_unpaired(*groups)
        assert result.z == pytest.approx(case["D"], abs=1e-9)
        assert result.p == pytest.approx(case["p"], abs=1e-9)
        assert result.difference.low < result.difference.value < result.difference.high


@pytest.mark.parametrize("second", [lambda s: s, lambda s: np.exp(s / 10), lambda s: 3 * s - 1])
def test_models_that_rank_alike_have_p_one(second):
    score, label = binormal(np.random.default_rng(0), 30, 40, 1.0)
    alike = Estimate(0.0, 0.0, 0.0, 70, "paired DeLong, Wald", "both rank all patients alike")
    assert compare_auc(score[0], second(score[0]), label) == AucComparison(alike, 0.0, 1.0)


def test_two_perfect_models_rank_alike():
    label = np.array([0.0, 0.0, 1.0, 1.0])
    result = compare_auc(np.arange(4.0), np.array([1.0, 0.0, 3.0, 2.0]), label)
    assert (result.z, result.p) == (0.0, 1.0)


def test_perfect_against_reversed_has_no_variance_and_no_p():
    label = np.array([0.0, 0.0, 1.0, 1.0])
    difference = Estimate(1.0, None, None, 4, "paired DeLong, Wald", NO_VARIANCE)
    result = compare_auc(np.arange(4.0), -np.arange(4.0), label)
    assert result == AucComparison(difference, None, None)


def test_comparison_within_folds_is_the_one_of_pairs_within_folds():
    generator = np.random.default_rng(8)
    label = generator.integers(2, size=100).astype(float)
    scores = generator.normal(size=(2, 100)) + label
    fold = np.arange(100) % 5
    result = compare_auc(*scores, label, fold)
    areas = delong(scores, label, fold)
    error = math.sqrt(areas.covariance[0, 0] + areas.covariance[1, 1] - 2 * areas.covariance[0, 1])
    difference = areas.auc[0] - areas.auc[1]
    assert result.difference.to_json() == {
        "value": pytest.approx(difference),
        "low": pytest.approx(difference - 1.959963984540054 * error),
        "high": pytest.approx(difference + 1.959963984540054 * error),
        "n": 100,
        "method": "paired DeLong over pairs within folds, Wald; "
        "given the fitted models and the folds",
    }
    # The scale of a fold's models is no part of it.
    shifted = compare_auc(scores[0] + 9 * fold, scores[1] - 9 * fold, label, fold)
    assert shifted.z == pytest.approx(result.z)
    assert compare_auc(*scores, label).z != pytest.approx(result.z)


def test_unpaired_comparison_is_welchs():
    generator = np.random.default_rng(9)
    groups = [
        ScoredGroup(binormal(generator, n, n + 10, 1.0)[0][0], np.repeat([1.0, 0.0], [n, n + 10]))
        for n in (15, 30)
    ]
    one, other = (delong(score[None], label) for score, label, _ in groups)
    variances = one.covariance[0, 0], other.covariance[0, 0]
    error = math.sqrt(sum(variances))
    freedom = sum(variances) ** 2 / (variances[0] ** 2 / 39 + variances[1] ** 2 / 69)
    difference = one.auc[0] - other.auc[0]
    for confidence in (0.8, 0.95):
        half = student_t.ppf((1 + confidence) / 2, freedom) * error
        result = compare_auc_unpaired(*groups, confidence)
        assert result.difference.to_json() == {
            "value": pytest.approx(difference),
            "low": pytest.approx(difference - half),
            "high": pytest.approx(difference + half),
            "n": 110,
            "method": "unpaired DeLong, Wald, Satterthwaite",
        }
    assert result.p == pytest.approx(2 * student_t.sf(abs(difference / error), freedom))


def test_groups_that_a_score_cannot_rank_are_not_compared():
    sound = binormal(np.random.default_rng(10), 5, 5, 1.0)
    sound = ScoredGroup(sound[0][0], sound[1])
    flat = ScoredGroup(np.ones(6), np.array([1.0, 0, 1, 0, 1, 0]))
    method = "unpaired DeLong, Wald, Satterthwaite"
    alike = "no interval: the patients of each class are all ranked alike, without variance"
    none = Estimate(0.0, None, None, 12, method, alike)
    assert compare_auc_unpaired(flat, flat) == AucComparison(none, None, None)
    assert compare_auc_unpaired(flat, sound).difference.reason == alike
    unanimous = ScoredGroup(flat.score, np.ones(6))
    for pair in ((sound, unanimous), (unanimous, sound)):
        missing = Estimate.undefined("one class only: every label is 1", n=16, method=method)
        assert compare_auc_unpaired(*pair) == AucComparison(missing, None, None)


@pytest.mark.parametrize("score", [[0.1, 0.2, 0.6, 0.5], [0.5, 0.6, 0.4, 0.4]])
def test_a_group_with_a_single_patient_of_a_class_lends_no_variance(score):
    # With these scores the single patient's placement differs from its mean by rounding, or not.
    single = ScoredGroup(np.array(score), np.array([1.0, 1, 1, 0]))
    sound = ScoredGroup(np.array([0.9, 0.2, 0.4, 0.3, 0.5]), np.array([1.0, 1, 0, 0, 1]))
    alone = "no interval: a class has a single patient"
    for pair in ((single, sound), (sound, single)):
        compared = compare_auc_unpaired(*pair)
        assert (compared.difference.low, compared.z, compared.p) == (None, None, None)
        assert compared.difference.reason == alone
    paired = compare_auc(single.score, single.score[::-1], single.label)
    assert (paired.difference.reason, paired.p) == (alone, None)


def test_one_unusable_model_of_two_is_named():
    score, label = binormal(np.random.default_rng(11), 5, 5, 1.0)
    broken = score[0].copy()
    broken[3] = np.nan
    missing = Estimate.undefined(
        "a score is not a finite number", n=10, method="paired DeLong, Wald"
    )
    for pair in ((score[0], broken), (broken, score[0])):
        assert compare_auc(*pair, label) == AucComparison(missing, None, None)


def test_swapping_the_models_mirrors_the_comparison():
    generator = np.random.default_rng(1)
    score, label = binormal(generator, 30, 40, 1.0, draws=2)
    one, other = compare_auc(score[0], score[1], label), compare_auc(score[1], score[0], label)
    assert one.z == pytest.approx(-other.z)
    assert one.p == pytest.approx(other.p)


def test_paired_test_holds_its_level():
    generator = np.random.default_rng(7)
    rejected = []
    for _ in range(800):
        common = generator.normal(size=80)
        label = (common + generator.normal(size=80) > 0).astype(float)
        first, second = common + 0.7 * generator.normal(size=(2, 80))
        rejected.append(compare_auc(first, second, label).p < 0.05)
    assert 0.03 <= np.mean(rejected) <= 0.075


def test_unpaired_comparison_within_folds_ranks_within_folds_only():
    generator = np.random.default_rng(12)
    groups = []
    for shift in (1.0, 0.2):
        score, label = binormal(generator, 30, 30, shift)
        groups.append(ScoredGroup(score[0], label, np.arange(60) % 3))
    result = compare_auc_unpaired(*groups)
    areas = [delong(score[None], label, fold).auc[0] for score, label, fold in groups]
    assert result.difference.value == pytest.approx(areas[0] - areas[1])
    assert "within folds" in result.difference.method
    moved = [group._replace(score=group.score + 9 * group.fold) for group in groups]
    assert compare_auc_unpaired(*moved) == result
    alone = groups[0]._replace(fold=groups[0].label.astype(int))
    assert compare_auc_unpaired(alone, groups[1]).difference.reason == (
        "no fold has patients of both classes"
    )


def test_two_models_compared_as_many_are_compared_as_a_pair():
    score, label = binormal(np.random.default_rng(13), 30, 40, 1.0, draws=2)
    fold = np.arange(70) % 5
    found = compare_many_auc(score, label, fold)
    pair = compare_auc(score[0], score[1], label, fold)
    assert found.chi2 == pytest.approx(pair.z**2)
    assert found.freedom == 1
    assert found.p == pytest.approx(pair.p)


def test_the_order_of_many_models_does_not_matter(reference):
    case = reference.cases["auc_delong_global"][0]
    label, table = reference.table(case)
    scores = table[["totscore", "alb", "tp"]].to_numpy().T
    for order in ([0, 1, 2], [2, 0, 1]):
        found = compare_many_auc(scores[order], label)
        assert found.chi2 == pytest.approx(case["chi2"], abs=1e-9)
        assert (found.freedom, found.p) == (2, pytest.approx(case["p"], abs=1e-9))


def test_many_models_that_rank_alike_have_p_one():
    score, label = binormal(np.random.default_rng(14), 20, 20, 1.0)
    assert compare_many_auc(np.stack([score[0], 2 * score[0], np.exp(score[0])]), label).p == 1.0


def test_global_test_holds_its_level():
    generator = np.random.default_rng(15)
    rejected = []
    for _ in range(600):
        common = generator.normal(size=80)
        label = (common + generator.normal(size=80) > 0).astype(float)
        rejected.append(compare_many_auc(common + generator.normal(size=(4, 80)), label).p < 0.05)
    assert 0.025 <= np.mean(rejected) <= 0.08


@pytest.mark.parametrize(
    ("score", "label", "fold"),
    [
        ([0.1, np.nan, 0.3, 0.4], [0, 1, 0, 1], None),
        ([0.1, 0.2, 0.3, 0.4], [1, 1, 1, 1], None),
        ([0.1, 0.2, 0.3, 0.4], [0, 1, 1, 1], None),
        ([0.1, 0.2, 0.3, 0.4], [0, 0, 1, 1], [0, 0, 1, 1]),
    ],
)
def test_many_models_that_cannot_be_ranked_are_not_compared(score, label, fold):
    score, label = np.array(score), np.array(label, dtype=float)
    fold = None if fold is None else np.array(fold)
    assert compare_many_auc(np.stack([score, -score]), label, fold) is None


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
    group = ScoredGroup(np.array(score), np.array(label, dtype=float), fold)
    paired = compare_auc(group.score, -group.score, group.label, fold)
    for compared in (paired, compare_auc_unpaired(group, group)):
        assert compared.difference.value is None
        assert reason in compared.difference.reason


def test_folds_of_one_class_each_have_no_pair_to_compare():
    score, label, fold = np.arange(4.0), np.array([0.0, 0.0, 1.0, 1.0]), np.array([0, 0, 1, 1])
    found = compare_auc(score, -score, label, fold).difference
    assert (found.value, found.reason) == (None, "no fold has patients of both classes")

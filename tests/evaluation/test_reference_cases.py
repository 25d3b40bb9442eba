"""All 387 published comparisons of ``reference_cases.json`` by pcrnet's own functions.

They are listed one by one, so that none is lost; where scipy, statsmodels, scikit-learn or
torchmetrics compute the same number, theirs stands beside it in the test of the module.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import stats

from pcrnet.evaluation.statistics.calibration.reliability import (
    calibration_in_the_large,
    calibration_line,
    spiegelhalter_test,
)
from pcrnet.evaluation.statistics.calibration.scores import brier
from pcrnet.evaluation.statistics.calibration.smooth_ece import binned_ece
from pcrnet.evaluation.statistics.comparison.auc_comparison import (
    ScoredGroup,
    compare_auc,
    compare_auc_unpaired,
    contrast_test,
)
from pcrnet.evaluation.statistics.comparison.paired import mcnemar_test, newcombe_paired_difference
from pcrnet.evaluation.statistics.discrimination import auc, delong
from pcrnet.evaluation.statistics.intervals import (
    clopper_pearson_interval,
    newcombe_difference,
    normal_quantile,
    wilson_interval,
)
from pcrnet.evaluation.statistics.net_benefit import net_benefit

EXACT = 1e-9
DRAWING = {"draws": 200, "generator": np.random.default_rng(0)}


class Check(NamedTuple):
    """One comparison; the tolerance is below 1e-6 or half a unit of the last printed digit."""

    name: str
    ours: float | tuple[float, ...]
    published: float | tuple[float, ...]
    tolerance: float = EXACT


def areas(reference) -> Iterator[Check]:
    z = normal_quantile(0.95)
    for case in reference.cases["auc_delong"]:
        score, label = reference.score(case, case["score"])
        result = delong(score[None], label)
        area, variance = float(result.auc[0]), float(result.covariance[0, 0])
        error = math.sqrt(variance)
        yield Check(f"auc {case['score']}", area, case["auc"])
        if "var" in case:
            yield Check("variance", variance, case["var"], 1e-12)
        if "se" in case:
            yield Check("standard error", error, case["se"])
        if "ci" in case:
            yield Check("Wald interval", (area - z * error, area + z * error), case["ci"])
    for case in reference.cases["auc_delong_cov"]:
        (first, label), (second, _) = (reference.score(case, case[key]) for key in "ab")
        covariance = delong(np.stack([first, second]), label).covariance[0, 1]
        yield Check("covariance", float(covariance), case["cov"], 1e-12)
    tiny = reference.cases["auc_tiny"][0]
    area = auc(np.array(tiny["s"]), np.array(tiny["y"], dtype=float)).value
    yield Check("tiny auc", area, tiny["auc"], 1e-12)


def comparisons_of_areas(reference) -> Iterator[Check]:
    for case in reference.cases["auc_delong_paired"]:
        (first, label), (second, _) = (reference.score(case, case[key]) for key in "ab")
        result = compare_auc(first, second, label)
        yield Check("paired p", result.p, case["p"])
        if "z" in case:
            yield Check("paired z", result.z, case["z"])
        if "ci_diff" in case:
            limits = (result.difference.low, result.difference.high)
            yield Check("paired interval", limits, case["ci_diff"])
        if "se" in case:
            yield Check("paired error", result.difference.value / result.z, case["se"])
        if "p_greater" in case:
            yield Check("one-sided p", stats.norm.sf(result.z), case["p_greater"])
            yield Check("other one-sided p", stats.norm.cdf(result.z), case["p_less"])
    (case,) = reference.cases["auc_delong_global"]
    label, table = reference.table(case)
    result = delong(table[["totscore", "alb", "tp"]].to_numpy().T, label)
    chi2, _, p = contrast_test(result, np.array([[-1.0, 1.0, 0.0], [-1.0, 0.0, 1.0]]))
    yield Check("global chi2", chi2, case["chi2"])
    yield Check("global p", p, case["p"])
    for case in reference.cases["auc_unpaired"]:
        groups = (ScoredGroup(*reference.score(case, case[key])) for key in "ab")
        yield Check("unpaired D", compare_auc_unpaired(*groups).z, case["D"])


def proportions(reference) -> Iterator[Check]:
    for case in reference.cases["proportion_ci_95"]:
        x, n = case["x"], case["n"]
        digits = 6e-5 if n > 10 else 1e-6
        yield Check(f"Wilson {x}/{n}", wilson_interval(x, n), case["wilson"], digits)
        corrected = wilson_interval(x, n, continuity=True)
        yield Check(f"corrected Wilson {x}/{n}", corrected, case["wilson_cc"], digits)
        if "clopper_pearson" in case:
            exact = clopper_pearson_interval(x, n)
            yield Check(f"exact {x}/{n}", exact, case["clopper_pearson"], digits)
    for case in reference.cases["proportion_diff_indep_newcombe10"]:
        limits = newcombe_difference(case["x1"], case["n1"], case["x2"], case["n2"])
        yield Check("independent difference", limits, case["ci"], 6e-5)
    for case in reference.cases["proportion_diff_paired"]:
        limits = newcombe_paired_difference(*case["table"])
        yield Check("paired difference", limits, case["newcombe10"], 6e-4)


def discordances(reference) -> Iterator[Check]:
    small, large = reference.cases["mcnemar"]
    _, b, c, _ = small["table"]
    for kind, key in (
        ("exact", "exact_p"),
        ("mid-p", "midp"),
        ("asymptotic", "asymptotic_p"),
        ("corrected", "cc_p"),
    ):
        yield Check(f"McNemar {kind}", mcnemar_test(b, c, kind), small[key])
    _, b, c, _ = large["table"]
    for kind, key, digits in (("asymptotic", "stat", 1e-4), ("corrected", "cc_stat", 1e-3)):
        statistic = float(stats.chi2.isf(mcnemar_test(b, c, kind), 1))
        yield Check(f"McNemar {kind} statistic", statistic, large[key], digits)


def calibrations(reference, val_prob) -> Iterator[Check]:
    prob, label, case = val_prob
    slope, intercept = calibration_line(prob, label)
    error = (slope.high - slope.low) / 2 / normal_quantile(0.95)
    result = delong(prob[None], label)
    yield Check("slope", slope.value, case["slope"], 1e-7)
    yield Check("intercept", intercept.value, case["intercept"], 1e-7)
    # R's glm gives the error one step before convergence, 6e-6 below: see test_reliability.py.
    yield Check("slope error", error, case["slope_se"], 1e-5)
    yield Check("in the large", calibration_in_the_large(prob, label).value, case["citl"], 1e-7)
    yield Check("Brier", brier(prob, label, **DRAWING).value, case["brier"])
    yield Check("auc of 500", float(result.auc[0]), case["auc"])
    yield Check("its variance", float(result.covariance[0, 0]), case["auc_var"], 1e-12)
    yield Check("Spiegelhalter", spiegelhalter_test(prob, label)[0].value, case["spiegelhalter_z"])
    yield Check("binned error", binned_ece(prob, label, 15).value, case["ece15_equal_width"])
    (tiny,) = reference.cases["ece_tiny"]
    for norm in ("l1", "l2", "max"):
        found = binned_ece(np.array(tiny["p"]), np.array(tiny["y"], dtype=float), 2, norm)
        yield Check(f"tiny binned error {norm}", found.value, tiny[norm], 5e-5)
    (tiny,) = reference.cases["brier"]
    found = brier(np.array(tiny["p"]), np.array(tiny["y"], dtype=float), **DRAWING)
    yield Check("tiny Brier", found.value, tiny["brier"], 1e-12)


def net_benefits(reference) -> Iterator[Check]:
    (case,) = reference.cases["net_benefit"]

    def columns(name: str) -> dict[str, list[str]]:
        with (reference.folder / name).open(newline="") as stream:
            rows = list(csv.DictReader(stream))
        return {key: [row[key] for row in rows] for key in rows[0]}

    patients, expected = columns(case["data"]), columns(case["expected"])
    cancer = np.array(patients["cancer"], dtype=float)
    age = sm.add_constant(np.array(patients["age"], dtype=float))
    risks = {
        "all": np.ones(cancer.size),
        "famhistory": np.array(patients["famhistory"], dtype=float),
        "age": np.asarray(sm.Logit(cancer, age).fit(disp=0, tol=1e-12).predict()),
    }
    for name, cut, published in zip(
        expected["variable"], expected["threshold"], expected["net_benefit"], strict=True
    ):
        (ours,) = net_benefit(cancer == 1, risks[name], np.array([float(cut)]))
        yield Check(f"net benefit {name} at {cut}", float(ours), float(published))


def test_all_387_published_comparisons_hold(reference, val_prob):
    checks = [
        *areas(reference),
        *comparisons_of_areas(reference),
        *proportions(reference),
        *discordances(reference),
        *calibrations(reference, val_prob),
        *net_benefits(reference),
    ]
    missed = [
        check
        for check in checks
        if check.ours != pytest.approx(check.published, abs=check.tolerance, rel=0)
    ]
    assert missed == []
    assert len(checks) == 387

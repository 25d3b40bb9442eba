from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression

from pcrnet.evaluation.population.case_mix import BundleIdentity, case_mix, side_by_side
from pcrnet.evaluation.population.patients import NumericCovariate
from pcrnet.evaluation.tables.predictions import Predictions
from pcrnet.evaluation.validation import validate

N = 400


def table(
    threshold: float | None = 0.5, fold: bool = False, one_class: bool = False
) -> Predictions:
    generator = np.random.default_rng(4)
    prob = expit(generator.normal(size=N))
    label = (generator.random(N) < expit(0.7 * logit(prob) - 1)).astype(float)
    unknown = np.full(N, np.nan)
    return Predictions(
        patient_id=tuple(f"P{i}" for i in range(N)),
        prob={"yT0": prob},
        label={"yT0": label * (not one_class), "yN0": unknown, "yT0yN0": unknown},
        fold=np.arange(N) % 5 if fold else None,
        threshold={} if threshold is None else {"yT0": np.full(N, threshold)},
    )


def test_recalibrated_views_are_those_of_logistic_regression_and_score_better():
    predictions = table()
    found = validate(predictions, (), None, ("yT0",))
    assert found is not None
    came, level, line = found.heads[0].recalibrated
    fit = LogisticRegression(C=np.inf, tol=1e-8).fit(
        logit(predictions.prob["yT0"])[:, None], predictions.label["yT0"]
    )
    assert line.slope == pytest.approx(fit.coef_[0, 0], rel=1e-3)
    assert line.intercept == pytest.approx(fit.intercept_[0], rel=1e-3)
    assert came.log_loss > level.log_loss > line.log_loss
    assert (came.intercept, came.slope) == (0.0, 1.0)


def test_the_threshold_chosen_here_is_marked_and_at_least_as_accurate():
    found = validate(table(), (), None, ("yT0",))
    assert found is not None
    locked, chosen = found.heads[0].thresholds
    assert [locked.chosen_here, chosen.chosen_here] == [False, True]
    assert locked.threshold == 0.5
    sums = [row.sensitivity.value + row.specificity.value for row in (locked, chosen)]
    assert sums[1] >= sums[0]


def test_a_cross_validation_is_no_external_validation():
    assert validate(table(fold=True), (), None, ("yT0",)) is None


def test_without_threshold_or_with_one_class_less_is_said():
    found = validate(table(threshold=None), (), None, ("yT0",))
    assert found is not None
    assert [row.chosen_here for row in found.heads[0].thresholds] == [True]
    single = validate(table(one_class=True), (), None, ("yT0",))
    assert single is not None
    assert single.heads[0].recalibrated == ()


def test_case_mix_is_set_beside_that_of_training():
    covariates = (NumericCovariate("age", 30.0 + np.arange(N) % 40),)
    predictions = table()
    labels = {"yT0": predictions.label["yT0"]}
    training = case_mix(labels, covariates)
    bundle = BundleIdentity("model", "0" * 64, "1", "ypT0", "PET", False, training)
    found = validate(predictions, covariates, bundle, ("yT0",))
    assert found is not None
    age = next(row for row in found.mix if "age" in row.label)
    low, middle, high = np.quantile(covariates[0].values, [0.25, 0.5, 0.75])
    assert age.training == age.validation == f"{middle:.4g} ({low:.4g} to {high:.4g})"
    assert found.mix == side_by_side(training, training)

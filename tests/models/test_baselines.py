"""The clinical model is scikit-learn's ridge logistic regression, on training patients alone."""

from __future__ import annotations

import numpy as np
import pytest
from pcrnet.models.baselines import clinical_logits
from sklearn.linear_model import LogisticRegression

from pcrnet.cohort.outcome import Outcome
from pcrnet.cohort.table import Patient


def patient(number: int, age: float | None, yT0: bool | None, yN0: bool | None) -> Patient:
    return Patient(
        patient_id=f"P{number}",
        row=number + 2,
        site=None,
        visits={},
        outcome=Outcome(yT0, yN0),
        covariates={"age": None if age is None else str(age)},
    )


@pytest.fixture
def training() -> list[Patient]:
    rng = np.random.default_rng(5)
    ages = rng.normal(55, 10, 80)
    breast = rng.random(80) < 1 / (1 + np.exp(-(ages - 55) / 10))
    nodes = rng.random(80) < np.where(breast, 0.9, 0.5)
    return [patient(i, float(ages[i]), bool(breast[i]), bool(nodes[i])) for i in range(len(ages))]


def test_the_first_logit_is_logistic_regression_of_yT0(training: list[Patient]) -> None:
    ages = np.array([float(item.covariates["age"] or "nan") for item in training])
    standard = (ages - ages.mean()) / ages.std()
    label = np.array([bool(item.outcome.yT0) for item in training])
    features = np.stack([standard, np.ones_like(standard)], axis=1)
    expected = LogisticRegression(C=0.1).fit(features, label).decision_function(features)
    found = clinical_logits(training, training, ["age"])[:, 0]
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_outcomes_of_the_predicted_patients_play_no_part(training: list[Patient]) -> None:
    known = clinical_logits(training, [patient(99, 60.0, True, True)], ["age"])
    unknown = clinical_logits(training, [patient(99, 60.0, None, None)], ["age"])
    np.testing.assert_array_equal(known, unknown)


def test_one_class_alone_gives_its_smoothed_odds(training: list[Patient]) -> None:
    cured = [patient(i, 50.0 + i, True, i % 2 == 0) for i in range(6)]
    logits = clinical_logits(cured, training[:3], ["age"])
    np.testing.assert_allclose(logits[:, 0], np.log(6.5 / 0.5))
    np.testing.assert_allclose(logits[:, 2], 0.0)  # nobody had residue: nothing is known


def test_an_unknown_covariate_is_predicted_all_the_same(training: list[Patient]) -> None:
    logits = clinical_logits(training, [patient(99, None, None, None)], ["age"])
    assert np.isfinite(logits).all()

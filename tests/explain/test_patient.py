"""One patient explained from files: what it says agrees with what is predicted."""

import math

import numpy as np
import pytest
from scipy.special import expit

from pcrnet.deploy.prediction.predictor import load_predictor
from pcrnet.explain.patient import explain_patient

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def predictor(finished_run):
    return load_predictor(finished_run.bundle)


@pytest.fixture(scope="module")
def patient(predictor, tiny_trial):
    return predictor.read_patients(tiny_trial.cohort)[0]


@pytest.fixture(scope="module")
def found(predictor, patient):
    return explain_patient(predictor.bundle, patient, head="yT0", block_mm=60.0)


def test_the_probability_is_the_predicted_one(found, predictor, tiny_trial, patient):
    table = predictor.predict(tiny_trial.cohort).predictions
    row = table.patient_id.index(patient.patient_id)
    for head, prob in found.prob.items():
        assert prob == pytest.approx(table.prob[head][row], abs=1e-6)


def test_the_breast_is_its_calibrated_sum(found, predictor):
    calibrator = predictor.bundle.calibrator
    breakdown = found.breakdown
    terms = sum(one.breast for one in breakdown.contributions)
    logit = breakdown.base[0] + terms + breakdown.networks[0]
    prob = expit(calibrator.slopes[0] * logit + calibrator.intercepts[0])
    assert prob == pytest.approx(found.prob["yT0"], abs=1e-6)


def test_the_interval_is_around_the_probability(found):
    interval = found.scrutiny.intervals["yT0"]
    assert 0.0 <= interval.low <= found.prob["yT0"] <= interval.high <= 1.0


def test_gradients_are_there_where_networks_are(found, predictor):
    assert (found.gradients is not None) == bool(predictor.bundle.model.networks)
    if found.gradients is not None:
        assert found.gradients.shape[2:] == predictor.bundle.manifest.imaging.size
        assert math.isfinite(float(np.abs(found.gradients).sum()))

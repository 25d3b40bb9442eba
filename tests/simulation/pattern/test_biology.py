from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from pcrnet.simulation.biology import Disease
from pcrnet.simulation.pattern import biology
from pcrnet.simulation.pattern.biology import (
    PatternPatient,
    baseline_probabilities,
    draw_pattern_patient,
    interim_probabilities,
)

VIRTUAL_PATIENTS = 5_000
DISEASE = Disease(
    age=50,
    hr_positive=True,
    grade=3,
    cT=2,
    cN=1,
    diameter_mm=34.0,
    suv=8.0,
    adc_1e3_mm2_s=0.95,
    ktrans_per_min=0.25,
    ve=0.4,
    necrotic=False,
)


@pytest.fixture(scope="module")
def population() -> list[PatternPatient]:
    return [
        draw_pattern_patient(np.random.default_rng((11, index)))
        for index in range(VIRTUAL_PATIENTS)
    ]


def _of(population: list[PatternPatient], name: str) -> np.ndarray:
    return np.array([getattr(patient.regression, name) for patient in population])


def _breast_responds(population: list[PatternPatient]) -> np.ndarray:
    return np.array([patient.ypT == "0" for patient in population])


def _all_respond(population: list[PatternPatient]) -> np.ndarray:
    return np.array([patient.ypT == "0" and patient.ypN == "0" for patient in population])


def test_a_patient_depends_on_the_random_stream_alone():
    first, second, other = (draw_pattern_patient(np.random.default_rng(s)) for s in (5, 5, 6))
    assert first == second
    assert first != other


@pytest.mark.parametrize("hr_positive", [True, False])
@pytest.mark.parametrize("cN", [0, 1, 3])
def test_what_interim_may_show_averages_to_what_baseline_says(cN, hr_positive):
    disease = replace(DISEASE, cN=cN, hr_positive=hr_positive)
    factor = 0.7
    nodes, weights = np.polynomial.hermite_e.hermegauss(12)
    weights = weights / weights.sum()
    foretold, passed_on = biology.PATTERN_FORETOLD, biology.NODE_PATTERN
    average = np.zeros(4)
    for x, weight_x in zip(nodes, weights, strict=True):
        pattern = foretold * factor + np.sqrt(1.0 - foretold**2) * x
        for y, weight_y in zip(nodes, weights, strict=True):
            node = passed_on * pattern + np.sqrt(1.0 - passed_on**2) * y
            for amount, weight in zip(nodes, weights, strict=True):
                prob = interim_probabilities(disease, factor, pattern, amount, node)
                average += weight_x * weight_y * weight * np.array(prob)
    assert average == pytest.approx(baseline_probabilities(disease, factor), abs=1e-5)


def test_cells_are_probabilities_that_sum_to_one(population):
    for visit in ("baseline_prob", "interim_prob"):
        prob = np.array([getattr(patient, visit) for patient in population])
        assert prob.min() >= 0.0
        assert prob.sum(axis=1) == pytest.approx(1.0, abs=1e-9)


@pytest.mark.parametrize(
    ("visit", "low", "high"), [("baseline_prob", 0.64, 0.70), ("interim_prob", 0.81, 0.845)]
)
def test_the_truth_s_discrimination_is_that_of_a_realistic_trial(population, visit, low, high):
    prob = [getattr(patient, visit)[0] for patient in population]
    assert low < roc_auc_score(_all_respond(population), prob) < high


@pytest.mark.parametrize("visit", ["baseline_prob", "interim_prob"])
def test_outcomes_occur_as_often_as_their_probabilities_say(population, visit):
    prob = np.array([getattr(patient, visit)[0] for patient in population])
    happened = _all_respond(population)
    for group in np.array_split(np.argsort(prob), 8):
        standard_error = np.sqrt(np.mean(prob[group] * (1 - prob[group])) / len(group))
        assert abs(happened[group].mean() - prob[group].mean()) < 4.0 * standard_error


def test_nearly_half_of_the_patients_respond(population):
    assert 0.43 < _all_respond(population).mean() < 0.50


def test_the_amount_of_residue_tells_little(population):
    amount = _of(population, "volume") * _of(population, "suv")
    assert 0.55 < roc_auc_score(_breast_responds(population), -amount) < 0.65


def test_the_pattern_of_residue_tells_much(population):
    responds = _breast_responds(population)
    assert 0.75 < roc_auc_score(responds, -_of(population, "scatter")) < 0.82
    assert 0.69 < roc_auc_score(responds, -_of(population, "shallowness")) < 0.78


def test_total_uptake_of_the_bed_tells_next_to_nothing(population):
    """Inflammation of the bed makes up for what the residue has lost."""
    before = np.array([patient.disease.suv for patient in population])
    volume = _of(population, "volume")
    after = before * _of(population, "suv") * volume + (1.0 - volume) * _of(
        population, "inflammation"
    )
    area = roc_auc_score(_breast_responds(population), -after / before)
    assert 0.5 < area < 0.6


def test_some_beds_smoulder_with_hardly_any_residue_left(population):
    smoulders = (_of(population, "volume") < 0.08) & (_of(population, "inflammation") > 1.6)
    assert 0.05 < smoulders.mean() < 0.2
    responds = _breast_responds(population)
    assert responds[smoulders].mean() > responds.mean() + 0.15


def test_nodes_follow_the_breast_and_negative_axillae_are_almost_always_free(population):
    positive = np.array([patient.disease.cN > 0 for patient in population])
    free = np.array([patient.ypN == "0" for patient in population])
    responds = _breast_responds(population)
    assert 0.3 < np.mean(~positive) < 0.5
    assert free[~positive].mean() > 0.95
    assert free[positive & responds].mean() > free[positive & ~responds].mean() + 0.3
    node = np.array([patient.node_regression.suv for patient in population])
    assert roc_auc_score(free[positive], -node[positive]) > 0.7


@pytest.mark.parametrize(
    "favoured",
    [
        lambda each: each.disease.age < 50,
        lambda each: not each.disease.hr_positive,
        lambda each: each.disease.grade == 3,
        lambda each: each.hollowness < 0.5,
    ],
    ids=["young", "receptor-negative", "high grade", "solid"],
)
def test_known_factors_favour_response(population, favoured):
    chosen = np.array([favoured(each) for each in population])
    responds = _breast_responds(population)
    assert responds[chosen].mean() > responds[~chosen].mean() + 0.06


def test_disease_lies_within_plausible_ranges(population):
    diseases = [each.disease for each in population]
    median = {
        name: np.median([getattr(each, name) for each in diseases])
        for name in ("suv", "adc_1e3_mm2_s", "ktrans_per_min", "diameter_mm")
    }
    assert 6.0 < median["suv"] < 11.0
    assert 0.9 < median["adc_1e3_mm2_s"] < 1.1
    assert 0.1 < median["ktrans_per_min"] < 0.4
    assert 25.0 < median["diameter_mm"] < 40.0
    assert {each.cN for each in diseases} == {0, 1, 2, 3}
    assert {each.grade for each in diseases} == {1, 2, 3}

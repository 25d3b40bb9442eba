from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import ndtr
from scipy.stats import multivariate_normal
from sklearn.metrics import roc_auc_score

from pcrnet.cohort.outcome import CELLS, parse_outcome
from pcrnet.simulation import biology
from pcrnet.simulation.biology import SimulatedPatient, bivariate_normal_cdf, cell_probabilities

VIRTUAL_PATIENTS = 20_000


@pytest.mark.parametrize("correlation", [-0.6, 0.0, 0.3, 0.75, 0.9])
def test_bivariate_normal_integral_agrees_with_scipy(correlation):
    law = multivariate_normal([0.0, 0.0], [[1.0, correlation], [correlation, 1.0]])
    for h in (-2.5, -0.4, 0.0, 1.1, 3.0):
        for k in (-1.7, 0.2, 2.3):
            expected = law.cdf(np.array([h, k]))
            assert bivariate_normal_cdf(h, k, correlation) == pytest.approx(expected, abs=1e-7)


def test_bivariate_normal_integral_has_the_closed_form_at_the_origin():
    for correlation in (-0.9, 0.1, 0.8):
        expected = 0.25 + np.arcsin(correlation) / (2.0 * np.pi)
        assert bivariate_normal_cdf(0.0, 0.0, correlation) == pytest.approx(expected, abs=1e-12)


@given(
    cN=st.integers(0, 3),
    tumour=st.floats(-4.0, 4.0),
    node=st.floats(-4.0, 4.0),
    shown=st.booleans(),
)
def test_cells_are_probabilities_that_sum_to_one(cN, tumour, node, shown):
    prob = cell_probabilities(cN, (tumour, node), shown_at_interim=shown)
    assert min(prob) >= 0.0
    assert sum(prob) == pytest.approx(1.0, abs=1e-9)


@given(tumour=st.floats(-3.0, 3.0), node=st.floats(-3.0, 3.0), shown=st.booleans())
def test_the_breast_s_chance_does_not_depend_on_the_axilla(tumour, node, shown):
    negative = cell_probabilities(0, (tumour, node), shown_at_interim=shown)
    positive = cell_probabilities(2, (tumour, node), shown_at_interim=shown)
    assert negative[0] + negative[1] == pytest.approx(positive[0] + positive[1], abs=1e-9)


@pytest.mark.parametrize("cN", [0, 1, 3])
def test_what_interim_may_show_averages_to_what_baseline_says(cN):
    known = 0.3
    nodes, weights = np.polynomial.hermite_e.hermegauss(24)
    weights = weights / weights.sum()
    average = np.zeros(4)
    rho = biology.SHOWN_CORRELATION
    for x, weight_x in zip(nodes, weights, strict=True):
        for z, weight_z in zip(nodes, weights, strict=True):
            shown = np.sqrt(biology.INTERIM_SHARE) * np.array(
                [x, rho * x + (1 - rho**2) ** 0.5 * z]
            )
            knowable = (known + shown[0], known + shown[1])
            prob = cell_probabilities(cN, knowable, shown_at_interim=True)
            average += weight_x * weight_z * np.array(prob)
    expected = cell_probabilities(cN, (known, known), shown_at_interim=False)
    assert average == pytest.approx(expected, abs=1e-6)


def test_a_patient_depends_on_the_random_stream_alone():
    first, second, other = (biology.draw_patient(np.random.default_rng(seed)) for seed in (5, 5, 6))
    assert first == second
    assert first != other


@pytest.fixture(scope="module")
def population() -> list[SimulatedPatient]:
    return [
        biology.draw_patient(np.random.default_rng((2024, index)))
        for index in range(VIRTUAL_PATIENTS)
    ]


def _complete(population: list[SimulatedPatient]) -> np.ndarray:
    return np.array([patient.ypT == "0" and patient.ypN == "0" for patient in population])


@pytest.mark.slow
@pytest.mark.parametrize(("visit", "target"), [("baseline_prob", 0.68), ("interim_prob", 0.82)])
def test_the_truth_s_discrimination_is_that_of_a_realistic_trial(population, visit, target):
    prob = np.array([getattr(patient, visit)[0] for patient in population])
    assert roc_auc_score(_complete(population), prob) == pytest.approx(target, abs=0.01)


@pytest.mark.slow
def test_half_of_the_patients_respond_and_few_in_the_breast_alone(population):
    cells = [(patient.ypT == "0", patient.ypN == "0") for patient in population]
    share = {cell: cells.count(cell) / len(cells) for cell in CELLS}
    assert share[True, True] == pytest.approx(0.5, abs=0.02)
    assert 0.03 <= share[True, False] <= 0.06


@pytest.mark.slow
@pytest.mark.parametrize("visit", ["baseline_prob", "interim_prob"])
def test_outcomes_occur_as_often_as_their_probabilities_say(population, visit):
    prob = np.array([getattr(patient, visit)[0] for patient in population])
    happened = _complete(population)
    for group in np.array_split(np.argsort(prob), 10):
        standard_error = np.sqrt(np.mean(prob[group] * (1 - prob[group])) / len(group))
        assert abs(happened[group].mean() - prob[group].mean()) < 4.0 * standard_error


@pytest.mark.slow
def test_clinically_negative_axillae_are_almost_always_free(population):
    free = [patient.ypN == "0" for patient in population if patient.disease.cN == 0]
    assert 0.98 <= np.mean(free) < 1.0


@pytest.mark.slow
def test_sensitivities_are_standard_and_correlated_but_separate(population):
    tumour = [patient.tumour_sensitivity for patient in population]
    node = [patient.node_sensitivity for patient in population]
    assert np.mean(tumour) == pytest.approx(0.0, abs=0.03)
    assert np.std(tumour) == pytest.approx(1.0, abs=0.03)
    assert 0.7 < np.corrcoef(tumour, node)[0, 1] < 0.9


@pytest.mark.slow
def test_changes_until_interim_resemble_published_ones(population):
    complete = _complete(population)
    suv = np.array([patient.tumour_response.suv for patient in population]) - 1.0
    adc = np.array([patient.tumour_response.adc for patient in population]) - 1.0
    assert np.median(suv[complete]) == pytest.approx(-0.60, abs=0.06)
    assert np.median(suv[~complete]) == pytest.approx(-0.33, abs=0.06)
    assert 0.20 < np.mean(adc[complete]) < 0.40
    assert np.mean(adc[~complete]) < np.mean(adc[complete])


@pytest.mark.slow
def test_disease_lies_within_published_ranges(population):
    diseases = [patient.disease for patient in population]
    quantiles = {
        name: np.quantile([getattr(each, name) for each in diseases], (0.05, 0.95))
        for name in ("suv", "adc_1e3_mm2_s", "ktrans_per_min", "diameter_mm")
    }
    assert quantiles["suv"] == pytest.approx((3.5, 15.0), rel=0.2)
    assert quantiles["adc_1e3_mm2_s"] == pytest.approx((0.8, 1.16), rel=0.05)
    assert quantiles["ktrans_per_min"] == pytest.approx((0.12, 0.47), rel=0.1)
    assert quantiles["diameter_mm"] == pytest.approx((15.0, 52.0), rel=0.1)
    assert {each.cT for each in diseases} == {1, 2, 3, 4}
    assert {each.cN for each in diseases} == {0, 1, 2, 3}
    assert np.mean([each.hr_positive for each in diseases]) == pytest.approx(0.6, abs=0.02)


@pytest.mark.slow
def test_receptor_negative_disease_responds_more_often(population):
    complete = _complete(population)
    positive = np.array([patient.disease.hr_positive for patient in population])
    assert complete[~positive].mean() > complete[positive].mean() + 0.1


@pytest.mark.slow
def test_in_situ_residue_counts_as_residual_disease(population):
    in_situ = [patient for patient in population if patient.ypT == "is"]
    assert 0.03 < len(in_situ) / len(population) < 0.15
    for patient in in_situ[:50]:
        recorded = {"ypT": patient.ypT, "ypN": patient.ypN}
        assert parse_outcome(recorded, definition="ypT0").yT0 is False


def test_probability_of_the_breast_alone_is_the_normal_integral():
    prob = cell_probabilities(1, (0.2, -0.1), shown_at_interim=True)
    hidden = 1.0 - biology.BASELINE_SHARE - biology.INTERIM_SHARE
    expected = ndtr((biology.TUMOUR_MEAN + 0.2) / np.sqrt(hidden))
    assert prob[0] + prob[1] == pytest.approx(expected, abs=1e-12)

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from pcrnet.config.data import SimulationConfig
from pcrnet.simulation.enrolment import enrol
from pcrnet.simulation.truth import Truth, true_biology, truth_of

WORLDS = ("amount", "pattern")


@pytest.fixture(scope="module", params=WORLDS)
def truth(request) -> Truth:
    return truth_of(SimulationConfig(world=request.param, patients=2400, seed=4))


def test_heads_are_coherent(truth):
    for visit in ("baseline", "interim"):
        both = truth.prob("yT0yN0", visit)
        assert (both <= truth.prob("yT0", visit) + 1e-12).all()
        assert (both <= truth.prob("yN0", visit) + 1e-12).all()
    assert (truth.outcome["yT0yN0"] == (truth.outcome["yT0"] & truth.outcome["yN0"])).all()


@pytest.mark.parametrize("head", ["yT0", "yN0", "yT0yN0"])
def test_the_oracle_is_calibrated_and_interim_tells_more(truth, head):
    outcome = truth.outcome[head]
    area = {}
    for visit in ("baseline", "interim"):
        prob = truth.prob(head, visit)
        standard_error = np.sqrt(np.mean(prob * (1.0 - prob)) / len(prob))
        assert outcome.mean() == pytest.approx(prob.mean(), abs=4.0 * standard_error)
        area[visit] = roc_auc_score(outcome, prob)
    assert 0.5 < area["baseline"] < area["interim"] < 0.93


def test_a_ridge_on_the_true_biology_of_240_comes_near_the_oracle(truth):
    outcome, fresh = truth.outcome["yT0yN0"], slice(1200, None)
    areas = []
    for first in range(0, 1200, 240):
        fit = slice(first, first + 240)
        model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1))
        model.fit(truth.biology[fit], outcome[fit])
        areas.append(roc_auc_score(outcome[fresh], model.decision_function(truth.biology[fresh])))
    oracle = roc_auc_score(outcome[fresh], truth.prob("yT0yN0")[fresh])
    assert oracle - 0.07 < np.mean(areas) < oracle


def test_biology_is_finite_and_named_by_visit(truth):
    assert truth.biology.shape == (2400, len(truth.columns))
    assert np.isfinite(truth.biology).all()
    assert len(set(truth.columns)) == len(truth.columns)
    assert set(truth.baseline).isdisjoint(truth.interim)


def test_nodes_leave_no_residue_where_there_were_none(truth):
    columns = truth.columns
    none = truth.biology[:, columns.index("cN")] == 0
    assert none.any()
    assert (truth.biology[none][:, columns.index("node_volume_ratio")] == 0.0).all()
    assert (truth.biology[~none][:, columns.index("node_volume_ratio")] > 0.0).all()


@pytest.mark.parametrize("world", WORLDS)
def test_the_truth_is_that_of_the_same_patients(world):
    config = SimulationConfig(world=world, patients=10, seed=9)
    truth = truth_of(config)
    for index, patient_id in enumerate(truth.patient_ids):
        enrolment = enrol(config, index)
        assert enrolment.patient_id == patient_id
        assert tuple(true_biology(enrolment.patient)) == truth.columns
        assert truth.cells["interim"][index] == pytest.approx(enrolment.patient.interim_prob)
        assert truth.outcome["yT0"][index] == (enrolment.patient.ypT == "0")


def test_the_folder_s_oracle_is_the_truth(pattern_folder: Path, pattern_config: SimulationConfig):
    truth = truth_of(pattern_config)
    with (pattern_folder / "oracle.csv").open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["patient_id"] for row in rows] == list(truth.patient_ids)
    found = [float(row["interim_prob_yT0_yN0"]) for row in rows]
    assert found == pytest.approx(truth.prob("yT0yN0"), abs=1e-12)
    scatter = [float(row["scatter"]) for row in rows]
    assert scatter == pytest.approx(truth.biology[:, truth.columns.index("scatter")])

"""The training cohort as a stream: means, deviations and correlations of its series."""

import json

import numpy as np
import pytest

from pcrnet.applicability.baseline import Baseline, series_of_patient
from pcrnet.applicability.reference import CohortReference

PREVALENCE = {"yT0": 0.5, "yN0": float("nan"), "yT0yN0": 0.25}


def _rows(n=300):
    generator = np.random.default_rng(0)
    values = generator.multivariate_normal([1.0, 5.0], [[1.0, 0.6], [0.6, 4.0]], n)
    rows = [{"x": float(x), "y": float(y), "flat": 1.0} for x, y in values]
    for row in rows[::5]:
        del row["y"]
    return rows


def test_moments_are_those_of_what_is_known():
    found = Baseline.fit(_rows(), PREVALENCE)
    assert found.names == ("x", "y")  # what is the same in everybody cannot shift
    assert found.mean == pytest.approx([1.0, 5.0], abs=0.3)
    assert found.deviation == pytest.approx([1.0, 2.0], rel=0.15)
    assert found.correlation[0, 1] == pytest.approx(0.3, abs=0.12)


def test_it_reads_back_from_json():
    found = Baseline.fit(_rows(), PREVALENCE)
    again = Baseline.from_dict(json.loads(json.dumps(found.to_dict())))
    np.testing.assert_array_equal(again.correlation, found.correlation)
    assert again.names == found.names
    assert np.isnan(again.prevalence["yN0"])


def test_a_deviation_of_nothing_is_refused():
    record = Baseline.fit(_rows(), PREVALENCE).to_dict()
    record["deviation"][0] = 0.0
    with pytest.raises(ValueError, match="baseline"):
        Baseline.from_dict(record)


def test_a_patients_series_are_probabilities_scores_and_numbers(training):
    reference = CohortReference.fit(
        training.patients, training.tensors, ("age", "grade"), training.data, training.imaging
    )
    patient, tensor = training.patients[0], training.tensors[0]
    args = (reference, training.data, training.imaging)
    series = series_of_patient(patient, tensor, {"yT0": 0.3}, *args)
    assert series["prob_yT0"] == 0.3
    assert series["covariate.age"] == 40.0
    assert "covariate.grade" not in series  # words have no mean
    assert {"uptake", "change", "nodes"} <= set(series)


def test_a_subject_of_which_little_was_measured_has_no_score(training):
    reference = CohortReference.fit(
        training.patients, training.tensors, (), training.data, training.imaging
    )
    tensor = training.new_tensor(3)
    gone = [name for name in tensor.quantities.values if "node" in name][1:]
    tensor.quantities.values.update(dict.fromkeys(gone, float("nan")))
    series = series_of_patient(
        training.patients[0], tensor, {}, reference, training.data, training.imaging
    )
    assert "nodes" not in series
    assert "uptake" in series

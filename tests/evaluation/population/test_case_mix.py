from __future__ import annotations

import json

import numpy as np
import pytest

from pcrnet.errors import BundleError
from pcrnet.evaluation.population.case_mix import case_mix, read_case_mix, side_by_side
from pcrnet.evaluation.population.patients import NumericCovariate, categorical

LABELS = {
    "yT0": np.array([1.0, 0.0, np.nan] * 4),
    "yN0": np.ones(12),
    "yT0yN0": np.array([1.0, 0.0, np.nan] * 4),
}


def made_up():
    receptor = categorical("receptor", ["positive"] * 6 + ["negative"] * 5 + [None])
    assert receptor is not None
    few = NumericCovariate("rare", np.array([1.0] * 4 + [np.nan] * 8))
    return case_mix(LABELS, [NumericCovariate("age", np.arange(12.0)), receptor, few])


def test_a_cohort_in_a_few_numbers_survives_its_record():
    mix = made_up()
    assert read_case_mix(json.loads(json.dumps(mix.to_json()))) == mix
    assert mix.responders["yT0"] == (4, 8)
    assert mix.quartiles == {"age": (2.75, 5.5, 8.25)}
    assert mix.levels == {"receptor": {"negative": 5, "positive": 6}}
    assert read_case_mix({}) is None


def test_what_one_side_lacks_is_a_dash():
    rows = {row.label: row for row in side_by_side(made_up(), case_mix(LABELS, []))}
    assert rows["age, median (quartiles)"].validation == "–"
    assert rows["receptor: positive"].training == "6 of 11 (55 %)"
    assert rows["yT0: complete response"].validation == "4 of 8 (50 %)"


@pytest.mark.parametrize("record", [{"patients": 3}, {"patients": "x", "responders": {}}])
def test_a_damaged_record_is_refused(record):
    with pytest.raises(BundleError):
        read_case_mix(record)

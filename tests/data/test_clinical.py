"""Covariates: fitted on the training patients, absent where unknown, nothing imputed."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from pcrnet.cohort.outcome import Outcome
from pcrnet.cohort.table import Patient
from pcrnet.data.clinical import CategoricalEncoding, ClinicalEncoding, NumericEncoding
from pcrnet.errors import CohortError


def _patient(name="P", **covariates):
    return Patient(name, 2, None, {}, Outcome(), covariates)


def _column(values, name="age"):
    return [_patient(f"P{i}", **{name: value}) for i, value in enumerate(values)]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(-1e6, 1e6).map(lambda x: round(x, 3)), min_size=2, max_size=30))
def test_numbers_are_standardised_as_scikit_learn_does(values):
    patients = _column([repr(value) for value in values])
    encoding = ClinicalEncoding.fit(patients, ["age"])
    ours = [encoding.encode(patient)[0][0] for patient in patients]
    theirs = StandardScaler().fit_transform(np.array(values)[:, None])[:, 0]
    np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4)


def test_categories_are_coded_as_scikit_learn_does():
    values = ["luminal", "basal", "HER2", "basal", "luminal"] * 5
    patients = _column(values, "subtype")
    encoding = ClinicalEncoding.fit(patients, ["subtype"])
    ours = np.stack([encoding.encode(patient)[0] for patient in patients])
    theirs = OneHotEncoder(sparse_output=False).fit_transform(np.array(values)[:, None])
    np.testing.assert_array_equal(ours, theirs)


def test_only_the_training_patients_are_looked_at():
    training = _column(["50", "60", "70"])
    encoding = ClinicalEncoding.fit(training, ["age"])
    features, present = encoding.encode(_patient(age="1000"))
    assert encoding.covariates == (NumericEncoding("age", 60.0, np.std([50, 60, 70])),)
    assert present.tolist() == [True]
    assert features[0] == pytest.approx((1000 - 60) / np.std([50, 60, 70]))


def test_unknown_values_enter_neither_mean_nor_features():
    encoding = ClinicalEncoding.fit(_column(["50", None, "70"]), ["age"])
    assert encoding.covariates[0].mean == 60.0
    features, present = encoding.encode(_patient(age=None))
    assert features.tolist() == [0.0]
    assert present.tolist() == [False]


def test_a_column_the_table_lacks_is_unknown():
    encoding = ClinicalEncoding.fit(_column(["50", "70"]), ["age"])
    assert encoding.encode(_patient())[1].tolist() == [False]


def test_a_category_of_few_patients_is_unknown_and_its_text_is_not_kept():
    patients = _column(["often"] * 5 + ["pt of Dr. X"] * 4, "note")
    encoding = ClinicalEncoding.fit(patients, ["note"])
    assert "Dr. X" not in json.dumps(encoding.to_dict())
    assert [encoding.encode(patient)[1].tolist() for patient in (patients[0], patients[-1])] == [
        [True],
        [False],
    ]


@pytest.mark.parametrize(
    "item",
    [
        {"kind": "numeric", "name": "age", "mean": 1.0, "deviation": 0.0},
        {"kind": "numeric", "name": "age", "mean": float("nan"), "deviation": 1.0},
        {"kind": "numeric", "name": 3, "mean": 1.0, "deviation": 1.0},
        {"kind": "categorical", "name": "grade", "categories": "high"},
        {"kind": "categorical", "name": "grade", "categories": [1]},
        {"kind": "other", "name": "grade", "categories": []},
        {"name": "grade"},
    ],
)
def test_an_encoding_of_another_form_is_refused(item):
    with pytest.raises((ValueError, TypeError, KeyError)):
        ClinicalEncoding.from_dict([item])


def test_a_category_never_seen_in_training_is_unknown():
    encoding = ClinicalEncoding.fit(_column(["a", "b", "a"] * 5, "grade"), ["grade"])
    features, present = encoding.encode(_patient(grade="c"))
    assert features.tolist() == [0.0, 0.0]
    assert present.tolist() == [False]


@pytest.mark.parametrize("text", ["high", "nan", "inf", "1,5"])
def test_text_where_training_had_numbers_names_patient_and_column_but_not_the_text(text):
    encoding = ClinicalEncoding.fit(_column(["1", "2"]), ["age"])
    with pytest.raises(CohortError) as caught:
        encoding.encode(_patient("P9", age=text))
    assert (caught.value.patient, caught.value.field) == ("P9", "age")
    assert text not in str(caught.value)


def test_one_text_makes_the_whole_column_categorical():
    encoding = ClinicalEncoding.fit(_column(["1", "2", "3+"] * 5, "her2"), ["her2"])
    assert encoding.covariates == (CategoricalEncoding("her2", ("1", "2", "3+")),)


@pytest.mark.parametrize("count", range(1, 12))
def test_a_constant_column_says_nothing_whatever_rounding_does(count):
    # numpy.std of three times 0.1 is 1.4e-17, not 0.
    encoding = ClinicalEncoding.fit(_column(["0.1"] * count), ["age"])
    assert encoding.encode(_patient(age="0.1"))[0][0] == pytest.approx(0.0, abs=1e-9)
    assert abs(encoding.encode(_patient(age="0.2"))[0][0]) < 1.0


def test_a_column_unknown_of_every_training_patient_stays_unknown():
    encoding = ClinicalEncoding.fit(_column([None, None]), ["age"])
    for text in ("3000", "high", None):
        features, present = encoding.encode(_patient(age=text))
        assert features.shape == (0,)
        assert present.tolist() == [False]


def test_features_know_their_covariate():
    patients = 5 * [
        _patient(age="1", grade="a", her2="x"),
        _patient(age="2", grade="b", her2="y"),
    ]
    encoding = ClinicalEncoding.fit(patients, ["grade", "age", "her2"])
    assert encoding.covariate_of_feature == (0, 0, 1, 2, 2)
    features, present = encoding.encode(_patient(age="2", grade="b"))
    assert features.tolist() == [0.0, 1.0, 1.0, 0.0, 0.0]
    assert present.tolist() == [True, True, False]
    assert features.dtype == np.float32


def test_the_encoding_survives_json_and_encodes_bit_for_bit_alike():
    patients = 5 * [_patient(age="0.1", grade="ä"), _patient(age="0.7", grade="b"), _patient()]
    encoding = ClinicalEncoding.fit(patients, ["age", "grade"])
    again = ClinicalEncoding.from_dict(json.loads(json.dumps(encoding.to_dict())))
    assert again == encoding
    for patient in patients:
        np.testing.assert_array_equal(again.encode(patient)[0], encoding.encode(patient)[0])


def test_without_covariates_everything_is_empty():
    encoding = ClinicalEncoding.fit(_column(["1"]), [])
    features, present = encoding.encode(_patient())
    assert features.shape == (0,)
    assert present.shape == (0,)

"""What a graph is given, taken from a bundle without its weights."""

import dataclasses
import math

import numpy as np
import pytest

from pcrnet.cohort.outcome import Outcome
from pcrnet.cohort.table import Patient
from pcrnet.data.clinical import CategoricalEncoding, ClinicalEncoding, NumericEncoding
from pcrnet.deploy.bundle import Bundle
from pcrnet.deploy.export.inputs import GraphInputs, RawCovariate, _raw_covariates
from pcrnet.deploy.export.spec import GraphSpec
from pcrnet.deploy.manifest import read_manifest
from pcrnet.errors import CohortError, ExportError


def patient(**covariates):
    return Patient("P1", 2, None, {}, Outcome(), covariates)


@pytest.mark.parametrize("kind", ["network", "quantitative", "clinical"])
def test_the_inputs_are_the_same_with_and_without_the_weights(kind, request):
    directory = request.getfixturevalue(f"{kind}_bundle")
    with_weights = GraphSpec.of(Bundle.read(directory)).inputs()
    assert GraphInputs.of_bundle(directory, read_manifest(directory)) == with_weights


def test_a_model_is_given_what_it_looks_at_and_nothing_else(
    network_bundle, quantitative_bundle, clinical_bundle
):
    measured = ("present", "days", "quantities", "quantity_present")
    clinical = ("covariates", "covariate_present")
    for directory, names in (
        (network_bundle, ("image", *measured, *clinical)),
        (quantitative_bundle, (*measured, *clinical)),
        (clinical_bundle, clinical),
    ):
        inputs = GraphInputs.of_bundle(directory, read_manifest(directory))
        assert inputs.names == names
        assert not any(name.endswith(".days") for name in inputs.quantities)


def test_categories_are_those_that_any_part_of_the_model_knows():
    found = _raw_covariates(
        [
            ClinicalEncoding((CategoricalEncoding("grade", ("high", "low")),)),
            ClinicalEncoding((CategoricalEncoding("grade", ("low", "rare")),)),
            ClinicalEncoding((NumericEncoding("age", 50.0, 8.0),)),
        ]
    )
    assert found == (RawCovariate("grade", ("high", "low", "rare")), RawCovariate("age", None))


def test_a_covariate_of_numbers_here_and_text_there_is_refused():
    with pytest.raises(ExportError, match="as numbers, another as text") as caught:
        _raw_covariates(
            [
                ClinicalEncoding((CategoricalEncoding("age", ("old",)),)),
                ClinicalEncoding((NumericEncoding("age", 50.0, 8.0),)),
            ]
        )
    assert caught.value.field == "age"


def test_numbers_and_places_of_categories():
    age, grade = RawCovariate("age", None), RawCovariate("grade", ("high", "low"))
    assert age.number(patient(age="52.5")) == 52.5
    assert grade.number(patient(grade="low")) == 1.0
    assert math.isnan(age.number(patient(age=None)))
    assert math.isnan(grade.number(patient(grade="unheard of")))
    with pytest.raises(CohortError, match="this patient has text"):
        age.number(patient(age="old"))


def test_days_keep_double_precision_and_what_is_unknown_is_flagged(network_bundle):
    from pcrnet.deploy.export.cases import made_up_cases

    bundle = Bundle.read(network_bundle)
    spec = GraphSpec.of(bundle)
    inputs = spec.inputs()
    case = next(iter(made_up_cases(spec, bundle.model.start)))
    tensor = case.tensors[0]
    values = dict(tensor.quantities.values) | {
        "baseline.days": -7.1,
        "interim.days": math.nan,
        inputs.quantities[0]: math.nan,
    }
    tensor = dataclasses.replace(
        tensor,
        days=np.array([-7.1, np.nan], np.float32),
        quantities=dataclasses.replace(tensor.quantities, values=values),
    )
    arrays = inputs.arrays([patient(age=None, grade="low")], [tensor])
    np.testing.assert_array_equal(arrays["days"], [[-7.1, np.nan]])
    assert not arrays["quantity_present"][0, 0]
    np.testing.assert_array_equal(arrays["covariate_present"], [[False, True]])
    for name in inputs.names:
        assert arrays[name].dtype == inputs.dtype(name)
        assert arrays[name].shape == (1, *inputs.shape(name))

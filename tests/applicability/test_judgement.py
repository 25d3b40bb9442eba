"""A patient like the others passes; one who is not is named with scan and reason."""

import numpy as np
import pytest

from pcrnet.applicability.judgement import judge_patient
from pcrnet.applicability.reference import CohortReference


@pytest.fixture
def judge(training):
    reference = CohortReference.fit(
        training.patients, training.tensors, ("age", "grade"), training.data, training.imaging
    )

    def judged(patient, tensor):
        return judge_patient(
            reference, patient, tensor, ("a", "b"), ("pet", "t2"), ("SUVbw", "arbitrary")
        )

    return judged


def test_new_patients_of_the_same_kind_are_alike(judge, training):
    found = [judge(training.new_patient(n), training.new_tensor(n)) for n in range(100, 130)]
    assert np.mean([bool(one.doubts) for one in found]) <= 0.1
    assert all((one.strangeness > 1) == bool(one.doubts) for one in found)


def test_the_scan_and_the_reason_are_named(judge, training):
    tensor = training.new_tensor(100)
    tensor.facts[1, 0, training.names.index("level_ln")] = 5.0
    doubts = judge(training.new_patient(100), tensor).doubts
    assert doubts[0].where == "b.pet"
    assert "SUVbw" in doubts[0].reason
    assert "another unit" in doubts[0].reason


def test_what_is_absent_is_never_strange(judge, training):
    tensor = training.new_tensor(100)
    tensor.facts[1] = 1e6
    present = tensor.present.copy()
    present[1] = False
    hidden = training.replace(tensor, present=present)
    assert not judge(training.new_patient(100), hidden).doubts


def test_covariates_count_and_their_text_is_not_repeated(judge, training):
    patient = training.new_patient(100)
    strange = training.replace(patient, covariates={"age": "977", "grade": "Kanarienvogel"})
    doubts = judge(strange, training.new_tensor(100)).doubts
    assert {doubt.where for doubt in doubts} == {"age", "grade"}
    assert "Kanarienvogel" not in str(doubts)
    assert "977" not in str(doubts)


def test_a_model_that_looked_at_no_scan_judges_none(judge, training):
    blind = training.replace(training.new_tensor(100), facts=np.zeros((0, 0, 0), np.float32))
    assert not judge(training.new_patient(100), blind).doubts


def test_quantities_far_outside_are_named(judge, training):
    tensor = training.new_tensor(100)
    names = [name for name in tensor.quantities.values if name.startswith("a.pet")]
    tensor.quantities.values.update(dict.fromkeys(names, 30.0))
    tensor.quantities.values["a.pet.suvpeak_ln_suv"] = 400.0
    doubts = judge(training.new_patient(100), tensor).doubts
    assert [doubt.where for doubt in doubts] == ["quantities"]
    assert "suvpeak" in doubts[0].reason

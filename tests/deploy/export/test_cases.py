"""Patients are made up of every pattern that the minimum admits."""

import numpy as np

from pcrnet.config.data import DataConfig
from pcrnet.deploy.bundle import Bundle
from pcrnet.deploy.export.cases import made_up_cases, presence_patterns
from pcrnet.deploy.export.spec import GraphSpec


def test_every_scan_is_absent_in_turn_and_every_visit_alone():
    data = DataConfig(branches={"pet": ("pet",), "mri": ("t2", "adc")})
    patterns = presence_patterns(data)
    absent = [there for name, there in patterns.items() if name.startswith("without")]
    assert len(absent) == 6
    np.testing.assert_array_equal(np.sum([~there for there in absent], axis=0), np.ones((2, 3)))
    np.testing.assert_array_equal(patterns["interim alone"], [[0, 0, 0], [1, 1, 1]])


def test_patterns_below_the_minimum_are_left_out():
    data = DataConfig(branches={"pet": ("pet",), "mri": ("t2", "adc")}, minimum_scans=4)
    assert all(there.sum() >= 4 for there in presence_patterns(data).values())
    assert len(presence_patterns(data)) == 7


def test_the_made_up_patients_come_in_batches_of_one_to_five(network_bundle):
    bundle = Bundle.read(network_bundle)
    cases = list(made_up_cases(GraphSpec.of(bundle), bundle.model.start))
    assert {len(case.patients) for case in cases} == {1, 2, 3, 4, 5}
    minimum = bundle.manifest.data.minimum_scans
    assert min(tensor.present.sum() for case in cases for tensor in case.tensors) == minimum
    unknown = [p.covariates["grade"] for case in cases for p in case.patients]
    assert {None, "none of them", "high", "low"} <= set(unknown)

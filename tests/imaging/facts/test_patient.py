"""Facts of all scans in the order of the configuration; what is absent is unknown."""

import numpy as np
import pytest

from pcrnet.imaging.facts.patient import fact_names, facts_of_patient
from pcrnet.imaging.patient_scans import PatientScans

CHANNELS = ("pet", "dce_pre", "dce_early", "t2")
KINDS = {"pet": "suv", "dce_pre": "dce", "dce_early": "dce", "t2": "zscore"}


@pytest.fixture
def facts(make_visit):
    first = {c: v for c, v in make_visit().items() if c in CHANNELS}
    later = {c: v for c, v in make_visit(0.4).items() if c in ("pet", "dce_pre")}
    scans = PatientScans({"a": first, "b": later}, {"a": None, "b": None}, {}, np.zeros(3), "body")
    return facts_of_patient(scans, ("a", "b"), CHANNELS, KINDS)


def test_absent_scans_have_no_facts(facts):
    names = fact_names(CHANNELS)
    assert facts.shape == (2, 4, len(names))
    assert np.isnan(facts[1, 2:]).all()
    assert np.isfinite(facts[0, :, names.index("grain_x_ln")]).all()


def test_a_scan_is_compared_with_those_of_its_visit_and_with_its_own_past(facts):
    names = fact_names(CHANNELS)
    first_visit = names.index("agrees_first_visit_nat")
    assert np.isnan(facts[0, :, first_visit]).all()
    assert (facts[1, :2, first_visit] > 0.5).all()
    assert np.isfinite(facts[0, 1, names.index("level_to_dce_early_ln")])
    assert np.isnan(facts[1, 1, names.index("level_to_dce_early_ln")])  # not acquired then
    assert np.isnan(facts[0, 0, names.index("agrees_pet_nat")])  # itself

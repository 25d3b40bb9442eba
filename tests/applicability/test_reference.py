"""The reference is about the cohort and about nobody in it, and reads back as it was."""

import numpy as np
import pytest

from pcrnet.applicability.reference import ARRAYS_FILE, RECORD_FILE, CohortReference
from pcrnet.errors import IntegrityError


@pytest.fixture
def reference(training):
    return CohortReference.fit(
        training.patients, training.tensors, ("age", "grade"), training.data, training.imaging
    )


def test_every_scan_the_quantities_and_the_covariates_have_their_place(reference):
    assert set(reference.scans) == {"a.pet", "a.t2", "b.pet", "b.t2"}
    assert reference.scans["b.t2"].patients < reference.scans["a.pet"].patients == 45
    assert reference.quantities is not None
    assert {found.name for found in reference.covariates} == {"age", "grade", "a.days", "b.days"}


def test_it_reads_back(reference, tmp_path):
    reference.write(tmp_path)
    again = CohortReference.read(tmp_path)
    assert again.patients == 45
    assert [c.to_dict() for c in again.covariates] == [c.to_dict() for c in reference.covariates]
    for name, usual in reference.scans.items():
        np.testing.assert_array_equal(again.scans[name].limits.limit, usual.limits.limit)
        np.testing.assert_array_equal(again.scans[name].low, usual.low)
        assert again.scans[name].limits.distance_limit == usual.limits.distance_limit
    assert again.quantities.names == reference.quantities.names


def test_no_patients_number_is_in_it(training, reference, tmp_path):
    reference.write(tmp_path)
    stored = (tmp_path / RECORD_FILE).read_text() + repr((tmp_path / ARRAYS_FILE).read_bytes())
    assert "P01" not in stored
    facts = np.concatenate([t.facts.ravel() for t in training.tensors]).astype(np.float64)
    kept = np.concatenate([u.low for u in reference.scans.values()])
    assert not np.isin(kept[np.isfinite(kept)], facts).any()  # quantiles lie between patients


def test_a_cohort_of_a_few_has_no_reference_to_speak_of(training):
    few = CohortReference.fit(
        training.patients[:5], training.tensors[:5], ("age",), training.data, training.imaging
    )
    assert not few.scans
    assert few.quantities is None
    assert not few.covariates


@pytest.mark.parametrize("count", range(6, 13))
def test_whatever_is_said_of_few_is_finite_and_can_be_written(training, tmp_path, count):
    few = CohortReference.fit(
        training.patients[:count], training.tensors[:count], (), training.data, training.imaging
    )
    few.write(tmp_path)
    again = CohortReference.read(tmp_path)
    assert bool(again.scans) is (again.quantities is not None) is (count >= 10)
    for usual in again.scans.values():
        assert np.isfinite(usual.limits.distance_limit)


@pytest.mark.parametrize("name", [RECORD_FILE, ARRAYS_FILE])
def test_a_damaged_file_is_refused(reference, tmp_path, name):
    reference.write(tmp_path)
    path = tmp_path / name
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(IntegrityError):
        CohortReference.read(tmp_path)

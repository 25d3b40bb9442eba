"""Tensors that are held: the source's own, given once, and not sent to other processes."""

import pickle

import numpy as np
import pytest

from pcrnet.data.held import HeldTensors


@pytest.fixture
def counted(source):
    asked = []

    class Counted:
        def get(self, patient):
            asked.append(patient.patient_id)
            return source.get(patient)

    return Counted(), asked


def test_a_tensor_is_the_sources_and_asked_for_once(patients, source, counted):
    held = HeldTensors(counted[0])
    first = held.get(patients[3])
    assert held.get(patients[3]) is first
    assert counted[1] == ["P3"]
    np.testing.assert_array_equal(first.image, source.get(patients[3]).image)
    with pytest.raises(ValueError, match="read-only"):
        first.image[0] = 1


def test_what_goes_beyond_the_limit_is_asked_for_again(patients, counted):
    held = HeldTensors(counted[0], most_bytes=10)
    held.get(patients[0])
    held.get(patients[0])
    assert counted[1] == ["P0", "P0"]


def test_another_process_is_sent_the_source_and_no_tensor(patients, source):
    held = HeldTensors(source, most_bytes=10_000_000)
    empty = len(pickle.dumps(held))
    for patient in patients:
        held.get(patient)
    sent = pickle.dumps(held)
    assert len(sent) == empty
    assert pickle.loads(sent)._most == 10_000_000  # noqa: S301 - its own

"""Tensors that are read once, and what does not fit."""

import pickle
from dataclasses import replace

import numpy as np
import pytest

from pcrnet.data.held import HeldTensors
from tests.data.conftest import CountingSource


def test_a_tensor_is_asked_for_once_and_stays_equal(patients, source):
    counting = CountingSource(source)
    held = HeldTensors(counting)
    first, again = held.get(patients[3]), held.get(patients[3])
    assert again is first
    assert counting.asked == ["P3"]
    np.testing.assert_array_equal(first.image, source.get(patients[3]).image)
    np.testing.assert_array_equal(first.present, source.get(patients[3]).present)


def test_what_is_held_cannot_be_written(patients, source):
    tensor = HeldTensors(source).get(patients[0])
    with pytest.raises(ValueError, match="read-only"):
        tensor.image[0] = 1


def test_what_goes_beyond_the_limit_is_asked_for_every_time(patients, source):
    counting = CountingSource(source)
    bytes_each = source.get(patients[0]).image.nbytes
    held = HeldTensors(counting, most_bytes=2 * bytes_each)
    for _ in range(2):
        for patient in patients[:3]:
            held.get(patient)
    assert counting.asked == ["P0", "P1", "P2", "P2"]


def test_another_row_of_the_same_name_is_another_patient(patients, source):
    counting = CountingSource(source)
    held = HeldTensors(counting)
    held.get(patients[0])
    held.get(replace(patients[0], row=99))
    assert counting.asked == ["P0", "P0"]


def test_another_process_is_sent_the_source_and_no_tensor(patients, source):
    held = HeldTensors(source, most_bytes=10_000_000)
    empty = len(pickle.dumps(held))
    for patient in patients:
        held.get(patient)
    sent = pickle.dumps(held)
    assert len(sent) == empty
    assert pickle.loads(sent)._most == 10_000_000  # noqa: S301 - its own

"""Images that lie together: the same as asked one by one, sent once, and shared by fits."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from pcrnet.data import resident
from pcrnet.data.clinical import ClinicalEncoding
from pcrnet.data.dataset import PatientDataset
from pcrnet.data.resident import ResidentTensors, Shelf, on_gpu
from tests.data.conftest import CountingSource


class _Cache:
    @staticmethod
    def key(patient):
        return f"key of {patient.patient_id}"


def _resident(source, patients):
    keys = {patient.patient_id: _Cache.key(patient) for patient in patients}
    shape = source.get(patients[0]).image.shape
    images = torch.full((len(patients), *shape), float("nan"), dtype=torch.float16)
    shelf = Shelf(images, {key: row for row, key in enumerate(sorted(keys.values()))})
    return ResidentTensors(source, keys, shelf), shelf


def test_a_batch_is_the_one_that_the_host_would_collect(patients, source):
    own, _ = _resident(source, patients)
    encoding = ClinicalEncoding(())
    for order in ([0, 1, 2], [2, 0], [-2, 3]):
        expected = PatientDataset(patients, source, encoding).__getitems__(order)
        found = PatientDataset(patients, own, encoding).__getitems__(order)
        for one, other in zip(found, expected, strict=True):
            assert torch.equal(one.nan_to_num(), other.nan_to_num())


def test_each_image_is_sent_once_for_all_fits(patients, source):
    counting = CountingSource(source)
    own, shelf = _resident(counting, patients)
    counting.asked.clear()
    for _ in range(3):
        own.images(patients[:3])
    assert counting.asked == [patient.patient_id for patient in patients[:3]]
    again = CountingSource(source)
    later = ResidentTensors(again, {one.patient_id: _Cache.key(one) for one in patients}, shelf)
    later.images(patients[:3])
    assert again.asked == []
    assert len(shelf.filled) == 3


def test_what_another_process_was_quicker_to_take_is_no_end_of_a_fit(patients, source, monkeypatch):
    def refuse(*_, **__):
        raise torch.OutOfMemoryError("CUDA out of memory")

    resident._shelves.clear()
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (10**12, 10**12))
    monkeypatch.setattr(resident.torch, "empty", refuse)
    assert on_gpu(_Cache, source, patients, torch.device("cpu")) is source
    assert not resident._shelves


def test_what_has_no_room_is_left_where_it_is(patients, source, monkeypatch):
    need = 2 * len(patients) * source.get(patients[0]).image.size
    for free, there in ((2 * need, True), (2 * need - 2, False)):
        resident._shelves.clear()
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device, free=free: (free, free))
        found = on_gpu(_Cache, source, patients, torch.device("cpu"))
        assert isinstance(found, ResidentTensors) is there
        assert there or found is source
    resident._shelves.clear()


def test_the_next_fit_finds_what_the_last_has_sent(patients, source, monkeypatch):
    resident._shelves.clear()
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (1 << 40, 1 << 40))
    device = torch.device("cpu")
    first = on_gpu(_Cache, source, patients, device).images(patients[:1])
    np.testing.assert_array_equal(first[0].numpy(), source.get(patients[0]).image)
    counting = CountingSource(source)
    on_gpu(_Cache, counting, patients, device).images(patients[:1])
    assert counting.asked == [patients[0].patient_id]  # for its shape; the image was there
    resident._shelves.clear()


def test_the_tensors_of_another_run_make_room_first(patients, source, monkeypatch):
    """Two cohorts of tensors, each of which fits, but not beside the other."""
    resident._shelves.clear()
    need = 2 * len(patients) * source.get(patients[0]).image.size
    free = 2 * need

    def left(device):
        return free - sum(shelf.images.nbytes for shelf in resident._shelves.values()), free

    monkeypatch.setattr(torch.cuda, "mem_get_info", left)
    for run in ("first", "second", "first"):
        keyed = SimpleNamespace(key=lambda patient, run=run: f"{run} {patient.patient_id}")
        found = on_gpu(keyed, source, patients, torch.device("cpu"))
        assert isinstance(found, ResidentTensors), run
    resident._shelves.clear()


def test_a_patient_without_room_is_an_error(patients, source):
    own, _ = _resident(source, patients[:2])
    with pytest.raises(KeyError):
        own.images(patients[2:3])

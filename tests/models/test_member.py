"""A member is read back bit for bit, or refused."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from pcrnet.models.member import ENCODING_FILE, WEIGHTS_FILE, Member
from safetensors.torch import load_file, save_file

from pcrnet.cohort.outcome import Outcome
from pcrnet.cohort.table import Patient
from pcrnet.config.data import DataConfig
from pcrnet.config.imaging import ImagingConfig
from pcrnet.config.model import ModelConfig, ResNetConfig
from pcrnet.data.clinical import ClinicalEncoding
from pcrnet.errors import IntegrityError

_PARTS = (
    DataConfig(branches={"pet": ("pet",), "mri": ("t2", "adc")}),
    ImagingConfig(size=(16, 16, 16)),
    ModelConfig(width=16, encoder=ResNetConfig(stem_width=4, widths=(8, 8))),
)


class _Source:
    """Scans that follow from the patient's number."""

    def get(self, patient):
        number = int(patient.patient_id[1:])
        generator = np.random.default_rng(number)
        present = generator.uniform(size=(2, 3)) < 0.8
        present[0, 0] = True
        return SimpleNamespace(
            image=generator.uniform(0, 5, (2, 3, 16, 16, 16)).astype(np.float16),
            present=present,
            days=np.array([0.0, 40.0 if number % 2 else np.nan], np.float32),
        )


@pytest.fixture(scope="module")
def patients():
    return [
        Patient(f"P{i}", i, None, {}, Outcome(), {"age": str(40 + i), "grade": "ab"[i % 2]})
        for i in range(5)
    ]


@pytest.fixture(scope="module")
def member(patients):
    torch.manual_seed(4)
    return Member.build(*_PARTS, ClinicalEncoding.fit(patients, ["age", "grade"]))


@pytest.fixture
def written(member, tmp_path):
    member.write(tmp_path / "member")
    return tmp_path / "member"


def test_weights_and_encoding_are_read_back_bit_for_bit(member, written, patients):
    again = Member.read(written, *_PARTS)
    assert again.encoding == member.encoding
    before, after = member.network.state_dict(), again.network.state_dict()
    assert list(before) == list(after)
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert not again.network.training
    np.testing.assert_array_equal(
        again.logits(patients, _Source()), member.logits(patients, _Source())
    )


def test_written_twice_the_bytes_are_the_same(member, written, tmp_path):
    Member.read(written, *_PARTS).write(tmp_path / "again")
    for name in (WEIGHTS_FILE, ENCODING_FILE):
        assert (written / name).read_bytes() == (tmp_path / "again" / name).read_bytes()


def test_the_files_are_plain_tensors_and_json(member, written):
    assert sorted(path.name for path in written.iterdir()) == [ENCODING_FILE, WEIGHTS_FILE]
    assert set(load_file(written / WEIGHTS_FILE)) == set(member.network.state_dict())
    assert isinstance(json.loads((written / ENCODING_FILE).read_text()), list)


@pytest.mark.parametrize("size", [0, 7, 100, 5000])
def test_a_truncated_file_is_refused_by_name(written, size):
    path = written / WEIGHTS_FILE
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(IntegrityError) as caught:
        Member.read(written, *_PARTS)
    assert caught.value.file == str(path)


def test_missing_weights_are_refused(written):
    (written / WEIGHTS_FILE).unlink()
    with pytest.raises(IntegrityError):
        Member.read(written, *_PARTS)


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_weights_that_are_not_finite_are_refused_by_name(written, value):
    state = load_file(written / WEIGHTS_FILE)
    state["head.linear.bias"][1] = value
    save_file(state, written / WEIGHTS_FILE)
    with pytest.raises(IntegrityError, match=r"head\.linear\.bias"):
        Member.read(written, *_PARTS)


def test_weights_of_another_architecture_are_refused(written):
    data, imaging, model = _PARTS
    with pytest.raises(IntegrityError):
        Member.read(written, data, imaging, model.model_copy(update={"width": 32}))


def test_a_missing_tensor_is_refused(written):
    state = load_file(written / WEIGHTS_FILE)
    del state["head.linear.bias"]
    save_file(state, written / WEIGHTS_FILE)
    with pytest.raises(IntegrityError):
        Member.read(written, *_PARTS)


@pytest.mark.parametrize("text", ["", "[{", "{}", "[{}]", '[{"kind": "numeric", "name": "age"}]'])
def test_a_damaged_encoding_is_refused_by_name(written, text):
    (written / ENCODING_FILE).write_text(text)
    with pytest.raises(IntegrityError) as caught:
        Member.read(written, *_PARTS)
    assert str(written) in caught.value.file


@pytest.mark.parametrize("batch_size", [1, 2, 5, 50])
def test_the_batch_size_does_not_change_the_logits(member, patients, batch_size):
    expected = member.logits(patients, _Source(), batch_size=8)
    found = member.logits(patients, _Source(), batch_size=batch_size)
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, expected, atol=1e-5, rtol=0)


def test_logits_are_those_of_evaluation_mode_without_dropout(member, patients):
    member.network.train()
    first = member.logits(patients, _Source())
    np.testing.assert_array_equal(first, member.logits(patients, _Source()))


def test_logits_follow_the_patients(member, patients):
    expected = member.logits(patients, _Source())
    np.testing.assert_allclose(
        member.logits(patients[::-1], _Source()), expected[::-1], atol=1e-5, rtol=0
    )


def test_nobody_has_no_logits(member):
    assert member.logits([], _Source()).shape == (0, 3)


def test_what_is_not_shown_is_not_seen(member, patients):
    first_visit = torch.tensor([[True] * 3, [False] * 3])

    class Spoiled(_Source):
        def get(self, patient):
            scans = super().get(patient)
            scans.image[1] = np.nan
            return scans

    shown = member.logits(patients, _Source(), shown=first_visit)
    np.testing.assert_array_equal(member.logits(patients, Spoiled(), shown=first_visit), shown)
    assert np.abs(shown - member.logits(patients, _Source())).max() > 1e-6

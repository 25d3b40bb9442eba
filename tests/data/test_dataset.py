"""Batches hold each patient's own tensors, covariates and outcome."""

import pickle

import numpy as np
import pytest
import torch

from pcrnet.cohort.outcome import CELLS, Outcome
from pcrnet.cohort.table import Patient
from pcrnet.data.clinical import ClinicalEncoding
from pcrnet.data.dataset import EpochSampler, OwnShare, PatientDataset, SharedBatches


@pytest.fixture
def dataset(patients, source):
    return PatientDataset(patients, source, ClinicalEncoding.fit(patients, ["age"]))


def test_a_batch_holds_the_patients_in_the_order_asked_for(dataset, patients, source):
    batch = dataset.__getitems__([4, 0, 4])
    assert batch.patient.tolist() == [4, 0, 4]
    assert batch.image[:, 0, 0, 0, 0, 0].tolist() == [4.0, 0.0, 4.0]
    for row, index in enumerate([4, 0, 4]):
        tensor = source.get(patients[index])
        np.testing.assert_array_equal(batch.present[row].numpy(), tensor.present)
        np.testing.assert_array_equal(batch.days[row].numpy(), tensor.days)
    ages = np.arange(40.0, 47.0)
    expected = ((ages - ages.mean()) / ages.std())[[4, 0, 4]]
    np.testing.assert_allclose(batch.covariates[:, 0].numpy(), expected, rtol=1e-6)


def test_shapes_and_types_are_those_of_the_contract(dataset):
    batch = dataset.__getitems__([0, 1, 2])
    expected = {
        "image": ((3, 2, 6, 4, 4, 4), torch.float16),
        "present": ((3, 2, 6), torch.bool),
        "days": ((3, 2), torch.float32),
        "covariates": ((3, 1), torch.float32),
        "covariate_present": ((3, 1), torch.bool),
        "allowed": ((3, 4), torch.bool),
        "offset": ((3, 3), torch.float32),
        "patient": ((3,), torch.int64),
    }
    found = {name: (tuple(value.shape), value.dtype) for name, value in batch._asdict().items()}
    assert found == expected


def test_a_known_outcome_allows_its_own_cell_alone(dataset):
    allowed = dataset.__getitems__([0, 1, 2, 3]).allowed
    assert torch.equal(allowed, torch.eye(4, dtype=torch.bool))


def test_a_partly_known_outcome_allows_what_agrees_with_it(source):
    patient = Patient("P1", 2, None, {}, Outcome(yN0=True), {})
    batch = PatientDataset([patient], source, ClinicalEncoding(()))[0]
    assert batch.allowed[0].tolist() == [nodes for _, nodes in CELLS]


def test_one_patient_is_a_batch_of_one(dataset):
    for one, other in zip(dataset[2], dataset.__getitems__([2]), strict=True):
        assert torch.equal(one.nan_to_num(-1.0), other.nan_to_num(-1.0))


def test_patients_whose_covariate_is_unknown_keep_their_place(patients, source):
    unknown = Patient("P9", 9, None, {}, Outcome(), {"age": None})
    dataset = PatientDataset(
        [patients[0], unknown], source, ClinicalEncoding.fit(patients, ["age"])
    )
    assert dataset.__getitems__([0, 1]).covariate_present.tolist() == [[True], [False]]


def test_loader_processes_can_be_sent_the_dataset(dataset):
    copy = pickle.loads(pickle.dumps(dataset))  # noqa: S301 - made in this line
    assert torch.equal(copy[3].image, dataset[3].image)


def test_an_epoch_visits_everybody_once():
    sampler = EpochSampler(50, 1, "fit")
    assert len(sampler) == 50
    assert sorted(sampler) == list(range(50))


def test_the_order_follows_from_seed_fit_and_epoch_alone():
    sampler = EpochSampler(50, 1, "fit")
    first = list(sampler)
    assert list(sampler) == first
    sampler.set_epoch(3)
    third = list(sampler)
    assert third != first
    resumed = EpochSampler(50, 1, "fit")
    resumed.set_epoch(3)
    assert list(resumed) == third
    assert list(EpochSampler(50, 2, "fit")) != first
    assert list(EpochSampler(50, 1, "other")) != first


def test_the_order_does_not_touch_the_global_generator():
    state = torch.get_rng_state()
    list(EpochSampler(5, 1))
    assert torch.equal(torch.get_rng_state(), state)


def test_offsets_are_those_of_the_patients_asked_for(patients, source):
    encoding = ClinicalEncoding.fit(patients, ["age"])
    offset = np.arange(21.0).reshape(7, 3)
    batch = PatientDataset(patients, source, encoding, offset).__getitems__([5, 1])
    np.testing.assert_array_equal(batch.offset.numpy(), offset[[5, 1]])
    assert not PatientDataset(patients, source, encoding).__getitems__([5, 1]).offset.any()


@pytest.mark.parametrize("ranks", [2, 3, 5])
@pytest.mark.parametrize(("length", "batch_size"), [(13, 6), (12, 6), (7, 7), (1, 5)])
def test_processes_share_the_batches_that_one_would_have(ranks, length, batch_size):
    def order():
        sampler = EpochSampler(length, 1, "fit")
        sampler.set_epoch(3)
        return sampler

    whole = list(order())
    alone = [whole[first : first + batch_size] for first in range(0, length, batch_size)]
    shares = [list(SharedBatches(order(), batch_size, rank, ranks)) for rank in range(ranks)]
    assert {len(share) for share in shares} == {len(alone)}
    assert all(
        len(SharedBatches(order(), batch_size, rank, ranks)) == len(alone) for rank in (0, 1)
    )
    for position, batch in enumerate(alone):
        together = [index for share in shares for index in share[position]]
        assert sorted(index for index in together if index >= 0) == sorted(batch)
        assert all(share[position] for share in shares)  # nobody stands idle


@pytest.mark.parametrize("ranks", [1, 2, 3, 8])
def test_evaluation_shows_every_patient_once_and_nobody_twice(ranks):
    for length in (1, 7, 8, 24):
        shares = [list(OwnShare(length, rank, ranks)) for rank in range(ranks)]
        assert sorted(index for share in shares for index in share) == list(range(length))
        assert [len(OwnShare(length, rank, ranks)) for rank in range(ranks)] == [*map(len, shares)]


def test_a_patient_for_company_is_the_patient_without_an_outcome(dataset):
    own, company = dataset.__getitems__([3, 0]), dataset.__getitems__([-4, 0])
    assert torch.equal(own.image, company.image)
    assert company.allowed.tolist()[0] == [True] * 4
    assert torch.equal(company.allowed[1], own.allowed[1])
    assert company.patient.tolist() == [-4, 0]

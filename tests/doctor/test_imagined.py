"""A network and patients from settings alone; test_needs.py holds them beside the real ones."""

import pytest
import torch

from pcrnet.config.layers import load_experiment
from pcrnet.doctor.imagined import imagine

SMALL = [
    "imaging.size=[8,8,8]", "model.width=16", "model.encoder.widths=[8]",
    "model.encoder.blocks=[0]", "model.fusion.heads=2",
]  # fmt: skip


def test_the_network_takes_the_patients_and_says_something_finite_of_each():
    network, batch = imagine(load_experiment(SMALL), covariates=3, patients=5)
    said = network(*batch.inputs)
    assert said.shape == (5, 3)
    assert torch.isfinite(said).all()
    assert batch.covariates.shape == (5, 3)
    assert (batch.allowed.sum(dim=1) == 1).all()


def test_every_outcome_occurs_so_that_a_loss_has_all_its_terms():
    _, batch = imagine(load_experiment(SMALL), covariates=0, patients=8)
    assert batch.allowed.sum(dim=0).tolist() == [2, 2, 2, 2]


def test_it_is_the_same_each_time_and_leaves_the_random_numbers_alone():
    torch.manual_seed(11)
    expected = torch.rand(3)
    torch.manual_seed(11)
    (one, first), (other, second) = (imagine(load_experiment(SMALL), 1, 2) for _ in range(2))
    assert torch.equal(torch.rand(3), expected)
    assert torch.equal(first.image, second.image)
    for mine, theirs in zip(one.parameters(), other.parameters(), strict=True):
        assert torch.equal(mine, theirs)


def test_a_model_without_a_network_has_none_to_imagine():
    with pytest.raises(ValueError, match="a clinical model trains no network"):
        imagine(load_experiment(["model.kind=clinical"]), 1, 2)

"""A model that remembers says what it says without, does less for it, and forgets in the end."""

import numpy as np
import pytest
import torch
from torch import nn

from pcrnet.applicability.scrutiny import OneTensor
from pcrnet.deploy.bundle import Bundle
from pcrnet.explain.remembered import _KEPT, remembered_encodings


@pytest.fixture
def network_bundle(small_bundle):
    return Bundle.read(small_bundle)


@pytest.fixture
def patient_and_tensor(network_bundle, small_bundle):
    from pcrnet.deploy.prediction.predictor import load_predictor
    from pcrnet.imaging.tensors.preprocess import preprocess_patient

    patient = load_predictor(small_bundle).read_patients(small_bundle / "golden" / "cohort.csv")[0]
    manifest = network_bundle.manifest
    return patient, preprocess_patient(patient, manifest.data, manifest.imaging)


class Counted(nn.Module):
    """Counts the visits that an encoder is asked for."""

    def __init__(self, encoder):
        super().__init__()
        self.encoder = encoder
        self.visits = 0

    def forward(self, image, present):
        self.visits += len(image)
        return self.encoder(image, present)


def _disturbed(model):
    """The network of this bundle was never trained: its head says nothing unless disturbed."""
    generator = torch.Generator().manual_seed(0)
    for network in model.networks:
        for parameter in network.parameters():
            parameter.data += 0.05 * torch.randn(parameter.shape, generator=generator)


def test_only_what_has_changed_is_encoded_and_the_answers_are_those_of_the_model(
    network_bundle, patient_and_tensor
):
    import dataclasses

    model = network_bundle.model
    _disturbed(model)
    patient, tensor = patient_and_tensor
    (network, *_), channels = model.networks, network_bundle.manifest.data.channels
    network.encoders = nn.ModuleList(Counted(each) for each in network.encoders)
    visits, branches = len(tensor.present), len(network.encoders)
    images = [np.array(tensor.image) for _ in range(3)]
    images[1][0, channels.index("pet")] += 1.0
    shown = [dataclasses.replace(tensor, image=image) for image in images]
    plain = [model.logits([patient], OneTensor(each)) for each in shown]
    assert not np.array_equal(plain[0], plain[1])
    for counted in network.encoders:
        counted.visits = 0
    with remembered_encodings(model):
        found = [model.logits([patient], OneTensor(each)) for each in shown]
        asked = sum(each.encoder.visits for each in network.encoders)
    np.testing.assert_allclose(found, plain, atol=1e-5)
    np.testing.assert_array_equal(found[0], found[2])
    assert asked == visits * branches + 1


def test_memory_is_bounded_and_the_encoders_come_back(network_bundle):
    (network, *_) = network_bundle.model.networks
    before = network.encoders
    with remembered_encodings(network_bundle.model):
        first = network.encoders[0]
        channels = first.encoder.stem.absent.in_features
        for number in range(_KEPT + 5):
            image = torch.full((1, channels, 8, 8, 8), float(number))
            first(image, torch.ones(1, channels, dtype=torch.bool))
        assert len(first._answers) == _KEPT
    assert network.encoders is before


def _fail_within(model):
    with remembered_encodings(model):
        raise KeyError


def test_the_encoders_come_back_after_an_error_too(network_bundle):
    before = network_bundle.model.networks[0].encoders
    with pytest.raises(KeyError):
        _fail_within(network_bundle.model)
    assert network_bundle.model.networks[0].encoders is before


def test_a_model_without_networks_is_left_alone(case):
    with remembered_encodings(case.model({"age": 1.0})):
        pass

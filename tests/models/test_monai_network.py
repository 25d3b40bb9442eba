"""MONAI's backbones on crops of any size, on whatever scans there are."""

import pytest
import torch

from pcrnet.config.imaging import ImagingConfig
from pcrnet.models.monai_network import MonaiNetwork, _padded
from pcrnet.models.monai_rival import MonaiConfig


@pytest.fixture(params=["densenet121", "resnet10"])
def network(request, trial_data):
    torch.manual_seed(1)
    network = MonaiNetwork(MonaiConfig(backbone=request.param, features=4), trial_data)
    torch.nn.init.normal_(network.linear.weight)
    return network


def _batch(n, size=(8, 8, 8)):
    present = torch.ones(n, 2, 3, dtype=torch.bool)
    return [torch.rand(n, 2, 3, *size), present, *[torch.empty(n, 0)] * 3]


@pytest.mark.parametrize("size", [(8, 8, 8), ImagingConfig().size, (40, 33, 32)])
@pytest.mark.parametrize("patients", [1, 3])
def test_it_trains_on_small_crops_and_on_a_lone_last_patient(network, size, patients):
    logits = network.train()(*_batch(patients, size))
    assert logits.shape == (patients, 3)
    logits.sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in network.parameters() if p.grad is not None)


def test_company_normalises_in_training_and_never_in_evaluation(network):
    image, *others = _batch(3)
    for _ in range(3):
        network.train()(image, *others)
    assert network.backbone.training
    with torch.no_grad():
        together = network.eval()(image, *others)
        alone = network(image[:1], *(other[:1] for other in others))
    torch.testing.assert_close(alone, together[:1], rtol=1e-4, atol=1e-5)


def test_a_small_crop_lies_in_the_middle_of_zeros():
    image = torch.ones(1, 2, 4, 5, 32)
    found = _padded(image, 32)
    assert found.shape == (1, 2, 32, 32, 32)
    assert torch.equal(found[:, :, 14:18, 13:18], image)
    assert found.sum() == image.sum()
    assert torch.equal(_padded(found, 8), found)

"""Rates that fall towards the first layer of an encoder."""

import pytest
import torch
from torch import nn

from pcrnet.config.data import DataConfig
from pcrnet.config.imaging import ImagingConfig
from pcrnet.config.model import GatedFusionConfig, NetworkConfig
from pcrnet.models.dual_branch.network import PcrNet
from pcrnet.models.encoders.resnet import ResNetConfig
from pcrnet.training.lightning.layer_rates import layer_rates
from pcrnet.training.lightning.module import parameter_groups


@pytest.fixture
def network():
    encoder = ResNetConfig(stem_width=4, widths=(8, 8), blocks=(1, 0))
    model = NetworkConfig(width=16, encoder=encoder, fusion=GatedFusionConfig(hidden=8))
    return PcrNet(
        DataConfig(branches={"pet": ("pet",), "mri": ("t2",)}),
        ImagingConfig(size=(16, 16, 16)),
        model,
    )


def test_blocks_fall_one_by_one_from_the_last_to_the_stem(network):
    rates = layer_rates(network, 0.5)
    for encoder in ("encoders.0", "encoders.1"):
        assert rates[f"{encoder}.body.project.weight"] == 0.5
        assert rates[f"{encoder}.body.stages.2.convolution.weight"] == 0.25
        assert rates[f"{encoder}.body.stages.1.first.gain"] == 0.125
        assert rates[f"{encoder}.body.stages.0.convolution.bias"] == 0.0625
        assert rates[f"{encoder}.stem.convolution.weight"] == 0.03125
        assert rates[f"{encoder}.stem.absent.weight"] == 0.03125
    assert all(name.startswith("encoders.") for name in rates)


def test_no_decay_names_nothing(network):
    assert layer_rates(network, 1.0) == {}


def test_layers_of_monais_networks_are_blocks():
    stack = nn.Module()
    stack.layer1 = nn.Sequential(nn.Conv3d(1, 1, 1), nn.Conv3d(1, 1, 1))
    inner = nn.Module()
    inner.conv1, inner.layer1 = nn.Conv3d(1, 1, 1), stack.layer1
    encoder = nn.Module()
    encoder.network, encoder.project = inner, nn.Conv3d(1, 1, 1)
    whole = nn.Module()
    whole.encoders = nn.ModuleList([encoder])
    rates = layer_rates(whole, 0.5)
    assert rates["encoders.0.network.conv1.weight"] == 0.0625
    assert rates["encoders.0.network.layer1.0.weight"] == 0.125
    assert rates["encoders.0.network.layer1.1.bias"] == 0.25
    assert rates["encoders.0.project.weight"] == 0.5


def test_groups_hold_every_parameter_once_at_its_rate(network):
    rates = layer_rates(network, 0.5)
    groups = parameter_groups(network, 0.02, 0.1, rates)
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    seen = [names[id(parameter)] for group in groups for parameter in group["params"]]
    assert sorted(seen) == sorted(names.values())
    for group in groups:
        for parameter in group["params"]:
            assert group["lr"] == pytest.approx(0.1 * rates.get(names[id(parameter)], 1.0))
    torch.optim.AdamW(groups, lr=0.1)  # is as torch expects it

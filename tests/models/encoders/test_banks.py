"""Filters made ready together against each convolution's own, and how many operations they take."""

import copy
from contextlib import contextmanager

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from pcrnet.config.data import DataConfig
from pcrnet.config.imaging import ImagingConfig
from pcrnet.config.model import NetworkConfig
from pcrnet.models.dual_branch import network as module
from pcrnet.models.encoders import banks
from pcrnet.models.encoders.layers import ScaledConv3d
from pcrnet.models.encoders.resnet import ResNetConfig
from pcrnet.training.lightning.captured import CapturedNetwork
from tests.models.gpu_kernels import on_gpu

_ENCODER = ResNetConfig(stem_width=6, widths=(8, 12), blocks=(1, 2))


def _network(device="cpu"):
    torch.manual_seed(0)
    imaging = ImagingConfig(size=(16, 16, 16))
    built = module.PcrNet(DataConfig(), imaging, NetworkConfig(encoder=_ENCODER)).train()
    for parameter in built.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return built.to(device)


def _inputs(device="cpu"):
    torch.manual_seed(1)
    image, days = torch.rand(3, 2, 6, 16, 16, 16), torch.tensor([[0.0, 40.0]]).repeat(3, 1)
    there, none = torch.ones(3, 2, 6, dtype=torch.bool), torch.zeros(3, 0)
    return [field.to(device) for field in (image, there, days, none, none.bool())]


@contextmanager
def _counted():
    class Count(TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            names.append(func.overloadpacket.__name__)
            return func(*args, **(kwargs or {}))

    names = []
    with Count():
        yield names


def _step(network, inputs, reduced):
    torch.manual_seed(2)  # of dropout
    network.zero_grad()
    with torch.autocast("cpu", torch.bfloat16, enabled=reduced, cache_enabled=False):
        logits = network(*inputs)
    logits.float().square().sum().backward()
    return [logits.detach(), *(one.grad.clone() for one in network.parameters() if one.numel())]


def test_on_a_cpu_filters_are_made_ready_one_by_one():
    assert not module._in_banks(torch.device("cpu"))
    assert module._in_banks(torch.device("cuda"))


@on_gpu
def test_a_gpu_replays_the_step_that_a_cpu_takes():
    network, inputs = _network(), _inputs()
    for part in network.modules():
        if isinstance(part, torch.nn.Dropout):
            part.p = 0.0  # that of the two devices would differ
    expected = _step(network, inputs, False)
    network, inputs = network.cuda(), _inputs("cuda")
    replay = CapturedNetwork(network, 3)
    for _ in range(2):
        network.zero_grad()
        logits = replay(inputs)
        logits.square().sum().backward()
    found = [logits.detach(), *(one.grad for one in network.parameters() if one.numel())]
    for one, other in zip(expected, found, strict=True):
        assert (one - other.cpu()).norm() <= 1e-2 * one.norm()


@pytest.mark.parametrize("reduced", [False, True])
def test_a_step_with_filters_made_ready_together_is_the_same_step(reduced, monkeypatch):
    network, inputs = _network(), _inputs()
    expected = _step(network, inputs, reduced)
    monkeypatch.setattr(module, "_in_banks", lambda device: True)
    for one, other in zip(expected, _step(network, inputs, reduced), strict=True):
        assert (one - other).norm() <= 1e-5 * one.norm()


def test_half_of_the_operations_on_filters_are_saved(monkeypatch):
    network, inputs = _network(), _inputs()
    _step(network, inputs, True)
    taken = []
    for together in (False, True, True):  # constants are sent in the first of them
        monkeypatch.setattr(module, "_in_banks", lambda device, on=together: on)
        with _counted() as names:
            _step(network, inputs, True)
        taken.append([names.count(name) for name in ("native_layer_norm", "_to_copy", "mul")])
    alone, _, joined = taken
    assert all(few < 0.85 * many for many, few in zip(alone, joined, strict=True))
    assert "lift_fresh" not in names  # nothing is sent from the host, as a graph demands


def test_nothing_is_asked_of_the_values_and_nothing_is_left_behind(monkeypatch):
    """Tensors that hold nothing cannot answer; what is left behind could not be copied."""
    monkeypatch.setattr(module, "_in_banks", lambda device: True)
    monkeypatch.setattr(banks, "_rounded", lambda values: values)  # there is no autocast there
    network = _network("meta")
    assert network(*_inputs("meta")).shape == (3, 3)
    copy.deepcopy(network)
    convolutions = [part for part in network.modules() if isinstance(part, ScaledConv3d)]
    assert all(part.ready is None for part in convolutions)


def test_a_copy_makes_ready_its_own_filters(monkeypatch):
    network, inputs = _network(), _inputs()
    other = copy.deepcopy(network)
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.mul_(1.5)
    expected = _step(other, inputs, False)[0]
    monkeypatch.setattr(module, "_in_banks", lambda device: True)
    torch.testing.assert_close(_step(other, inputs, False)[0], expected)

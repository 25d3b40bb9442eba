"""Captured passes are the network's own."""

from __future__ import annotations

import gc
import weakref
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from pcrnet.config.data import DataConfig
from pcrnet.config.imaging import ImagingConfig
from pcrnet.config.model import NetworkConfig
from pcrnet.config.training import TrainingConfig
from pcrnet.data.clinical import ClinicalEncoding
from pcrnet.data.dataset import Batch
from pcrnet.models.blueprint import NetworkBlueprint
from pcrnet.models.dual_branch.network import PcrNet
from pcrnet.training.lightning import module
from pcrnet.training.lightning.captured import CapturedNetwork, may_be_captured
from tests.models.gpu_kernels import on_gpu

_GPU, _CPU = torch.device("cuda"), torch.device("cpu")
_IMAGING = ImagingConfig(size=(24, 24, 16))


def _network(dropout: float = 0.0) -> PcrNet:
    torch.manual_seed(0)
    network = PcrNet(DataConfig(), _IMAGING, NetworkConfig(dropout=dropout))
    torch.nn.init.normal_(network.head.linear.weight, std=0.1)
    return network


def _fields(patients: int, seed: int) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    image = torch.rand(patients, 2, 6, *_IMAGING.size, generator=generator)
    present = torch.rand(patients, 2, 6, generator=generator) > 0.2
    nothing = torch.zeros(patients, 0)
    days = torch.tensor([[0.0, 42.0]]).repeat(patients, 1)
    return [image, present, days, nothing, nothing.bool()]


@pytest.mark.parametrize(("device", "expected"), [(_GPU, True), (_CPU, False)])
def test_a_network_is_captured_on_a_gpu(device: torch.device, expected: bool) -> None:
    assert may_be_captured(_network(), device) is expected


def test_what_could_not_be_repeated_is_not_captured() -> None:
    assert not may_be_captured(torch.nn.Linear(1, 1), _GPU)
    with torch.autograd.detect_anomaly(check_nan=False):
        assert not may_be_captured(_network(), _GPU)
    counting = _network()
    counting.add_module("norm", torch.nn.BatchNorm3d(1))
    assert not may_be_captured(counting, _GPU)


def _module_on(
    monkeypatch: pytest.MonkeyPatch, accumulated: int, ranks: int = 1, graphs: bool = True
) -> list[int]:
    """How many patients were replayed in a step, where a GPU is pretended."""
    replayed: list[int] = []

    class Replaying:
        def __init__(self, network: torch.nn.Module, patients: int) -> None:
            self.network = network

        def __call__(self, fields: Any) -> torch.Tensor:
            replayed.append(len(fields[0]))
            logits: torch.Tensor = self.network(*fields)
            return logits

    monkeypatch.setattr(module, "may_be_captured", lambda network, device: True)
    monkeypatch.setattr(module, "CapturedNetwork", Replaying)
    blueprint = NetworkBlueprint(NetworkConfig(), DataConfig(), _IMAGING, ClinicalEncoding(()))
    config = TrainingConfig(cuda_graphs=graphs)
    own = module.PcrModule.training_of(_network(), blueprint, config, 0)
    trainer = SimpleNamespace(world_size=ranks, accumulate_grad_batches=accumulated)
    monkeypatch.setattr(module.PcrModule, "trainer", trainer)
    monkeypatch.setattr(own, "log", lambda *args, **kwargs: None)
    allowed = torch.tensor([[True, False, False, False]] * 4)
    batch = Batch(*_fields(4, 1), allowed, torch.zeros(4, 3), torch.arange(4))
    own.on_train_start()
    own.training_step(batch, 0)
    own.on_train_end()
    assert own._captured is None
    return replayed


def test_who_keeps_gradients_from_step_to_step_does_not_replay(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert _module_on(monkeypatch, accumulated=1) == [4]
    assert _module_on(monkeypatch, accumulated=2) == []
    assert _module_on(monkeypatch, accumulated=1, graphs=False) == []


class _Graph:
    """As CUDA's, on a CPU: captures nothing and replays nothing."""

    def replay(self) -> None:
        return


@pytest.fixture
def pretended(monkeypatch: pytest.MonkeyPatch) -> list[weakref.ref[_Graph]]:
    """torch's own capturing runs where there is no GPU; holds the graphs that it made."""
    made: list[weakref.ref[_Graph]] = []

    def graph() -> _Graph:
        own = _Graph()
        made.append(weakref.ref(own))
        return own

    monkeypatch.setattr(torch.cuda, "CUDAGraph", graph)
    monkeypatch.setattr(torch.cuda, "Stream", lambda: None)
    for name in ("graph", "stream"):
        monkeypatch.setattr(torch.cuda, name, lambda *_, **__: nullcontext())
    monkeypatch.setattr("torch.cuda.graphs.graph_pool_handle", lambda: (0, 0))
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: None)
    monkeypatch.setattr(torch.cuda, "get_rng_state", lambda device: torch.get_rng_state())
    monkeypatch.setattr(torch.cuda, "set_rng_state", lambda state, device: None)
    return made


def test_the_memory_of_graphs_is_free_when_training_ends(
    pretended: list[weakref.ref[_Graph]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "may_be_captured", lambda network, device: True)
    blueprint = NetworkBlueprint(NetworkConfig(), DataConfig(), _IMAGING, ClinicalEncoding(()))
    config = TrainingConfig(batch_size=2)
    own = module.PcrModule.training_of(_network(), blueprint, config, 0)
    monkeypatch.setattr(module.PcrModule, "trainer", SimpleNamespace(world_size=1))
    gc.disable()
    try:
        own.on_train_start()
        assert own._captured is not None
        own._captured(_fields(2, 1))
        assert len(pretended) == 2
        assert all(graph() is not None for graph in pretended)
        own.on_train_end()
        assert all(graph() is None for graph in pretended)
    finally:
        gc.enable()


@pytest.mark.parametrize("fusion", ["concat", "gated", "transformer"])
def test_no_two_gradients_share_memory(fusion: Any) -> None:
    """A replay hands gradients over where they lie, and clipping multiplies them there."""
    torch.manual_seed(0)
    settings = NetworkConfig.model_validate({"fusion": {"kind": fusion}})
    network = PcrNet(DataConfig(), _IMAGING, settings, (0,), 1).train()
    fields = [*_fields(2, 1)[:3], torch.rand(2, 1), torch.ones(2, 1, dtype=torch.bool)]
    logits = network(*fields)
    weights = dict(network.named_parameters())
    found = torch.autograd.grad(
        logits, list(weights.values()), torch.ones_like(logits), allow_unused=True
    )
    names: dict[int, list[str]] = {}
    for name, gradient in zip(weights, found, strict=True):
        if gradient is not None and gradient.numel():
            names.setdefault(gradient.untyped_storage().data_ptr(), []).append(name)
    assert len(names) > 20
    assert [sharing for sharing in names.values() if len(sharing) > 1] == []


class _Counting(torch.nn.Module):
    calls = 0

    def forward(self, *fields: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        return fields[0].flatten(1)[:, :3]


def test_a_short_batch_is_given_to_the_network_itself() -> None:
    network = _Counting()
    assert CapturedNetwork(network, 4)(_fields(3, 1)).shape == (3, 3)
    assert network.calls == 1


@on_gpu
@pytest.mark.parametrize("reduced", [False, True])
def test_a_replay_gives_the_logits_and_gradients_of_the_network(reduced: bool) -> None:
    own, other = _network().cuda().train(), _network().cuda().train()
    captured = CapturedNetwork(own, 4)
    for step in range(3):
        fields = [field.cuda() for field in _fields(4, step)]
        with torch.autocast("cuda", torch.bfloat16, enabled=reduced):
            logits, expected = captured(fields), other(*fields)
        torch.testing.assert_close(logits, expected, atol=2e-2 if reduced else 1e-4, rtol=2e-2)
        for network, found in ((own, logits), (other, expected)):
            network.zero_grad()
            found.float().square().sum().backward()
        pairs = [
            (one.grad, two.grad)
            for one, two in zip(own.parameters(), other.parameters(), strict=True)
            if one.grad is not None and two.grad is not None
        ]
        assert len(pairs) > 50
        ours = torch.cat([one.flatten() for one, _ in pairs])
        theirs = torch.cat([two.flatten() for _, two in pairs])
        assert (ours - theirs).norm() <= (0.02 if reduced else 1e-3) * theirs.norm()
        with torch.no_grad():  # weights move, and the graph follows
            for network in (own, other):
                for parameter in network.parameters():
                    parameter.mul_(1.01)


@on_gpu
def test_dropout_of_a_replay_depends_on_the_seed_alone() -> None:
    network = _network(dropout=0.5).cuda().train()
    captured, fields = CapturedNetwork(network, 4), [field.cuda() for field in _fields(4, 1)]
    said = []
    for seed in (5, 6, 5):
        torch.manual_seed(seed)
        with torch.autocast("cuda", torch.bfloat16):
            said.append(captured(fields).detach().clone())
    assert torch.equal(said[0], said[2])
    assert not torch.equal(said[0], said[1])
    torch.manual_seed(5)
    with torch.autocast("cuda", torch.bfloat16):  # the first call of all warms up before it says
        assert torch.equal(CapturedNetwork(network, 4)(fields), said[0])

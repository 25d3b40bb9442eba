"""The step that benchmarks time is the one that training makes."""

import importlib
from pathlib import Path

import pytest
import torch

from pcrnet.data.resident import ResidentTensors


@pytest.mark.slow
def test_a_bare_step_moves_every_parameter_that_has_a_gradient(monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2]))
    harness = importlib.import_module("benchmarks.harness_training")
    device = torch.device("cpu")
    experiment = harness.SETTINGS["24x24x16"].experiment(device)
    network = harness.new_network(experiment, device)
    before = {name: value.clone() for name, value in network.named_parameters()}
    batch = harness.resident_batch(experiment, harness.InMemory(experiment, 8), device)
    step = harness.bare_step(experiment, network, device)
    for _ in range(2):  # the head begins at zero: what lies before it is moved by the second
        step(batch)
    learning = [
        name
        for name, value in network.named_parameters()
        if value.grad is not None and value.numel()
    ]
    assert len(learning) > 50
    moved = {
        name for name, value in network.named_parameters() if not torch.equal(value, before[name])
    }
    assert set(learning) <= moved


def test_its_cohort_lies_where_a_run_would_lay_it(monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2]))
    harness = importlib.import_module("benchmarks.harness_training")
    device = torch.device("cpu")
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (1 << 40, 1 << 40))
    source = harness.InMemory(harness.SETTINGS["24x24x16"].experiment(device), 3)
    there = source.resident(device)
    assert isinstance(there, ResidentTensors)
    found = there.images(source.patients[1:])
    for image, patient in zip(found, source.patients[1:], strict=True):
        assert (image.numpy() == source.get(patient).image).all()

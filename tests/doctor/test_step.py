"""A step is timed by a clock, within the time given, and leaves the machine as it was."""

import copy
import time
from types import SimpleNamespace

import pytest
import torch

from pcrnet.config.layers import load_experiment
from pcrnet.doctor import step as module
from pcrnet.doctor.step import time_step

SMALL = [
    "imaging.size=[8,8,8]", "model.width=16", "model.encoder.widths=[8]",
    "model.encoder.blocks=[0]", "model.fusion.heads=2", "training.batch_size=4",
    "training.accelerator=cpu", "training.precision=32",
]  # fmt: skip


def test_it_is_the_median_of_what_the_clock_says(monkeypatch):
    """The first step warms up; of the three that follow the median is 2."""
    now, lengths = [0.0], iter([5.0, 1.0, 2.0, 50.0, 50.0])
    inside = module.adamw

    def slow(*args, **kwargs):
        now[0] += next(lengths)
        return inside(*args, **kwargs)

    monkeypatch.setattr(module, "time", SimpleNamespace(perf_counter=lambda: now[0]))
    monkeypatch.setattr(module, "adamw", slow)
    found = time_step(load_experiment(SMALL), 1, threads=1, longest_s=30.0)
    assert found.steps == 3
    assert found.seconds == 2.0


def test_one_step_is_taken_however_little_time_there_is():
    found = time_step(load_experiment(SMALL), 1, threads=1, longest_s=0.0)
    assert found.steps == 0
    assert found.seconds > 0
    assert found.threads == 1


def test_a_step_in_double_precision_is_one(monkeypatch):
    seen = []
    inside = module.adamw

    def look(own, *args, **kwargs):
        seen.extend(each.dtype for each in own)
        return inside(own, *args, **kwargs)

    monkeypatch.setattr(module, "adamw", look)
    settings = [each for each in SMALL if not each.startswith("training.precision")]
    time_step(load_experiment([*settings, "training.trainer.precision=64-true"]), 1, 1, 0.0)
    assert set(seen) == {torch.float64}


def test_threads_and_random_numbers_are_as_before_and_no_time_is_made_up():
    before = torch.get_num_threads()
    torch.manual_seed(5)
    expected = torch.rand(2)
    torch.manual_seed(5)
    began = time.perf_counter()
    found = time_step(load_experiment(SMALL), 0, threads=before + 1, longest_s=0.2)
    whole = time.perf_counter() - began
    assert torch.get_num_threads() == before
    assert torch.equal(torch.rand(2), expected)
    assert found.threads == before + 1
    assert 0 < found.seconds * max(1, found.steps / 2) <= whole  # half take the median or more


def test_its_update_is_that_of_the_optimiser():
    torch.manual_seed(0)
    ours = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.Linear(3, 2), torch.nn.Linear(2, 1))
    theirs = copy.deepcopy(ours)
    update, optimizer = module._adamw(ours), torch.optim.AdamW(theirs.parameters(), lr=1e-6)
    for _ in range(3):
        batch = torch.rand(5, 4)
        for network in (ours, theirs):
            network.zero_grad(set_to_none=True)
            network[:2](batch).square().sum().backward()  # the last layer has no gradient
        update()
        optimizer.step()
    for own, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(own, other, rtol=1e-6, atol=0)


def test_a_model_without_a_network_has_no_step():
    with pytest.raises(ValueError, match="trains no network"):
        time_step(load_experiment(["model.kind=clinical"]), 1, threads=1)

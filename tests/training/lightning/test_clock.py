"""Seconds go where they were spent; what lies between epochs is the rest."""

from types import SimpleNamespace

import pytest
import torch

from pcrnet.training.lightning import clock as module
from pcrnet.training.lightning.clock import StepClock


@pytest.fixture
def now(monkeypatch):
    """A time that the test sets."""
    hand = SimpleNamespace(at=0.0)
    monkeypatch.setattr(module.time, "perf_counter", lambda: hand.at)
    return hand


def test_waiting_augmentation_step_and_rest_are_told_apart(now):
    data, heard = SimpleNamespace(received_at=0.0), []
    clock = StepClock(data, "fit", heard.append)
    cpu = SimpleNamespace(device=torch.device("cpu"))
    batch = SimpleNamespace(patient=[1, 2, 3])

    def at(moment, hook, *arguments):
        now.at = moment
        hook(None, cpu, *arguments)

    at(10.0, clock.on_train_start)
    at(12.0, clock.on_train_epoch_start)
    for start in (12.0, 20.0):
        data.received_at = start + 1.0
        at(start + 3.0, clock.on_train_batch_start, batch, 0)
        at(start + 8.0, clock.on_train_batch_end, None, batch, 0)
    at(30.0, clock.on_train_epoch_end)
    at(31.0, clock.on_train_end)
    (told,) = heard
    assert (told.patients, told.steps) == (6, 2)
    assert (told.waiting, told.augmentation, told.step) == (2.0, 4.0, 10.0)
    assert told.seconds == 21.0
    assert told.peak_bytes > 1_000_000


def test_a_fit_that_makes_no_step_tells_nothing(now):
    heard = []
    clock = StepClock(SimpleNamespace(received_at=0.0), "fit", heard.append)
    module_on_cpu = SimpleNamespace(device=torch.device("cpu"))
    clock.on_train_start(None, module_on_cpu)
    clock.on_train_end(None, module_on_cpu)
    assert not heard

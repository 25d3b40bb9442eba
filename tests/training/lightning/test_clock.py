"""Seconds go where they were spent; what lies between epochs is the rest."""

from types import SimpleNamespace

import pytest
import torch

from pcrnet.training.lightning import clock as module
from pcrnet.training.lightning.clock import Spent, StepClock


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


def test_a_second_epoch_begins_at_nothing_and_the_fit_has_both(now):
    data, heard = SimpleNamespace(received_at=0.0), []
    clock = StepClock(data, "fit", heard.append)
    cpu, batch = SimpleNamespace(device=torch.device("cpu")), SimpleNamespace(patient=[1])
    clock.on_train_start(None, cpu)
    for start, length in ((0.0, 2.0), (100.0, 3.0)):
        now.at = start
        clock.on_train_epoch_start(None, cpu)
        data.received_at = now.at = start + 1.0
        clock.on_train_batch_start(None, cpu, batch, 0)
        now.at += length
        clock.on_train_batch_end(None, cpu, None, batch, 0)
        assert (clock.epoch.seconds, clock.epoch.step) == (1.0 + length, length)
        assert clock.epoch.waiting == 1.0
        clock.on_train_epoch_end(None, cpu)
    clock.on_train_end(None, cpu)
    assert (heard[0].waiting, heard[0].step, heard[0].steps) == (2.0, 5.0, 2)


def test_the_peak_of_a_fit_is_that_of_its_greediest_epoch():
    total = Spent(gpu_peak_bytes=5, steps=1)
    total.add(Spent(gpu_peak_bytes=3, steps=2))
    assert (total.gpu_peak_bytes, total.steps) == (5, 3)

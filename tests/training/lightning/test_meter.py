"""The meter against a clock and sums by hand."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from pcrnet.training.lightning import clock as module
from pcrnet.training.lightning.clock import StepClock
from pcrnet.training.lightning.meter import Meter


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    own = SimpleNamespace(now=0.0)
    monkeypatch.setattr(module.time, "perf_counter", lambda: own.now)
    return own


def test_rates_shares_and_means_of_an_epoch(clock: SimpleNamespace) -> None:
    data, gradients = SimpleNamespace(received_at=0.0), SimpleNamespace(norm=None)
    steps = StepClock(data, "fit", lambda event: None)  # type: ignore[arg-type]
    meter = Meter(steps, gradients)  # type: ignore[arg-type]
    network: Any = SimpleNamespace(device=torch.device("cpu"))
    trainer: Any = SimpleNamespace(
        optimizers=[SimpleNamespace(param_groups=[{"lr": 0.25}])],
        callback_metrics={"validation/loss": torch.tensor(0.5)},
        world_size=2,
    )
    for each in (steps, meter):
        each.on_train_epoch_start(trainer, network)
    for waited, worked, norm, patients in ((1.0, 3.0, 2.0, 4), (2.0, 4.0, 6.0, 1)):
        clock.now += waited
        data.received_at = clock.now
        batch: Any = SimpleNamespace(patient=torch.arange(patients))
        steps.on_train_batch_start(trainer, network, batch, 0)
        clock.now += worked
        gradients.norm = torch.tensor(norm)
        for each in (steps, meter):
            each.on_train_batch_end(trainer, network, None, batch, 0)
    clock.now += 100.0  # validation is no training
    for each in (steps, meter):
        each.on_train_epoch_end(trainer, network)
    assert meter.measures == {
        "learning_rate": 0.25,
        "gradient_norm": pytest.approx(4.0),
        "samples_per_second": pytest.approx(2 * 5 / 10),
        "waiting_share": pytest.approx(0.3),
        "validation_loss": 0.5,
    }


def test_an_epoch_without_a_step_divides_by_nothing(clock: SimpleNamespace) -> None:
    steps = StepClock(SimpleNamespace(received_at=0.0), "fit", lambda event: None)  # type: ignore[arg-type]
    meter = Meter(steps, SimpleNamespace(norm=None))  # type: ignore[arg-type]
    trainer: Any = SimpleNamespace(
        optimizers=[SimpleNamespace(param_groups=[{"lr": 0.25}])], callback_metrics={}, world_size=1
    )
    meter.on_train_epoch_end(trainer, SimpleNamespace(device=torch.device("cpu")))  # type: ignore[arg-type]
    assert meter.measures["samples_per_second"] == 0
    assert meter.measures["gradient_norm"] == 0


def test_a_driver_that_does_not_say_ends_no_training(
    clock: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    class NVMLError(Exception):
        """As of nvidia-ml-py: of no other kind."""

    def refuse(device: torch.device) -> int:
        raise NVMLError

    monkeypatch.setattr(torch.cuda, "utilization", refuse)
    data, gradients = SimpleNamespace(received_at=0.0), SimpleNamespace(norm=None)
    meter = Meter(StepClock(data, "fit", lambda event: None), gradients)  # type: ignore[arg-type]
    network: Any = SimpleNamespace(device=torch.device("cuda", 1))
    meter.on_train_batch_end(SimpleNamespace(), network, None, SimpleNamespace(), 0)  # type: ignore[arg-type]
    assert meter._utilisation == []

from __future__ import annotations

import os

import pytest
import torch

from pcrnet.config.training import TrainingConfig
from pcrnet.training.devices import (
    computing_device,
    fits_at_a_time,
    lightning_precision,
    uses_gpu,
)


@pytest.fixture
def two_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: True)


@pytest.fixture
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


@pytest.mark.usefixtures("two_gpus")
def test_slots_share_the_gpus_in_turn() -> None:
    devices = [computing_device(TrainingConfig(), slot) for slot in range(4)]
    assert devices == [torch.device("cuda", index) for index in (0, 1, 0, 1)]


@pytest.mark.usefixtures("two_gpus")
def test_the_cpu_is_used_where_it_is_asked_for_whatever_there_is() -> None:
    config = TrainingConfig(accelerator="cpu")
    assert not uses_gpu(config)
    assert computing_device(config, 1) == torch.device("cpu")
    assert lightning_precision(config) == "32-true"


@pytest.mark.usefixtures("no_gpu")
@pytest.mark.parametrize("accelerator", ["auto", "cpu", "gpu"])
def test_without_a_gpu_everything_runs_on_the_cpu(accelerator: str) -> None:
    config = TrainingConfig(accelerator=accelerator)
    assert computing_device(config, 3) == torch.device("cpu")
    assert lightning_precision(config) == "32-true"


@pytest.mark.usefixtures("two_gpus")
def test_auto_precision_is_bf16_only_where_the_gpu_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert lightning_precision(TrainingConfig()) == "bf16-mixed"
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: False)
    assert lightning_precision(TrainingConfig()) == "32-true"


@pytest.mark.usefixtures("no_gpu")
def test_a_stated_precision_is_taken_as_it_is() -> None:
    assert lightning_precision(TrainingConfig(precision="bf16")) == "bf16-mixed"
    assert lightning_precision(TrainingConfig(precision="32")) == "32-true"


@pytest.mark.usefixtures("two_gpus")
def test_auto_runs_a_fit_a_gpu() -> None:
    assert fits_at_a_time(TrainingConfig()) == 2


@pytest.mark.usefixtures("no_gpu")
@pytest.mark.parametrize(("cores", "fits"), [(1, 1), (2, 2), (64, 4), (None, 1)])
def test_auto_runs_a_fit_a_core_up_to_four(
    cores: int | None, fits: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    assert fits_at_a_time(TrainingConfig()) == fits


def test_a_stated_number_of_fits_is_taken_as_it_is() -> None:
    assert fits_at_a_time(TrainingConfig(parallel_fits=3)) == 3

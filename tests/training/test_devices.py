from __future__ import annotations

import pytest
import torch

from pcrnet.config.trainer import TrainerConfig
from pcrnet.config.training import TrainingConfig
from pcrnet.errors import ConfigError
from pcrnet.training import devices
from pcrnet.training.devices import (
    computing_device,
    fits_at_a_time,
    gpus_of,
    lightning_precision,
    require_device,
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
@pytest.mark.parametrize("accelerator", ["auto", "cpu"])
def test_without_a_gpu_everything_runs_on_the_cpu(accelerator: str) -> None:
    config = TrainingConfig(accelerator=accelerator)
    assert computing_device(config, 3) == torch.device("cpu")
    assert lightning_precision(config) == "32-true"


@pytest.mark.usefixtures("no_gpu")
def test_a_gpu_that_is_asked_for_and_absent_is_an_error() -> None:
    with pytest.raises(ConfigError, match="a GPU is asked for") as caught:
        require_device(TrainingConfig(accelerator="gpu"))
    assert caught.value.field == "training.accelerator"
    require_device(TrainingConfig(accelerator="auto"))


@pytest.mark.usefixtures("two_gpus")
def test_a_gpu_that_is_asked_for_and_there_is_used() -> None:
    require_device(TrainingConfig(accelerator="gpu"))


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
@pytest.mark.parametrize(("cores", "fits"), [(1, 1), (2, 2), (64, 4)])
def test_auto_runs_a_fit_a_core_up_to_four(
    cores: int, fits: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(devices, "available_cores", lambda: cores)
    assert fits_at_a_time(TrainingConfig()) == fits


def test_a_stated_number_of_fits_is_taken_as_it_is() -> None:
    assert fits_at_a_time(TrainingConfig(parallel_fits=3)) == 3


def test_gpus_are_dealt_out_in_groups_to_the_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    shared = TrainingConfig(trainer=TrainerConfig(devices=2))
    assert [gpus_of(shared, slot) for slot in (0, 1, 2)] == [[0, 1], [2, 3], [0, 1]]
    assert computing_device(shared, 1) == torch.device("cuda", 2)
    assert fits_at_a_time(shared) == 2
    require_device(shared)
    with pytest.raises(ConfigError, match="8 GPUs are to share a fit, and torch sees 4"):
        require_device(TrainingConfig(trainer=TrainerConfig(devices=8)))


def test_lightnings_word_for_precision_comes_first() -> None:
    for name in ("32-true", "bf16-mixed", "64-true"):
        assert lightning_precision(TrainingConfig(trainer=TrainerConfig(precision=name))) == name

"""What a fit needs of memory, against numbers that can be counted by hand."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from pcrnet.config.training import TrainingConfig
from pcrnet.data.dataset import Batch
from pcrnet.data.held import MOST_BYTES
from pcrnet.training.demands import memory
from pcrnet.training.demands.memory import (
    MemoryNeed,
    estimate_memory,
    fits_that_have_room,
    fits_wanted,
    saved_bytes,
)
from pcrnet.training.demands.rehearsal import rehearse
from pcrnet.training.events import Remark, RunEvent
from pcrnet.training.fit import FitJob

MakeJob = Callable[..., FitJob]


class Squares(nn.Module):
    """Two multiplications that keep what they multiply: 1,000 and 1,000 numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1000))

    def forward(self, image: Tensor, *others: Tensor) -> Tensor:
        return (image * self.weight).square()


def test_activations_are_counted_once_and_weights_not() -> None:
    empty = torch.empty(0)
    batch = Batch(torch.ones(1000), *[empty] * 7)
    assert saved_bytes(Squares(), batch) == 2 * 4 * 1000  # the image, and its product


def test_a_larger_batch_needs_more_and_the_cohort_is_its_voxels(make_job: MakeJob) -> None:
    small, large = (estimate_memory(make_job(f"training.batch_size={size}")) for size in (2, 16))
    assert large.fit > small.fit > memory._PROCESS_BYTES
    assert (
        small.cohort == large.cohort == 19 * 2 * 3 * 8**3 * 2
    )  # visits, channels, voxels, float16


def test_the_finished_networks_of_a_fit_stay_in_memory_until_the_last_is(make_job: MakeJob) -> None:
    one, three = (estimate_memory(make_job(f"model.networks={n}")).fit for n in (1, 3))
    network, _ = rehearse(make_job(), 1)
    assert three - one == 2 * 4 * sum(weight.numel() for weight in network.parameters())


def test_on_a_gpu_they_stay_where_they_have_predicted(
    make_job: MakeJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "uses_gpu", lambda config: True)
    one, three = (estimate_memory(make_job(f"model.networks={n}")) for n in (1, 3))
    network, _ = rehearse(make_job(), 1)
    assert three.gpu - one.gpu == 2 * 4 * sum(weight.numel() for weight in network.parameters())
    assert three.fit == one.fit


def test_tensors_that_a_process_holds_count_for_each_of_them_up_to_their_limit() -> None:
    batch = Batch(torch.ones(1000, dtype=torch.float16), *[torch.empty(0)] * 7)

    def fit(patients: int) -> int:
        return memory.memory_need(Squares(), batch, TrainingConfig(), 1, patients).fit

    assert fit(8) - fit(5) == 3 * 2 * 1000
    assert fit(10 * MOST_BYTES) - fit(0) == MOST_BYTES


def test_in_double_precision_all_that_trains_is_twice_as_large(make_job: MakeJob) -> None:
    double = "training.trainer.precision=64-true"
    one, wide = (estimate_memory(make_job("model.networks=1", *more)) for more in ((), (double,)))
    assert wide.cohort == one.cohort
    held = memory._PROCESS_BYTES + one.cohort
    assert wide.fit - held == pytest.approx(2 * (one.fit - held), abs=8)
    assert memory.images_alone(TrainingConfig(trainer={"precision": "64-true"}), 1000) == (
        2 * memory.images_alone(TrainingConfig(), 1000)
    )


@pytest.mark.parametrize(
    ("setting", "free_fits", "expected", "says"),
    [
        ("auto", 10.5, 4, "memory: a fit needs about"),
        ("auto", 2.5, 2, "2 at a time instead of 4"),
        ("auto", 0.5, 1, "1 at a time instead of 4"),
        ("3", 1.5, 3, "3 are to run at a time: lower training.batch_size"),
    ],
)
def test_fits_side_by_side_are_no_more_than_memory_holds(
    make_job: MakeJob,
    monkeypatch: pytest.MonkeyPatch,
    setting: str,
    free_fits: float,
    expected: int,
    says: str,
) -> None:
    job = make_job(f"training.parallel_fits={setting}")
    need = estimate_memory(job).fit
    monkeypatch.setattr(memory, "available_memory", lambda: int(free_fits * need))
    monkeypatch.setattr("pcrnet.training.devices.available_cores", lambda: 8)
    told: list[RunEvent] = []
    assert fits_that_have_room(job, 6, told.append) == expected
    assert len(told) == 1
    assert isinstance(told[0], Remark)
    assert says in told[0].text


def test_where_the_system_does_not_tell_nothing_is_lowered(
    make_job: MakeJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "available_memory", lambda: None)
    told: list[RunEvent] = []
    assert fits_that_have_room(make_job("training.parallel_fits=3"), 6, told.append) == 3
    assert told == []


@pytest.mark.parametrize(
    ("changes", "cores", "expected"),
    [
        ({}, 64, 2 * 8),  # small fits: the most
        ({}, 6, 2 * 3),  # no more than each GPU has cores
        ({"parallel_fits": 3}, 64, 3),
        ({"accelerator": "cpu"}, 64, 4),
        ({"trainer": {"devices": 2}}, 64, 1),
    ],
)
def test_small_fits_share_each_gpu(
    changes: dict[str, object], cores: int, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: None)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda gpu: ((80 - gpu) * 10**9, 80 * 10**9))
    monkeypatch.setattr(memory, "available_cores", lambda: cores)
    monkeypatch.setattr("pcrnet.training.devices.available_cores", lambda: cores)
    small = MemoryNeed(fit=10**9, cohort=10**8, gpu=10**8)
    assert fits_wanted(small, TrainingConfig.model_validate(changes)) == expected


def test_room_on_a_gpu_is_asked_for_once_what_was_rehearsed_is_given_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kept = [30 * 10**9]  # by this process, of nothing that it still needs
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "empty_cache", kept.clear)
    free = lambda gpu: (40 * 10**9 - sum(kept), 40 * 10**9)  # noqa: E731
    monkeypatch.setattr(torch.cuda, "mem_get_info", free)
    monkeypatch.setattr(memory, "available_cores", lambda: 16)
    need = MemoryNeed(fit=10**9, cohort=0, gpu=7_000_000_000)
    assert fits_wanted(need, TrainingConfig()) == 4


def test_large_fits_share_a_gpu_as_far_as_they_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda gpu: (80 * 10**9, 80 * 10**9))
    monkeypatch.setattr(memory, "available_cores", lambda: 16)
    # Of 64 GB each takes 4 for itself, 17.4 for the cohort and 0.6 for CUDA.
    large = MemoryNeed(fit=10**9, cohort=17_400_000_000, gpu=4_000_000_000)
    assert fits_wanted(large, TrainingConfig()) == 2
    assert fits_wanted(large, TrainingConfig(resident=False)) == 8
    huge = MemoryNeed(fit=10**9, cohort=0, gpu=200_000_000_000)
    assert fits_wanted(huge, TrainingConfig()) == 1

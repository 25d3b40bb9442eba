"""Whether bf16 is used is decided by this device's gradients; a broken device is made up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from pcrnet.data.dataset import Batch
from pcrnet.errors import NotFiniteError
from pcrnet.storage import read_record
from pcrnet.training.demands import precision
from pcrnet.training.demands.precision import (
    GradientComparison,
    compare_gradients,
    settle_precision,
)
from pcrnet.training.events import Remark, RunEvent
from pcrnet.training.fit import FitJob

CPU = torch.device("cpu")


class Faulty(torch.autograd.Function):
    """The identity, whose gradient is wrong by a factor wherever it is computed in bf16."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, factor: float) -> Tensor:
        ctx.factor = factor if torch.is_autocast_enabled("cpu") else 1.0
        return values.clone()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return gradient * ctx.factor, None


class Network(nn.Module):
    """Two layers, the first behind a gradient that may be wrong."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.second = nn.Linear(4, 8), nn.Linear(8, 3)
        self.factor = factor

    def forward(self, image: Tensor, *others: Tensor) -> Tensor:
        hidden: Tensor = Faulty.apply(torch.tanh(self.first(image)), self.factor)
        return self.second(hidden).float()


def batch() -> Batch:
    torch.manual_seed(1)
    empty = torch.empty(6, 0)
    allowed = torch.eye(4, dtype=torch.bool)[[0, 1, 2, 3, 0, 3]]
    return Batch(torch.randn(6, 4), *[empty] * 4, allowed, torch.zeros(6, 3), torch.arange(6))


def test_rounding_to_bf16_is_no_fault() -> None:
    found = compare_gradients(Network(1.0), batch(), CPU)
    assert found.trustworthy
    assert 0 < found.error < 0.05


@pytest.mark.parametrize("factor", [1e20, -1.0, 0.0, float("nan"), float("inf")])
def test_a_wrong_gradient_is_found_in_its_layer(factor: float) -> None:
    found = compare_gradients(Network(factor), batch(), CPU)
    assert not found.trustworthy
    assert found.layer.startswith("first.")


def test_gradients_that_are_not_finite_in_float32_are_no_matter_of_precision() -> None:
    network = Network(1.0)
    network.second.bias.data.fill_(float("nan"))
    with pytest.raises(NotFiniteError, match="before the first step"):
        compare_gradients(network, batch(), CPU)


@pytest.fixture
def job(make_job: Callable[..., FitJob]) -> FitJob:
    return make_job("training.precision=bf16")


@pytest.mark.parametrize(
    ("found", "decision"),
    [(GradientComparison(0.01, ""), "bf16"), (GradientComparison(float("nan"), "head"), "32")],
)
def test_the_decision_is_said_recorded_and_kept(
    job: FitJob,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    found: GradientComparison,
    decision: str,
) -> None:
    asked: list[FitJob] = []
    monkeypatch.setattr(precision, "_compare", lambda job, device: asked.append(job) or found)
    told: list[RunEvent] = []
    record = tmp_path / "precision.json"
    for _ in range(2):
        assert settle_precision(job, record, told.append) == decision
    assert len(asked) == 1
    assert read_record(record)["precision"] == decision
    remarks = [event.text for event in told if isinstance(event, Remark)]
    assert ["trains in float32" in text and "head" in text for text in remarks] == (
        [True] if decision == "32" else []
    )
    monkeypatch.setattr(precision, "_name", lambda device: "another device")
    settle_precision(job, record, told.append)
    assert len(asked) == 2


def test_float32_needs_no_question(make_job: Callable[..., FitJob], tmp_path: Path) -> None:
    job = make_job("training.precision=32")
    assert settle_precision(job, tmp_path / "precision.json", lambda event: None) == "32"
    assert not list(tmp_path.glob("precision.json"))


def test_fits_train_in_the_precision_that_was_settled_on(job: FitJob) -> None:
    assert job.training.precision == "bf16"
    assert replace(job, precision="32").training.precision == "32"


def test_the_network_of_a_run_is_compared_whatever_this_processor_does(job: FitJob) -> None:
    found = precision._compare(job, CPU)
    assert found.trustworthy == (found.layer == "")

from __future__ import annotations

import csv
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from pcrnet.errors import NotFiniteError, OutputError
from pcrnet.training.events import EpochReport
from pcrnet.training.lightning.callbacks import (
    AveragedWeights,
    BestWeights,
    EpochReporter,
    FiniteNumbers,
    History,
    ResumePoint,
)
from pcrnet.training.lightning.module import PcrModule


def trainer(epoch: int = 0, **metrics: float) -> Any:
    """As much of Lightning's trainer as the callbacks look at."""
    return SimpleNamespace(
        current_epoch=epoch,
        global_step=epoch,
        callback_metrics={name.replace("_", "/"): value for name, value in metrics.items()},
        optimizers=[SimpleNamespace(param_groups=[{"lr": 0.25}])],
        should_stop=False,
        world_size=1,
        is_global_zero=True,
        save_checkpoint=lambda path: path.write_bytes(f"epoch {epoch}".encode()),
    )


def test_epochs_that_end_soon_after_the_last_point_write_none(tmp_path: Path) -> None:
    ResumePoint(tmp_path, "f" * 64, every_seconds=3600).on_train_epoch_end(trainer(), None)
    assert not list(tmp_path.iterdir())
    ResumePoint(tmp_path, "f" * 64, every_seconds=0).on_train_epoch_end(trainer(), None)
    assert len(list(tmp_path.iterdir())) == 1


def test_a_gradient_that_is_not_finite_stops_before_the_step_and_is_named() -> None:
    network = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 1))
    network(torch.ones(1, 2)).sum().backward()
    watch = FiniteNumbers("without-0")
    watch.on_before_optimizer_step(trainer(4), network, None)  # all is well
    first = network[0].weight.grad
    assert first is not None
    first[0, 1] = float("nan")
    with pytest.raises(NotFiniteError, match=r"fit without-0, epoch 5: the gradient of 0\.weight"):
        watch.on_before_optimizer_step(trainer(4), network, None)


def test_gradients_are_clipped_by_the_norm_that_was_looked_at_as_torch_clips_them() -> None:
    def with_gradients() -> nn.Module:
        network = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))
        generator = torch.Generator().manual_seed(0)
        for parameter in network.parameters():
            parameter.grad = torch.randn(parameter.shape, generator=generator)
        return network

    expected, network = with_gradients(), with_gradients()
    norm = nn.utils.clip_grad_norm_(expected.parameters(), 0.5)
    module, watch = PcrModule({}, {}, 0, built=network), FiniteNumbers("without-0")
    watch.on_before_optimizer_step(trainer(), module, None)
    assert module.gradient_norm is not None
    assert torch.equal(module.gradient_norm, norm)
    module.configure_gradient_clipping(None, 0.5, "norm")
    for own, other in zip(network.parameters(), expected.parameters(), strict=True):
        assert torch.equal(own.grad, other.grad)
    assert module.gradient_norm is None  # the next step has a norm of its own


def test_a_failed_save_leaves_the_point_before_it(tmp_path: Path) -> None:
    point = ResumePoint(tmp_path, "f" * 64, every_seconds=0)
    point.on_train_epoch_end(trainer(1), None)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    full = trainer(2)

    def disk_full(target: Path) -> None:
        target.write_bytes(b"epo")
        raise OSError(28, "No space left on device")

    full.save_checkpoint = disk_full
    with pytest.raises(OutputError, match="the disk is full"):
        point.on_train_epoch_end(full, None)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize("loss", [float("nan"), float("inf")])
@pytest.mark.parametrize("what", ["train", "validation"])
def test_a_loss_that_is_not_finite_ends_no_epoch(what: str, loss: float) -> None:
    watch = FiniteNumbers("without-0")
    losses = {"train_loss": torch.tensor(0.5), f"{what}_loss": torch.tensor(loss)}
    with pytest.raises(NotFiniteError, match=f"epoch 1: the {what} loss"):
        watch.on_train_epoch_end(trainer(0, **losses), nn.Linear(1, 1))


def test_a_weight_that_is_not_finite_ends_no_epoch() -> None:
    network = nn.Linear(2, 2)
    watch = FiniteNumbers("without-0")
    watch.on_train_epoch_end(trainer(0, train_loss=torch.tensor(0.5)), network)
    network.bias.data[1] = float("-inf")
    with pytest.raises(NotFiniteError, match="epoch 1: the weight bias"):
        watch.on_train_epoch_end(trainer(0, train_loss=torch.tensor(0.5)), network)


def test_the_history_is_a_row_an_epoch(tmp_path: Path) -> None:
    history = History()
    history.on_train_epoch_end(trainer(0, train_loss=1.25), None)
    history.on_train_epoch_end(trainer(1, train_loss=1.0, validation_loss=1.5), None)
    history.write(tmp_path / "history.csv")
    with (tmp_path / "history.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert rows == [
        {"epoch": "1.0", "train_loss": "1.25", "validation_loss": "", "learning_rate": "0.25"},
        {"epoch": "2.0", "train_loss": "1.0", "validation_loss": "1.5", "learning_rate": "0.25"},
    ]


def test_a_resumed_history_neither_loses_nor_doubles_an_epoch() -> None:
    first = History()
    first.on_train_epoch_end(trainer(0, train_loss=1.25), None)
    resumed = History()
    resumed.load_state_dict(first.state_dict())
    resumed.on_train_epoch_end(trainer(1, train_loss=1.0), None)
    assert [row["epoch"] for row in resumed.rows] == [1.0, 2.0]
    assert len(first.rows) == 1


def test_progress_counts_epochs_from_one() -> None:
    told: list[EpochReport] = []
    EpochReporter("without-0-1", 15, told.append).on_train_epoch_end(
        trainer(4, train_loss=0.5), None
    )
    assert told == [EpochReport("without-0-1", 5, 15, 0.5)]


def watch(losses: list[float], patience: int) -> tuple[BestWeights, int]:
    """Follow an early-stopped fit whose only weight is its epoch; returns the epochs it ran."""
    best = BestWeights(patience)
    model = nn.Linear(1, 1, bias=False)
    for epoch, loss in enumerate(losses):
        nn.init.constant_(model.weight, float(epoch))
        state = trainer(epoch, validation_loss=loss)
        best.on_validation_epoch_end(state, model)
        best.on_validation_end(state, model)
        nn.init.constant_(model.weight, -1.0)  # training goes on in the same tensors
        if state.should_stop:
            return best, epoch + 1
    return best, len(losses)


def test_the_best_weights_are_those_of_the_lowest_loss() -> None:
    best, _ = watch([1.0, 0.6, 0.8, 0.7], patience=10)
    assert (best.best_epoch, best.best_loss) == (1, 0.6)
    assert best.weights is not None
    assert best.weights["weight"].item() == 1.0


def test_it_stops_after_so_many_epochs_without_a_better_one() -> None:
    _, epochs = watch([1.0, 0.9, 0.9, 0.95, 0.5], patience=2)
    assert epochs == 4


def test_a_loss_that_is_not_a_number_is_never_the_best() -> None:
    best, epochs = watch([1.0, float("nan"), float("nan"), 0.1], patience=2)
    assert best.best_epoch == 0
    assert epochs == 3


def test_the_state_of_early_stopping_survives_a_checkpoint() -> None:
    best, _ = watch([1.0, 0.6, 0.8], patience=2)
    again = BestWeights(2)
    again.load_state_dict(best.state_dict())
    state = trainer(3, validation_loss=0.7)
    again.on_validation_epoch_end(state, nn.Linear(1, 1, bias=False))
    again.on_validation_end(state, nn.Linear(1, 1, bias=False))
    assert state.should_stop
    assert again.weights is not None
    assert again.weights["weight"].item() == 1.0


def _fit_averaged(model: Any, batches: Any) -> None:
    """One epoch, averaged with a decay of a half."""
    from pytorch_lightning import Trainer

    from pcrnet.training.lightning.trainer import quiet_lightning

    with quiet_lightning():
        Trainer(
            max_epochs=1,
            accelerator="cpu",
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            callbacks=[AveragedWeights(0.5)],
        ).fit(model, batches)


def test_averaging_is_an_exponential_moving_average_of_the_weights() -> None:
    from pytorch_lightning import LightningModule
    from torch.utils.data import DataLoader

    class Climber(LightningModule):
        """Its weight rises by one a step."""

        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.zeros(1))

        def training_step(self, batch: torch.Tensor, index: int) -> torch.Tensor:
            return -self.weight.sum()

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.SGD(self.parameters(), lr=1.0)

    model = Climber()
    _fit_averaged(model, DataLoader(torch.zeros(4, 1)))
    expected = 0.0
    for step, weight in enumerate([0.0, 1.0, 2.0, 3.0, 4.0]):
        expected = weight if step <= 1 else 0.5 * expected + 0.5 * weight
    assert model.weight.item() == pytest.approx(expected)


def test_statistics_of_batch_norms_are_those_of_the_last_step() -> None:
    """Not averaged, as by torch's own AveragedModel, and not left as they were after one step."""
    from pytorch_lightning import LightningModule
    from torch.utils.data import DataLoader

    class Normalised(LightningModule):
        """A batch norm that is shown 1, 2, 3 and so on, two of each."""

        def __init__(self) -> None:
            super().__init__()
            self.norm = nn.BatchNorm1d(1, momentum=0.5)

        def training_step(self, batch: torch.Tensor, index: int) -> torch.Tensor:
            return self.norm(batch).sum()

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.SGD(self.parameters(), lr=0.1)

    model = Normalised()
    shown = torch.arange(1.0, 7.0).repeat_interleave(2)[:, None]
    _fit_averaged(model, DataLoader(shown, batch_size=2))
    expected = 0.0
    for value in range(1, 7):
        expected = 0.5 * expected + 0.5 * value
    assert model.norm.running_mean.item() == pytest.approx(expected)
    assert model.norm.num_batches_tracked.item() == 6

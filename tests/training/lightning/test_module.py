from __future__ import annotations

from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from torch import nn
from torch.utils.data import DataLoader

from pcrnet.data.dataset import Batch
from pcrnet.training.lightning.module import PcrModule, learning_rate_factor, parameter_groups


def test_the_learning_rate_climbs_in_a_line_then_falls_as_half_a_cosine() -> None:
    factors = [learning_rate_factor(step, 4, 12) for step in range(13)]
    assert factors[:4] == [0.25, 0.5, 0.75, 1.0]
    assert factors[4] == 1.0
    assert factors[8] == pytest.approx(0.5)
    assert factors[12] == pytest.approx(0.0)
    assert factors[4:] == sorted(factors[4:], reverse=True)


def test_the_cosine_is_torchs_own() -> None:
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    reference = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=20)
    for step in range(20):
        assert learning_rate_factor(step, 0, 20) == pytest.approx(reference.get_last_lr()[0])
        optimizer.step()
        reference.step()


@pytest.mark.parametrize("steps", [1, 2])
def test_the_shortest_fits_learn_something(steps: int) -> None:
    assert sum(learning_rate_factor(step, 1, steps) for step in range(steps)) > 0


def test_it_stays_at_zero_beyond_the_planned_steps() -> None:
    assert learning_rate_factor(1000, 2, 10) == 0.0


def test_weights_of_maps_decay_and_nothing_else_does() -> None:
    network = nn.ModuleDict(
        {"conv": nn.Conv3d(1, 2, 3), "norm": nn.LayerNorm(4), "linear": nn.Linear(4, 3)}
    )
    network.embedding = nn.Parameter(torch.zeros(5, 4))
    decayed, free = parameter_groups(network, 0.02, 0.5, {})
    assert decayed["lr"] == free["lr"] == 0.5
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    assert decayed["weight_decay"] == 0.02
    assert free["weight_decay"] == 0.0
    assert {names[id(p)] for p in decayed["params"]} == {"conv.weight", "linear.weight"}
    assert {names[id(p)] for p in free["params"]} == {
        "conv.bias",
        "linear.bias",
        "norm.weight",
        "norm.bias",
        "embedding",
    }


def test_dropout_repeats_with_seed_epoch_and_batch_whatever_was_drawn_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def draws(seed: int, epoch: int, batch: int, before: int = 0) -> torch.Tensor:
        module = PcrModule({}, {}, seed, built=nn.Identity())
        monkeypatch.setattr(PcrModule, "current_epoch", epoch)
        torch.rand(before)
        module.on_train_batch_start(None, batch)
        return torch.rand(4)

    first = draws(7, 3, 0)
    assert torch.equal(first, draws(7, 3, 0, before=11))
    for other in (draws(7, 4, 0), draws(8, 3, 0), draws(7, 3, 1)):
        assert not torch.equal(first, other)


@pytest.mark.parametrize(("algorithm", "largest"), [("value", 0.5), ("norm", None), (None, None)])
def test_gradients_are_clipped_by_value_or_by_norm(algorithm: str | None, largest: float | None):
    network = nn.Linear(3, 1, bias=False)
    network.weight.grad = torch.tensor([[3.0, 0.1, -4.0]])
    module = PcrModule({}, {}, 0, built=network)
    module.configure_gradient_clipping(None, 0.5, algorithm)
    found = network.weight.grad
    if largest is not None:
        torch.testing.assert_close(found, torch.tensor([[0.5, 0.1, -0.5]]))
    else:
        assert found.norm().item() == pytest.approx(0.5, rel=1e-4)
    module.configure_gradient_clipping(None, None, algorithm)
    assert network.weight.grad is found


def test_what_is_frozen_counts_in_no_norm(monkeypatch: pytest.MonkeyPatch) -> None:
    network = nn.ModuleDict({"old": nn.Linear(2, 1), "new": nn.Linear(2, 1)})
    for parameter in network.parameters():
        parameter.grad = torch.ones_like(parameter)
    module = PcrModule({}, {"freeze_epochs": 1}, 0, built=network)
    module.gradient_norm = torch.tensor(6.0).sqrt()  # of all
    names = frozenset({"old.weight", "old.bias"})
    monkeypatch.setattr("pcrnet.training.lightning.module.pretrained_names", lambda _: names)
    module.on_before_optimizer_step(None)
    module.configure_gradient_clipping(None, 1.0, "norm")
    kept = [parameter.grad for parameter in network.parameters() if parameter.grad is not None]
    assert torch.cat([one.flatten() for one in kept]).norm().item() == pytest.approx(1.0, abs=1e-4)


class _Slope(nn.Module):
    """Logits that hang on the days alone."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(1, 3)

    def forward(self, image: Any, present: Any, days: torch.Tensor, *_: Any) -> torch.Tensor:
        logits: torch.Tensor = self.linear(days)
        return logits


def _batch(patients: int, seed: int) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    allowed = torch.eye(4, dtype=torch.bool)[torch.arange(patients) % 4]
    nothing = torch.zeros(patients, 0)
    days = torch.randn(patients, 1, generator=generator)
    number = torch.arange(patients)
    return Batch(
        nothing, nothing, days, nothing, nothing, allowed, torch.zeros(patients, 3), number
    )


class _Losses(pl.Callback):
    """What was shown since the epoch began, and what Lightning says at its end."""

    def __init__(self, stop_after: int | None = None) -> None:
        self.stop_after = stop_after
        self.seen: list[tuple[float, int]] = []
        self.told: list[tuple[float, float]] = []

    def on_train_batch_end(
        self, trainer: pl.Trainer, _: Any, outputs: Any, batch: Batch, batch_idx: int
    ) -> None:
        self.seen.append((float(outputs["loss"]), len(batch.patient)))
        if trainer.global_step == self.stop_after:
            trainer.should_stop = True

    def on_train_epoch_end(self, trainer: pl.Trainer, _: Any) -> None:
        patients = sum(number for _, number in self.seen)
        mean = sum(loss * number for loss, number in self.seen) / patients
        self.told.append((mean, float(trainer.callback_metrics["train/loss"])))
        self.seen = []


@pytest.mark.filterwarnings("ignore::UserWarning:pytorch_lightning")
@pytest.mark.parametrize(
    ("steps", "stop_after", "limit", "epochs"),
    [(-1, None, None, 2), (4, None, None, 2), (-1, 2, None, 1), (-1, None, 2, 2)],
)
def test_the_loss_of_an_epoch_is_the_mean_over_its_patients_however_it_ends(
    steps: int, stop_after: int | None, limit: int | None, epochs: int
) -> None:
    losses = _Losses(stop_after)
    trainer = pl.Trainer(
        max_epochs=2,
        max_steps=steps,
        limit_train_batches=limit,
        callbacks=[losses],
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    batches: Any = DataLoader([_batch(8, 0), _batch(5, 1), _batch(3, 2)], batch_size=None)  # type: ignore[arg-type]
    trainer.fit(PcrModule({}, {}, 0, built=_Slope()), batches)
    assert len(losses.told) == epochs
    for mean, told in losses.told:
        assert told == pytest.approx(mean, rel=1e-6)

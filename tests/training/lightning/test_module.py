from __future__ import annotations

import pytest
import torch
from torch import nn

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

"""Lesions nobody has: what is told of them is what closed forms say, whatever the scanner."""

import importlib
from pathlib import Path

import numpy as np
import pytest
import torch


@pytest.fixture
def pretraining(monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2]))
    return importlib.import_module("benchmarks.pretraining")


def _points(edge):
    steps = (torch.arange(edge) + 0.5) / edge * 2 - 1
    return torch.stack(torch.meshgrid(steps, steps, steps, indexing="ij"))


def test_a_ball_has_the_gyration_of_a_ball_and_lies_in_its_own_middle(pretraining):
    edge = 24
    ball = (_points(edge).norm(dim=0) < 0.6).float()[None]
    drawn = (0.6 - _points(edge).norm(dim=0))[None]
    share, gyration, offset, *_ = pretraining.moments_of_map(ball, ball, drawn)[0].tolist()
    assert share == pytest.approx(0.0, abs=1e-5)
    assert gyration == pytest.approx(np.log(np.sqrt(0.6)), abs=0.02)
    assert offset == pytest.approx(0.0, abs=2e-3)


def test_half_a_ball_is_half_and_lies_three_eighths_of_a_radius_away(pretraining):
    edge = 24
    ball = (_points(edge).norm(dim=0) < 0.6).float()[None]
    half = ball * (_points(edge)[0] > 0)
    share, _, offset, *_ = pretraining.moments_of_map(half, ball, ball)[0].tolist()
    assert share == pytest.approx(np.log(0.5), abs=1e-5)
    assert offset == pytest.approx(3 / 8, abs=0.02)


def test_a_seed_names_its_lesions_and_inputs_are_told_in_units_of_the_lesion(pretraining):
    first, again = (pretraining.Tissue(6, 3).draw() for _ in range(2))
    assert all(torch.equal(one, other) for one, other in zip(first, again, strict=True))
    other = pretraining.Tissue(6, 4).draw()
    assert not torch.equal(first[1], other[1])
    inputs, targets, left = first
    assert inputs.shape == (6, pretraining.INPUTS, 24, 24, 24)
    assert all(torch.isfinite(each).all() for each in first)
    assert 0.0 <= left.min() <= left.max() <= 1.0
    inside = inputs[:, 3] > 0
    for maps, own in zip(inputs, inside, strict=True):
        # the lesion's median before therapy, unless near tissue itself spreads more
        assert float(maps[0][own].median()) <= 1.3
    assert (targets[:, 0] <= 1e-5).all(), "no more is left than there was"


def test_a_measurer_can_learn_a_few_pairs_by_heart(pretraining):
    torch.manual_seed(0)
    inputs, targets, _ = pretraining.Tissue(8, 5).draw()
    targets = (targets - targets.mean(0)) / targets.std(0)
    model = pretraining.Measurer()
    optimiser = torch.optim.AdamW(model.parameters(), lr=3e-3)
    losses = []
    for _ in range(30):
        loss = (model(inputs)[1] - targets).pow(2).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.5 * losses[0]

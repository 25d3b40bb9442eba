"""Counted arithmetic against closed forms; measured rates are rates."""

import pytest
import torch
from torch import nn

from pcrnet.data.dataset import Batch
from pcrnet.training.demands.roofline import bandwidth, matrix_peak, training_flops


class _Linear(nn.Module):
    """Three logits of the flat image, through a hidden layer."""

    def __init__(self):
        super().__init__()
        self.hidden = nn.Linear(10, 7, bias=False)
        self.head = nn.Linear(7, 3, bias=False)

    def forward(self, image, present, days, covariates, covariate_present):
        return self.head(self.hidden(image.flatten(1)))


def _batch(patients):
    known = torch.zeros(patients, 4, dtype=torch.bool)
    known[:, 0] = True
    nothing = torch.zeros(patients, 0)
    return Batch(
        image=torch.randn(patients, 1, 1, 10, 1, 1),
        present=torch.ones(patients, 1, 1, dtype=torch.bool),
        days=torch.zeros(patients, 1),
        covariates=nothing,
        covariate_present=nothing.bool(),
        allowed=known,
        offset=torch.zeros(patients, 3),
        patient=torch.arange(patients),
    )


def test_two_products_forward_and_three_backward_are_counted():
    network = _Linear()
    forward = 2 * 5 * (10 * 7 + 7 * 3)
    # Backward: each layer's weights again, and of the second its input too.
    backward = 2 * 5 * (10 * 7 + 2 * 7 * 3)
    assert training_flops(network, _batch(5)) == forward + backward
    assert all(parameter.grad is None for parameter in network.parameters())


@pytest.mark.parametrize("measured", [matrix_peak, bandwidth])
def test_a_cpu_does_more_than_ten_million_and_less_than_a_quadrillion_a_second(measured):
    assert 1e7 < measured(torch.device("cpu")) < 1e15

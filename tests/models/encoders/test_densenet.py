"""MONAI's dense blocks: what each layer adds, and what is declared of its pooling."""

import torch
from torch import nn

from pcrnet.models.encoders.densenet import KIND, DenseNetConfig


def _body(**settings):
    return KIND.body(DenseNetConfig(stem_width=8, initial_width=8, **settings), (16, 16, 16), 12)


def test_each_layer_adds_its_growth_and_a_transition_halves_the_channels():
    body = _body(growth=4, blocks=(2, 2))
    assert body.project.in_channels == (8 + 2 * 4) // 2 + 2 * 4
    stride = KIND.stride(DenseNetConfig(blocks=(2, 2)))
    assert body(torch.randn(1, 8, 16, 16, 16)).shape == (1, 12, *(16 // stride,) * 3)


def test_what_is_declared_of_it_is_so():
    layers = [type(layer) for layer in _body().modules()]
    assert (nn.MaxPool3d in layers or nn.AvgPool3d in layers) == (not KIND.deterministic)
    assert (nn.GroupNorm in layers) == (not KIND.absolute)

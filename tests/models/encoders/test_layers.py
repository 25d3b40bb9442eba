"""The layers that every encoder stands on."""

import torch
from torch.nn import functional

from pcrnet.models.encoders.layers import ScaledConv3d, Stem


def test_the_stem_is_a_convolution_plus_a_constant_for_each_absent_channel():
    stem = Stem(2, 5)
    image = torch.randn(1, 2, 8, 8, 8)
    only_first = stem(image, torch.tensor([[True, False]]))
    blank = torch.stack([image[:, 0], torch.zeros(1, 8, 8, 8)], dim=1)
    constant = stem.absent.weight[:, 1].reshape(1, 5, 1, 1, 1)
    torch.testing.assert_close(only_first, stem.convolution(blank) + constant)


def test_a_scaled_convolution_is_one_with_standardised_weights():
    layer = ScaledConv3d(3, 4, 3, stride=2)
    torch.nn.init.normal_(layer.gain)
    torch.nn.init.normal_(layer.bias)
    values = torch.randn(2, 3, 8, 8, 8)
    filters = layer.weight.detach().double().flatten(1)
    filters = (filters - filters.mean(1, keepdim=True)) / filters.std(1, keepdim=True, correction=0)
    filters = filters * layer.gain.detach().double()[:, None] / (3 * 27) ** 0.5
    expected = functional.conv3d(
        values.double(), filters.view(4, 3, 3, 3, 3), layer.bias.detach().double(), 2, 1
    )
    torch.testing.assert_close(layer(values).double(), expected, atol=1e-3, rtol=1e-3)


def test_a_scaled_convolution_ignores_a_shift_and_a_scale_of_its_weights():
    layer = ScaledConv3d(2, 3, 3)
    values = torch.randn(1, 2, 6, 6, 6)
    before = layer(values)
    with torch.no_grad():
        layer.weight.mul_(3.0).add_(5.0)
    torch.testing.assert_close(layer(values), before, atol=2e-3, rtol=2e-3)

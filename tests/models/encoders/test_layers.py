"""The layers that every encoder stands on."""

import torch
from torch.nn import functional

from pcrnet.models.encoders.layers import ActivatedConv3d, ScaledConv3d, Stem, standardised


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


def test_an_activated_convolution_is_a_scaled_one_of_gelu_that_keeps_the_variance():
    torch.manual_seed(2)
    layer = ActivatedConv3d(8, 6, 3)
    plain = ScaledConv3d(8, 6, 3)
    plain.load_state_dict(layer.state_dict())
    values = torch.randn(4, 8, 10, 10, 10)
    expected = plain(functional.gelu(values) * 1.7015)
    torch.testing.assert_close(layer(values), expected, atol=1e-4, rtol=1e-4)
    # Filters without a mean see the deviation of GELU alone: 1 / 1.7015 of a standard normal.
    assert 0.8 < float(layer(values).detach()[..., 2:-2, 2:-2, 2:-2].std()) < 1.2


def test_a_factor_on_the_filters_is_one_on_what_comes_out():
    layer = ScaledConv3d(3, 4, 3)
    torch.nn.init.normal_(layer.bias)
    values, factor = torch.randn(2, 3, 5, 5, 5), torch.tensor(0.3)
    torch.testing.assert_close(layer(values, factor), 0.3 * layer(values), atol=1e-5, rtol=1e-4)


def test_a_bank_of_filters_is_standardised_alike_however_it_lies_in_memory():
    weight, gain = torch.randn(5, 3, 3, 3, 3), torch.rand(5)
    last = weight.contiguous(memory_format=torch.channels_last_3d)
    torch.testing.assert_close(standardised(last, gain), standardised(weight, gain))
    assert standardised(last, gain).is_contiguous(memory_format=torch.channels_last_3d)

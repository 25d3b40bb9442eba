"""Encoders: shapes, what an absent channel may hold, and the scale that must survive."""

import pytest
import torch

from pcrnet.config.model import ENCODERS
from pcrnet.errors import ConfigError
from pcrnet.models.encoders.build import build_encoder, encoder_stride
from pcrnet.models.encoders.resnet import ResNetConfig
from pcrnet.models.encoders.vit import ViTConfig

_WIDTH = 16


@pytest.fixture
def encoder(encoder_config):
    torch.manual_seed(1)
    return build_encoder(encoder_config, 2, (16, 16, 16), _WIDTH).eval()


def _all_present(count, channels=2):
    return torch.ones(count, channels, dtype=torch.bool)


def test_the_feature_grid_is_the_input_over_the_stride(encoder_config):
    stride = encoder_stride(encoder_config)
    size = (2 * stride, stride, 3 * stride)
    encoder = build_encoder(encoder_config, 2, size, _WIDTH).eval()
    features = encoder(torch.randn(1, 2, *size), _all_present(1))
    assert features.shape == (1, _WIDTH, 2, 1, 3)


def test_a_size_the_stride_does_not_divide_is_refused_with_sizes_that_fit(encoder_config):
    stride = encoder_stride(encoder_config)
    with pytest.raises(ConfigError) as caught:
        build_encoder(encoder_config, 1, (stride, stride + 1, stride), _WIDTH)
    assert caught.value.field == "imaging.size"
    assert str([stride, 2 * stride, stride]) in caught.value.remedy


def test_heads_that_do_not_divide_the_width_are_refused():
    with pytest.raises(ConfigError, match="found 16 and 3") as caught:
        build_encoder(ViTConfig(heads=3), 1, (16, 16, 16), 16)
    assert caught.value.field == "model.encoder.heads"


def test_an_absent_channel_may_hold_anything(encoder):
    image = torch.randn(2, 2, 16, 16, 16)
    present = torch.tensor([[True, False], [True, True]])
    expected = encoder(image, present)
    image[0, 1] = torch.nan
    torch.testing.assert_close(encoder(image, present), expected, rtol=0, atol=0)


def test_absence_is_not_a_channel_of_zeros(encoder):
    image = torch.randn(1, 2, 16, 16, 16)
    image[0, 1] = 0.0
    absent = encoder(image, torch.tensor([[True, False]]))
    assert (absent - encoder(image, _all_present(1))).abs().max() > 1e-4


def test_visits_do_not_see_each_other(encoder):
    image, present = torch.randn(3, 2, 16, 16, 16), _all_present(3)
    together = encoder(image, present)
    for index in range(3):
        alone = encoder(image[index : index + 1], present[:1])
        torch.testing.assert_close(together[index : index + 1], alone, atol=1e-5, rtol=1e-4)


def test_the_absolute_scale_reaches_the_features_where_that_is_declared(encoder_config):
    torch.manual_seed(1)
    encoder = build_encoder(encoder_config, 2, (16, 16, 16), _WIDTH).eval()
    image = torch.rand(1, 2, 16, 16, 16)
    features = encoder(image, _all_present(1))
    doubled = encoder(2.0 * image, _all_present(1))
    survives = bool((doubled - features).norm() > 0.02 * features.norm())
    assert survives == ENCODERS[encoder_config.kind].absolute


def test_gradients_reach_every_parameter_and_are_finite(encoder_config):
    torch.manual_seed(2)
    encoder = build_encoder(encoder_config, 2, (16, 16, 16), _WIDTH)
    image = torch.randn(2, 2, 16, 16, 16)
    image[0, 1] = torch.nan
    features = encoder(image, torch.tensor([[True, False], [True, True]]))
    features.square().mean().backward()
    for name, parameter in encoder.named_parameters():
        assert parameter.grad is None or torch.isfinite(parameter.grad).all(), name
    assert sum(p.grad is not None for p in encoder.parameters()) > 3


def test_a_deep_residual_encoder_keeps_the_variance_of_its_input():
    torch.manual_seed(0)
    config = ResNetConfig(stem_width=24, widths=(24, 24), blocks=(3, 3))
    encoder = build_encoder(config, 4, (32, 32, 32), 64).eval()
    features = encoder(torch.randn(2, 4, 32, 32, 32), _all_present(2, 4))
    assert 0.4 < float(features.detach().std()) < 2.5

"""MONAI's backbones as encoders: grids, pruning, statistics."""

import pytest
import torch

from pcrnet.models.encoders.backbone import MonaiEncoder
from pcrnet.models.encoders.backbone_families import backbone_stride
from pcrnet.models.encoders.monai import MonaiEncoderConfig

_PRESENT = torch.ones(2, 2, dtype=torch.bool)


def _encoder(backbone, stages=None, size=(32, 32, 32)):
    torch.manual_seed(1)
    return MonaiEncoder(MonaiEncoderConfig(backbone=backbone, stages=stages), 2, size, 8)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("backbone", "stages", "stride"),
    [
        ("resnet10", 1, 4),
        ("resnet50", 3, 16),
        ("DenseNet121", 2, 8),
        ("SEResNet50", 2, 8),
        ("SEResNext50", 1, 4),
        ("SegResNet", None, 8),
        ("BasicUNet", 3, 4),
        ("SwinTransformer", 2, 8),
    ],
)
def test_stages_say_how_fine_the_grid_is_and_the_rest_is_taken_away(backbone, stages, stride):
    encoder = _encoder(backbone, stages)
    assert backbone_stride(backbone, stages) == stride
    features = encoder(torch.randn(2, 2, 32, 32, 16), _PRESENT)
    assert features.shape == (2, 8, 32 // stride, 32 // stride, 16 // stride)
    features.square().mean().backward()
    unused = [name for name, one in encoder.named_parameters() if one.grad is None]
    assert not unused  # nothing is carried along that learns nothing


@pytest.mark.slow
def test_a_transformer_has_a_token_for_each_patch():
    encoder = _encoder("ViT", size=(16, 32, 16))
    assert encoder(torch.randn(2, 2, 16, 32, 16), _PRESENT).shape == (2, 8, 1, 2, 1)


def test_frozen_statistics_stay_and_others_do_not():
    encoder = _encoder("BasicUNet", 2).train()
    image = torch.randn(2, 2, 8, 8, 8)

    def statistics():
        return {n: b.clone() for n, b in encoder.named_buffers() if n.endswith("running_mean")}

    before = statistics()
    encoder.frozen = True
    encoder(image, _PRESENT)
    assert all(torch.equal(value, statistics()[name]) for name, value in before.items())
    encoder.frozen = False
    encoder(image[:1], _PRESENT[:1])  # nothing to compare a lone visit with
    assert all(torch.equal(value, statistics()[name]) for name, value in before.items())
    encoder(image, _PRESENT)
    assert not any(torch.equal(value, statistics()[name]) for name, value in before.items())

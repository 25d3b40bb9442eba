"""MONAI's backbones as a kind of encoder: what is declared is what is built."""

import subprocess
import sys

import pytest
import torch

from pcrnet.config.model import ENCODERS
from pcrnet.models.encoders.backbone import MonaiEncoder
from pcrnet.models.encoders.backbone_families import backbone_stride
from pcrnet.models.encoders.build import build_encoder, encoder_stride
from pcrnet.models.encoders.monai import KIND, MonaiEncoderConfig


def test_it_is_registered_under_its_name():
    assert ENCODERS["monai"] is KIND
    assert MonaiEncoderConfig().kind == "monai"


@pytest.mark.parametrize(("backbone", "stages"), [("resnet18", 2), ("SegResNet", 2), ("ViT", None)])
def test_the_stride_it_declares_is_that_of_the_features(backbone, stages):
    config = MonaiEncoderConfig(backbone=backbone, stages=stages)
    assert encoder_stride(config) == backbone_stride(backbone, stages)
    stride = encoder_stride(config)
    size = (2 * stride, stride, stride)
    encoder = build_encoder(config, 1, size, 8).eval()
    assert isinstance(encoder, MonaiEncoder)
    features = encoder(torch.zeros(1, 1, *size), torch.ones(1, 1, dtype=torch.bool))
    assert features.shape == (1, 8, 2, 1, 1)


def test_the_names_of_a_resnet_are_those_of_medicalnet():
    """Med3D's state dict (Chen et al. 2019): conv1, bn1, layer1.0.conv1 and so on."""
    built = build_encoder(MonaiEncoderConfig(backbone="resnet18", stages=1), 1, (16, 16, 16), 8)
    names = {name.removeprefix("network.") for name in built.state_dict()}
    expected = {"conv1.weight", "bn1.weight", "layer1.0.conv1.weight", "layer1.1.bn2.running_var"}
    assert expected <= names


def test_declaring_it_loads_no_torch():
    program = "import sys, pcrnet.models.encoders.monai; print('torch' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"

"""Small networks of every kind, and patients with gaps."""

from functools import cache

import pytest
import torch

from pcrnet.config.data import DataConfig
from pcrnet.config.imaging import ImagingConfig
from pcrnet.config.model import (
    ConcatFusionConfig,
    ConvNeXtConfig,
    DenseNetConfig,
    GatedFusionConfig,
    ModelConfig,
    ResNetConfig,
    SwinConfig,
    TransformerFusionConfig,
    ViTConfig,
)
from pcrnet.models.network import NetworkInput, PcrNet

_ENCODERS = {
    "resnet": ResNetConfig(stem_width=6, widths=(8, 12)),
    "convnext": ConvNeXtConfig(stem_width=6, widths=(8, 12)),
    "densenet": DenseNetConfig(stem_width=8, growth=4, blocks=(2,), initial_width=8),
    "vit": ViTConfig(stem_width=6, depth=1),
    "swin": SwinConfig(stem_width=6, width=8),
}
_FUSIONS = {
    "concat": ConcatFusionConfig(hidden=16),
    "gated": GatedFusionConfig(hidden=16),
    "transformer": TransformerFusionConfig(depth=1),
}


@cache
def build_network(encoder, fusion):
    """An untrained network on 16³ voxels with two covariates of two and one features."""
    torch.manual_seed(3)
    network = PcrNet(
        DataConfig(branches={"pet": ("pet",), "mri": ("t2", "adc")}),
        ImagingConfig(size=(16, 16, 16)),
        ModelConfig(width=16, encoder=_ENCODERS[encoder], fusion=_FUSIONS[fusion]),
        covariate_of_feature=(0, 0, 1),
        covariates=2,
    )
    return network.eval()


@pytest.fixture(params=sorted(_ENCODERS))
def encoder_config(request):
    """Every kind of encoder."""
    return _ENCODERS[request.param]


@pytest.fixture(
    params=[(encoder, fusion) for encoder in _ENCODERS for fusion in _FUSIONS], ids="-".join
)
def network(request):
    """Every encoder with every fusion; tests do not change it."""
    return build_network(*request.param)


@pytest.fixture
def default_network():
    """The default encoder and fusion; tests do not change it."""
    return build_network("resnet", "transformer")


@pytest.fixture
def patients():
    """Four patients: complete; one visit; gaps in both visits; a single channel and no age."""
    generator = torch.Generator().manual_seed(7)
    image = 3.0 * torch.rand(4, 2, 3, 16, 16, 16, generator=generator)
    present = torch.ones(4, 2, 3, dtype=torch.bool)
    present[1, 1] = False
    present[2, 0, 0] = present[2, 1, 1] = False
    present[3] = False
    present[3, 0, 0] = True
    return NetworkInput(
        image=image,
        present=present,
        days=torch.tensor([[0.0, 42.0], [-3.0, torch.nan], [0.0, 60.0], [torch.nan, torch.nan]]),
        covariates=torch.tensor([[1.0, 0, 0.3], [0, 1.0, -1.0], [0, 1.0, 2.0], [1.0, 0, 0.0]]),
        covariate_present=torch.tensor([[True, True]] * 3 + [[True, False]]),
    )

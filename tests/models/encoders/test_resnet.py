"""The residual encoder: its stages, and how it begins."""

import pytest
import torch

from pcrnet.config.layers import load_experiment
from pcrnet.errors import ConfigError
from pcrnet.models.encoders.layers import Downsample, ResidualBlock
from pcrnet.models.encoders.resnet import KIND, ResNetConfig


def _body(**settings):
    torch.manual_seed(0)
    return KIND.body(ResNetConfig(stem_width=4, **settings), (8, 8, 8), 16)


def test_each_stage_halves_the_grid_once_whatever_its_blocks():
    body = _body(widths=(8, 12), blocks=(0, 3))
    assert [type(layer) for layer in body.stages] == [Downsample] * 2 + [ResidualBlock] * 3
    assert body(torch.randn(1, 4, 8, 8, 8)).shape == (1, 16, 2, 2, 2)
    assert KIND.stride(ResNetConfig(widths=(8, 12, 16), blocks=(1, 1, 1))) == 8


def test_a_block_begins_near_the_identity():
    torch.manual_seed(1)
    block, values = ResidualBlock(16), torch.randn(4, 16, 6, 6, 6)
    assert float((block(values) - values).detach().std()) == pytest.approx(0.2, rel=0.4)
    with torch.no_grad():
        block.skip_gain.zero_()
    torch.testing.assert_close(block(values), values)


def test_lists_of_unequal_length_are_refused_by_their_key():
    with pytest.raises(ConfigError, match="widths has 2, blocks has 1"):
        load_experiment(["model.encoder.widths=[8,12]", "model.encoder.blocks=[1]"])

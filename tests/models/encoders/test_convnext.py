"""ConvNeXt: depthwise over space, and nothing that normalises over it."""

import torch

from pcrnet.models.encoders.convnext import KIND, ConvNeXtConfig
from pcrnet.models.encoders.layers import ConvNeXtBlock


def test_the_stages_are_as_many_as_the_widths():
    config = ConvNeXtConfig(stem_width=4, widths=(6, 8), blocks=(1, 2))
    body = KIND.body(config, (8, 8, 8), 16)
    assert sum(isinstance(layer, ConvNeXtBlock) for layer in body.stages) == 3
    assert body(torch.randn(2, 4, 8, 8, 8)).shape == (2, 16, 2, 2, 2)
    assert KIND.stride(config) == 4


def test_a_block_looks_two_voxels_far_and_no_further():
    torch.manual_seed(0)
    block = ConvNeXtBlock(4).eval()
    values = torch.randn(1, 4, 9, 9, 9)
    other = values.clone()
    other[:, :, 4, 4, 4] += 1.0
    moved = (block(other) - block(values)).detach().abs().amax(dim=(0, 1)) > 1e-6
    where = moved.nonzero()
    assert where.min() == 2
    assert where.max() == 6


def test_the_layer_norm_is_over_channels_of_one_voxel():
    norms = [m for m in KIND.body(ConvNeXtConfig(), (8, 8, 8), 16).modules()
             if "Norm" in type(m).__name__]  # fmt: skip
    assert {type(norm).__name__ for norm in norms} == {"LayerNorm"}
    assert {tuple(norm.normalized_shape) for norm in norms} == {(32,), (64,)}

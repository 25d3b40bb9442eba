"""The shifted-window transformer: its last stage, without a norm that hides the scale."""

import pytest
import torch

from pcrnet.config.layers import load_experiment
from pcrnet.errors import ConfigError
from pcrnet.models.encoders.layers import ContiguousStages
from pcrnet.models.encoders.swin import KIND, SwinConfig


@pytest.mark.parametrize(("depths", "stride"), [((2,), 4), ((2, 2), 8)])
def test_each_stage_halves_the_grid_and_doubles_the_channels(depths, stride):
    config = SwinConfig(stem_width=4, width=8, depths=depths, heads=(2,) * len(depths))
    body = KIND.body(config, (8, 8, 8), 16).eval()
    assert KIND.stride(config) == stride
    assert body.project.in_channels == 8 * 2 ** len(depths)
    assert body(torch.randn(1, 4, 8, 8, 8)).shape == (1, 16, *(8 // stride,) * 3)


def test_a_stage_is_given_its_input_in_one_piece():
    class Stage(torch.nn.Module):
        def forward(self, values):
            assert values.is_contiguous()
            return (values + 1).transpose(2, 4)

    stages = ContiguousStages([Stage(), Stage()])
    values = torch.randn(1, 2, 3, 4, 5)
    torch.testing.assert_close(stages(values), values + 2)


def test_a_stage_without_heads_is_refused():
    with pytest.raises(ConfigError, match="depths has 2, heads has 1"):
        load_experiment(["model.encoder.kind=swin", "model.encoder.depths=[2,2]"])

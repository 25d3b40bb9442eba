"""What a network may allocate while it is built is counted before it is allocated."""

import pytest
import torch
from torch import nn

from pcrnet.config.layers import load_experiment
from pcrnet.data.clinical import ClinicalEncoding
from pcrnet.models.allowance import SPARE_VALUES, TooLargeError, allowance
from pcrnet.models.kinds import KINDS

_SMALL = ["imaging.size=[32,32,32]"]


def _build(overrides, values):
    experiment = load_experiment([*_SMALL, *overrides])
    with allowance(values):
        return KINDS["network"].build(
            experiment.model, experiment.data, experiment.imaging, ClinicalEncoding(())
        )


def _weights(overrides):
    experiment = load_experiment([*_SMALL, *overrides])
    network = KINDS["network"].build(
        experiment.model, experiment.data, experiment.imaging, ClinicalEncoding(())
    )
    return sum(value.numel() for value in network.state_dict().values())


@pytest.mark.parametrize("kind", ["resnet", "convnext", "densenet", "vit", "swin"])
def test_every_encoder_is_built_within_the_number_of_its_weights(kind):
    overrides = [f"model.encoder.kind={kind}"]
    assert isinstance(_build(overrides, _weights(overrides)), nn.Module)


@pytest.mark.parametrize(
    "overrides",
    [
        ["model.width=100000000"],
        ["model.encoder.stem_width=100000000"],
        ["model.encoder.blocks=[100000000,1]"],
        ["model.fusion.depth=100000000"],
        ["model.fusion.mlp_ratio=1e9"],
        ["model.encoder.kind=vit", "model.encoder.depth=100000000"],
        ["model.encoder.kind=swin", "model.encoder.width=100000000"],
        ["model.encoder.kind=densenet", "model.encoder.growth=100000000"],
    ],
)
def test_a_network_of_another_size_is_not_begun(overrides):
    with pytest.raises(TooLargeError):
        _build(overrides, 500_000)


def test_what_is_allowed_may_be_made_however_its_shape_is_given():
    with allowance(1):
        torch.empty(SPARE_VALUES - 4096)
    with allowance(0), pytest.raises(TooLargeError):
        torch.zeros(size=(SPARE_VALUES, 2))
    with allowance(0), pytest.raises(TooLargeError):
        nn.Linear(SPARE_VALUES, 2)

"""What the names of MONAI's backbones say of them."""

from itertools import pairwise
from typing import get_args

import pytest

from pcrnet.errors import ConfigError
from pcrnet.models.encoders.backbone_families import Backbone, backbone_stride, family, stage_count


@pytest.mark.parametrize("backbone", get_args(Backbone))
def test_each_stage_is_as_coarse_as_the_one_before_or_twice_so(backbone):
    stages = range(1, stage_count(backbone, None) + 1)
    strides = [backbone_stride(backbone, count) for count in stages]
    assert {after / before for before, after in pairwise(strides)} <= {2.0}
    assert backbone_stride(backbone, None) == strides[-1]
    assert backbone.startswith(family(backbone))


@pytest.mark.parametrize("backbone", get_args(Backbone))
def test_more_stages_than_there_are_is_refused(backbone):
    there = stage_count(backbone, None)
    with pytest.raises(ConfigError, match=f"has {there} stages, found {there + 1}") as caught:
        backbone_stride(backbone, there + 1)
    assert caught.value.field == "model.encoder.stages"

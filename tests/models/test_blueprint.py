"""What a checkpoint says of its network builds the same network again."""

import json

import pytest
import torch

from pcrnet.config.data import DataConfig
from pcrnet.config.imaging import ImagingConfig
from pcrnet.config.model import GatedFusionConfig, NetworkConfig
from pcrnet.data.clinical import CategoricalEncoding, ClinicalEncoding, NumericEncoding
from pcrnet.errors import IntegrityError
from pcrnet.models.blueprint import NetworkBlueprint
from pcrnet.models.encoders.resnet import ResNetConfig
from pcrnet.models.monai_rival import MonaiConfig
from pcrnet.models.rivals.clinical import ClinicalConfig

_ENCODING = ClinicalEncoding(
    (NumericEncoding("age", 50.0, 9.0), CategoricalEncoding("grade", ("high", "low")))
)
_MODELS = [
    NetworkConfig(
        width=16,
        encoder=ResNetConfig(stem_width=4, widths=(8,), blocks=(0,)),
        fusion=GatedFusionConfig(hidden=8),
    ),
    MonaiConfig(backbone="resnet10", features=4),
]


def _blueprint(model):
    data = DataConfig(cohort="/home/jane/cohort.csv", branches={"pet": ("pet",), "mr": ("t2",)})
    return NetworkBlueprint(model, data, ImagingConfig(size=(8, 8, 8)), _ENCODING)


@pytest.mark.parametrize("model", _MODELS, ids=lambda model: model.kind)
def test_a_network_is_built_again_from_json(model):
    blueprint = _blueprint(model)
    text = json.dumps(blueprint.to_dict())
    assert "jane" not in text
    torch.manual_seed(3)
    network = blueprint.build()
    torch.manual_seed(3)
    again = NetworkBlueprint.from_dict(json.loads(text)).build()
    for (name, value), (other, copy) in zip(
        network.state_dict().items(), again.state_dict().items(), strict=True
    ):
        assert name == other
        assert torch.equal(value, copy)


def test_a_model_without_a_network_builds_none():
    with pytest.raises(ValueError, match="clinical"):
        _blueprint(ClinicalConfig()).build()


@pytest.mark.parametrize(
    "change",
    [
        {"model": {"kind": "network", "widht": 3}},
        {"imaging": None},
        {"encoding": [{"kind": "numeric"}]},
        {"encoding": 3},
    ],
)
def test_damaged_descriptions_are_refused(change):
    with pytest.raises(IntegrityError, match="describes no network"):
        NetworkBlueprint.from_dict(_blueprint(_MODELS[0]).to_dict() | change)


def test_a_description_that_lacks_a_part_is_refused():
    with pytest.raises(IntegrityError):
        NetworkBlueprint.from_dict({})

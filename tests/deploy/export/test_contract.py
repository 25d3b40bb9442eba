"""The contract says what the graph takes, in the words of the configuration."""

from typing import get_args

import numpy as np
import pytest

from pcrnet.config.imaging import ChannelKind
from pcrnet.deploy.bundle import Bundle
from pcrnet.deploy.export import contract as contract_module
from pcrnet.deploy.export.contract import describe_contract
from pcrnet.deploy.export.spec import GraphSpec


@pytest.fixture(scope="module")
def bundle(network_bundle):
    return Bundle.read(network_bundle)


@pytest.fixture(scope="module")
def contract(bundle):
    inputs = GraphSpec.of(bundle).inputs()
    return describe_contract(bundle, inputs, files={}, graph={"file": "m"}, agreements=())


def test_every_kind_of_channel_has_its_words_and_its_usual_range():
    assert set(contract_module._SCALE) == set(get_args(ChannelKind))
    assert set(contract_module._USUAL) == set(get_args(ChannelKind))


def test_shapes_follow_from_the_names(contract):
    shapes = {each["name"]: each["shape"] for each in contract["inputs"]}
    assert shapes["image"] == ["batch", 2, 2, 8, 8, 8]
    assert shapes["quantities"] == ["batch", len(contract["quantities"])]
    assert shapes["covariates"] == ["batch", len(contract["covariates"])]


def test_units_and_categories(contract):
    assert [(each["name"], each["unit"]) for each in contract["channels"]] == [
        ("pet", "SUVbw"),
        ("adc", "1e-3 mm2/s"),
    ]
    age, grade = contract["covariates"]
    assert age["of_training"]["mean"] == pytest.approx(54.5, abs=0.1)
    assert grade["categories"] == ["high", "low", "rare"]
    assert contract["simulated"] is True


def test_what_is_believed_of_a_quantity_is_where_it_is_drawn_in(contract, bundle):
    standard = bundle.model.start.standardisation
    specs = [spec.name for spec in bundle.model.start.specs]
    for each in contract["quantities"]:
        index = specs.index(each["name"])
        low, high = each["believed"]
        values = np.zeros((1, len(standard.centre)))
        inside = standard.apply(values + low)[0, index]
        assert inside == pytest.approx(standard.low[index])
        inside = standard.apply(values + high + 1.0)[0, index]
        assert inside == pytest.approx(standard.high[index])

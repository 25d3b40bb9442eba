"""Walking the sections of the experiment."""

import pytest

from pcrnet.config.experiment import Experiment
from pcrnet.config.imaging import NoAlignment, RigidAlignment
from pcrnet.config.model import NetworkConfig
from pcrnet.config.schema import all_keys, fields_of, is_kind, kind_of, members_of, section_at


def test_the_members_of_a_choice_are_its_sections_in_order():
    annotation = fields_of(type(Experiment().imaging))["alignment"].annotation
    assert members_of(annotation) == [NoAlignment, RigidAlignment]
    assert members_of(int) == []
    assert fields_of("no section") == {}


def test_the_section_at_a_key_is_chosen_by_the_last_kind_that_is_stated():
    imaging = type(Experiment().imaging)
    assert section_at(imaging, "alignment", {"kind": "none"}, {"kind": "rigid"}) is RigidAlignment
    assert section_at(imaging, "alignment", {"kind": "none"}, {}) is NoAlignment
    assert section_at(imaging, "alignment") is RigidAlignment  # the default's
    assert section_at(imaging, "size") is None
    assert section_at(imaging, "no_such_key") is None


def test_a_kind_that_is_not_stated_is_that_of_the_default():
    assert kind_of(Experiment, "model", {}) == "network"
    assert kind_of(Experiment, "model", {"kind": "clinical"}) == "clinical"
    assert kind_of(Experiment, "no_such_key", {}) is None


def test_every_key_reaches_the_settings_it_names():
    keys = all_keys(Experiment)
    assert {"model.encoder.patch", "model.backbone", "imaging.alignment.engine"} <= set(keys)
    for name in NetworkConfig.model_fields:
        assert f"model.{name}" in keys


@pytest.mark.parametrize(
    ("path", "part", "expected"),
    [
        ("model", "monai", True),
        ("model", "vit", False),
        ("model.encoder", "vit", True),
        ("imaging.size", "vit", False),
        ("nowhere", "vit", False),
    ],
)
def test_a_word_is_a_kind_only_where_it_can_be_chosen(path, part, expected):
    assert is_kind(path, part) is expected

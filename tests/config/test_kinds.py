"""Finding what modules declare: by name, in order, each once."""

import sys
from types import ModuleType
from typing import Literal

import pytest

from pcrnet.config.kinds import EncoderKind, EncoderSettings, ModelKind, declared, kind_name
from pcrnet.config.model import ENCODER_MODULES, ENCODERS, RIVAL_MODULES, RIVALS


class _Round(EncoderSettings):
    kind: Literal["round"] = "round"


@pytest.fixture
def module(monkeypatch):
    """Makes a module of that name with that KIND."""

    def make(name, kind):
        made = ModuleType(name)
        made.KIND = kind
        monkeypatch.setitem(sys.modules, name, made)
        return name

    return make


def _encoder():
    return EncoderKind(_Round, lambda config: 1, lambda config, size, width: None)


def test_a_kind_bears_the_name_that_its_settings_choose_it_by(module):
    kind = _encoder()
    assert declared(EncoderKind, (module("one", kind),)) == {"round": kind}
    assert kind_name(_Round) == "round"


def test_a_module_that_declares_nothing_or_something_else_is_named(module):
    with pytest.raises(TypeError, match="empty has no KIND of type EncoderKind"):
        declared(EncoderKind, (module("empty", None),))
    with pytest.raises(TypeError, match="other has no KIND of type ModelKind"):
        declared(ModelKind, (module("other", _encoder()),))


def test_two_kinds_of_one_name_are_refused(module):
    with pytest.raises(TypeError, match="another kind round"):
        declared(EncoderKind, (module("one", _encoder()), module("two", _encoder())))


def test_a_kind_trains_where_it_builds_a_network():
    assert {name for name, kind in RIVALS.items() if kind.trains} == {"monai"}


def test_what_is_registered_is_what_is_there():
    assert len(ENCODER_MODULES) == len(ENCODERS)
    assert len(RIVAL_MODULES) == len(RIVALS)
    assert all(kind.settings().kind == name for name, kind in (ENCODERS | RIVALS).items())
    assert all(kind.settings.title and kind.made.endswith(".") for kind in RIVALS.values())

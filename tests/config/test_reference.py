"""The reference lists every key once, with a meaning, and what it says can be pasted."""

import subprocess
import sys
from pathlib import Path

import pytest

from pcrnet.cli import main
from pcrnet.config.experiment import Experiment
from pcrnet.config.layers import load_experiment
from pcrnet.config.reference import sections
from pcrnet.config.schema import all_keys

_ROOT = Path(__file__).parents[2]
_KEYS = [key for section in sections() for key in section.keys]


def test_every_key_that_can_be_set_is_listed():
    paths = {key.path for key in _KEYS}
    settable = set(all_keys(Experiment))
    containers = {key for key in settable if any(other.startswith(f"{key}.") for other in settable)}
    assert paths == settable - containers


@pytest.mark.parametrize("key", _KEYS, ids=lambda key: key.path)
def test_every_key_has_a_meaning_in_one_sentence_or_more(key):
    assert key.meaning.endswith(".")
    assert key.values


def test_the_defaults_as_listed_are_the_defaults():
    of_other_kinds = [
        section for section in sections() if ".kind=" in section.title and section.keys
    ]
    skipped = {key.path for section in of_other_kinds for key in section.keys}
    arguments = [f"{key.path}={key.default}" for key in _KEYS if key.path not in skipped]
    assert load_experiment(arguments) == Experiment()
    for section in of_other_kinds:
        keys = [f"{key.path}={key.default}" for key in section.keys]
        assert load_experiment([section.title, *keys]) == load_experiment([section.title])


@pytest.mark.parametrize("command", ["train.py", "pcrnet"])
def test_the_help_of_training_lists_the_keys(command, capsys):
    if command == "pcrnet":
        with pytest.raises(SystemExit) as end:
            main(["train", "--help"])
        assert end.value.code == 0
        said = capsys.readouterr().out
    else:
        said = subprocess.run(
            [sys.executable, _ROOT / command, "--help"], capture_output=True, text=True, check=True
        ).stdout
    assert all(f"{key.path}={key.default}" in said for key in _KEYS)
    assert max(map(len, said.splitlines())) < 130

"""A subcommand is its module: registered once, with its options and its help."""

import argparse

import pytest

from pcrnet.commands.registry import Commands


@pytest.fixture
def program():
    return argparse.ArgumentParser(prog="toy")


def test_a_command_brings_its_options_and_what_it_runs(program):
    ran = []
    command = Commands(program).add("greet", ran.append, "say a word")
    command.add_argument("word")
    options = program.parse_args(["greet", "hello"])
    options.run(options)
    assert ran == [options]
    assert options.word == "hello"
    assert not options.takes_overrides


def test_options_are_never_abbreviated(program):
    Commands(program).add("greet", print, "say a word").add_argument("--loudly")
    with pytest.raises(SystemExit):
        program.parse_args(["greet", "--loud", "yes"])


def test_the_keys_are_listed_where_the_command_says_so(program):
    commands = Commands(program)
    train = commands.add("train", print, "train", overrides=True)
    assert "training.max_epochs" not in train.format_help()
    assert "pcrnet train --help" in train.format_help()
    train.lists_settings = True
    assert "training.max_epochs" in train.format_help()

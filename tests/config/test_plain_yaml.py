"""YAML as plain data: nothing is run, numbers are those of YAML 1.2, text stays text."""

import os
import time

import pytest

from pcrnet.config.layers import load_experiment
from pcrnet.config.plain_yaml import read_yaml
from pcrnet.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "expected"), [("3e-4", 3e-4), ("1E-3", 1e-3), (".5", 0.5), ("+2.", 2.0), ("1", 1.0)]
)
def test_numbers_are_read_as_in_yaml_1_2(text, expected):
    assert load_experiment([f"training.learning_rate={text}"]).training.learning_rate == expected


@pytest.mark.parametrize(("text", "expected"), [("010", 10), ("0x1F", 31), ("0o17", 15), ("+7", 7)])
def test_whole_numbers_are_read_as_in_yaml_1_2(text, expected):
    assert load_experiment([f"run.seed={text}"]).run.seed == expected


@pytest.mark.parametrize(
    "text", ["1:30", "1_000", "0b11", "true", "'5'", "1" * 5000, "0x" + "f" * 99]
)
@pytest.mark.parametrize("key", ["training.max_epochs", "training.learning_rate"])
def test_what_is_no_number_in_yaml_1_2_is_no_number(refusal, key, text):
    assert key in refusal(f"{key}={text}")


def test_a_number_is_no_truth_value(refusal):
    assert "augmentation.enabled" in refusal("augmentation.enabled=1")


@pytest.mark.parametrize(
    "text", ["no", "yes", "on", "off", "y", "2025-06-01", "12:30", "1_000", "<<"]
)
def test_words_that_yaml_1_1_would_turn_into_something_else_stay_text(text):
    assert load_experiment([f"tracking.project={text}"]).tracking.project == text


def test_python_tags_are_refused_and_nothing_is_run(refusal, write, tmp_path):
    mark = tmp_path / "mark"
    text = f"run: !!python/object/apply:pathlib.Path.touch [!!python/name:x '{mark}']"
    with pytest.raises(ConfigError, match="not plain YAML"):
        read_yaml(tmp_path / write(tmp_path / "a.yaml", text))
    refusal("run.name=!!python/object/apply:os.getcwd []")
    assert not mark.exists()


@pytest.mark.parametrize(
    "text",
    ["0x_", "!!bool x", "!!timestamp x", "!!int x", "2025-13-41x: [", "!!binary aGk=", "!!set {a}"],
)
def test_malformed_scalars_are_an_error_of_the_user(refusal, text):
    refusal(f"run.seed={text}")


@pytest.mark.parametrize(
    "text", ["run: {seed: 1, seed: 2}", "run: {seed: 1}\nrun: {name: a}", "- 1\n", "run: [", "3"]
)
def test_a_file_that_is_no_plain_mapping_is_refused_by_name(refusal, write, tmp_path, text):
    path = write(tmp_path / "a.yaml", text)
    assert path in refusal(path)


def test_a_file_that_cannot_be_read_is_refused_by_name(refusal, tmp_path):
    assert "nowhere.yaml" in refusal(str(tmp_path / "nowhere.yaml"))
    (tmp_path / "latin.yaml").write_bytes("run: {name: Zürich}".encode("latin-1"))
    assert "latin.yaml" in refusal(str(tmp_path / "latin.yaml"))


_BOMBS = {
    "aliases": "a0: &a0 [x, x]\n"
    + "\n".join(f"a{i + 1}: &a{i + 1} [{', '.join(9 * [f'*a{i}'])}]" for i in range(9)),
    "an alias in a circle": "run: &run {name: *run}",
    "deep lists": "run: " + "[" * 20_000,
    "deep block": "\n".join(" " * i + "a:" for i in range(300)),
    "keys in keys": "? " * 40 + "a",
    "mappings as keys": "{" * 30 + "a" + ": 1}" * 30,
    "long": "run: {name: " + "a" * 100_000 + "}",
    "many wrong keys": "{" + ", ".join(f"trainin{i}: 1" for i in range(4000)) + "}",
    "one long wrong key": "x" * 60_000 + ": 1",
}


@pytest.mark.parametrize("text", _BOMBS.values(), ids=_BOMBS)
def test_a_hostile_file_is_refused_at_once_in_few_words(refusal, write, tmp_path, text):
    start = time.process_time()
    said = refusal(write(tmp_path / "a.yaml", text))
    assert time.process_time() - start < 2.0
    assert len(said) < 10_000


def test_what_is_wrong_is_named_by_file_and_line(refusal, write, tmp_path):
    path = write(tmp_path / "a.yaml", "run:\n  seed: 1\ndata: {a: 1, a: 2}\n  cohort: x\n")
    assert f"{path}: is not plain YAML: " in (said := refusal(path))
    assert "line 4, column 3" in said


def test_an_alias_stands_for_its_value(write, tmp_path):
    path = write(tmp_path / "a.yaml", "run: {seed: &n 7}\ndata: {simulation: {seed: *n}}")
    assert load_experiment([path]).data.simulation.seed == 7


def test_a_pipe_is_not_waited_for(refusal, tmp_path):
    os.mkfifo(tmp_path / "a.yaml")
    assert "no regular file" in refusal(str(tmp_path / "a.yaml"))

"""YAML as plain data: nothing is run, numbers are those of YAML 1.2, text stays text."""

import pytest

from pcrnet.config.layers import load_experiment
from pcrnet.config.plain_yaml import read_yaml
from pcrnet.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "expected"), [("3e-4", 3e-4), ("1E-3", 1e-3), (".5", 0.5), ("+2.", 2.0), ("1", 1.0)]
)
def test_numbers_are_read_as_in_yaml_1_2(text, expected):
    assert load_experiment([f"training.learning_rate={text}"]).training.learning_rate == expected


@pytest.mark.parametrize("text", ["no", "yes", "on", "off", "y", "2025-06-01", "12:30:00x"])
def test_words_that_yaml_1_1_would_turn_into_something_else_stay_text(text):
    assert load_experiment([f"tracking.project={text}"]).tracking.project == text


def test_python_tags_are_refused_and_nothing_is_run(refusal, write, tmp_path):
    mark = tmp_path / "mark"
    text = f"run: !!python/object/apply:pathlib.Path.touch [!!python/name:x '{mark}']"
    with pytest.raises(ConfigError, match="not plain YAML"):
        read_yaml(tmp_path / write(tmp_path / "a.yaml", text))
    refusal("run.name=!!python/object/apply:os.getcwd []")
    assert not mark.exists()


@pytest.mark.parametrize("text", ["0x_", "!!bool x", "!!timestamp x", "!!int x", "2025-13-41x: ["])
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

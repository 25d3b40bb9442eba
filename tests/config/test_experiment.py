"""The experiment as a record: written, read back, and the folders that follow from it."""

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from pcrnet.config.layers import load_experiment, parse_experiment
from pcrnet.config.plain_yaml import read_yaml


def _reread(experiment, path):
    return parse_experiment(read_yaml(path)) if path.write_text(experiment.to_yaml()) else None


_NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,6}", fullmatch=True)


@settings(max_examples=20, deadline=None)
@given(
    name=_NAMES,
    project=st.text(
        st.characters(codec="utf-8", categories=["L", "N", "P", "S", "Zs"]), max_size=8
    ),
    rate=st.floats(1e-300, 1e300),
    encoder=st.sampled_from(["resnet", "convnext", "densenet", "vit", "swin"]),
    branches=st.dictionaries(
        st.from_regex(r"[a-z0-9]{1,4}", fullmatch=True), st.just(0), min_size=1
    ),
)
def test_the_resolved_yaml_reads_back_unchanged(
    tmp_path_factory, name, project, rate, encoder, branches
):
    experiment = parse_experiment(
        {
            "run": {"name": name},
            "tracking": {"project": project},
            "training": {"learning_rate": rate},
            "model": {"encoder": {"kind": encoder}},
            "data": {"branches": {key: [f"{key}_channel"] for key in branches}},
        }
    )
    assert _reread(experiment, tmp_path_factory.getbasetemp() / "config.yaml") == experiment


@pytest.mark.parametrize("name", ["1e5", "1.5", "2025-06-01", "no", "on", "0x1F", "null", "1_000"])
def test_text_that_looks_like_something_else_survives_the_file(tmp_path, name):
    experiment = load_experiment([f"run.name='{name}'"])
    assert experiment.run.name == name
    assert _reread(experiment, tmp_path / "a.yaml") == experiment
    # Other programs read the file by the rules of YAML 1.1.
    assert yaml.safe_load(experiment.to_yaml())["run"]["name"] == name


def test_what_is_shown_to_others_names_no_folder():
    experiment = load_experiment(
        [
            "run.root=/home/jane/runs",
            "data.cohort=/home/jane/cohort.csv",
            "data.cache=/home/jane/cache",
            "evaluation.protocol=/home/jane/protocol.yaml",
            "evaluation.answers=/home/jane/answers.yaml",
        ]
    )
    shown = experiment.without_paths()
    assert "jane" not in shown.to_yaml()
    assert shown.evaluation.answers == "answers.yaml"


def test_the_directories_follow_from_run_root():
    experiment = load_experiment(["run.root=there", "run.name=a"])
    assert experiment.run.directory.as_posix() == "there/a"
    assert experiment.cache_directory.as_posix() == "there/cache"
    assert load_experiment(["data.cache=c"]).cache_directory.as_posix() == "c"

"""Layered configuration: files and overrides become one frozen, plain experiment."""

import json
from itertools import pairwise

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from pcrnet.config import (
    ConvNeXtConfig,
    Experiment,
    GatedFusionConfig,
    ImagingConfig,
    SensitivityRule,
    ViTConfig,
    load_experiment,
    parse_experiment,
    read_yaml,
)
from pcrnet.errors import ConfigError


def _write(path, text):
    path.write_text(text, encoding="utf-8")
    return str(path)


def _refusal(*arguments):
    with pytest.raises(ConfigError) as caught:
        load_experiment(arguments)
    return str(caught.value)


def _reread(experiment, path):
    return parse_experiment(read_yaml(path)) if path.write_text(experiment.to_yaml()) else None


# Layers


def test_without_arguments_every_value_is_its_default():
    assert load_experiment() == Experiment()


def test_later_layers_win_and_leave_what_they_do_not_name(tmp_path):
    first = _write(tmp_path / "a.yaml", "training: {max_epochs: 3, batch_size: 2}")
    second = _write(tmp_path / "b.yml", "training: {max_epochs: 5}")
    training = load_experiment([first, "training.batch_size=4", second]).training
    assert (training.max_epochs, training.batch_size) == (5, 4)
    assert load_experiment([second, first]).training.max_epochs == 3


@pytest.mark.parametrize(
    "arguments",
    [
        ["training.max_epochs=7"],
        ["--training.max_epochs=7"],
        ["--training.max_epochs", "7"],
        ["training={max_epochs: 7}"],
    ],
)
def test_an_override_may_be_written_in_four_ways(arguments):
    assert load_experiment(arguments).training.max_epochs == 7


def test_an_empty_file_changes_nothing(tmp_path):
    assert load_experiment([_write(tmp_path / "empty.yaml", "# nothing\n")]) == Experiment()


def test_a_value_may_hold_an_equals_sign_and_a_file_name():
    assert load_experiment(["data.cohort=a=b.yaml"]).data.cohort == "a=b.yaml"


# Kinds


@pytest.mark.parametrize(
    ("key", "size", "kinds"),
    [
        (
            "model.encoder",
            "stem_width=7",
            ["convnext", "densenet", "vit", "swin", "resnet"],
        ),
        ("model.fusion", "hidden=7", ["gated", "concat"]),
    ],
)
def test_another_kind_replaces_the_section_with_its_own_defaults(key, size, kinds):
    name = size.partition("=")[0]
    for before, after in pairwise(kinds):
        section = load_experiment(
            [f"{key}.kind={before}", f"{key}.{size}", f"{key}.kind={after}"]
        ).model
        replaced = getattr(section, key.rpartition(".")[2])
        assert replaced == type(replaced)()
        assert replaced.kind == after
        assert getattr(replaced, name) != 7


def test_the_same_kind_said_again_keeps_what_was_set():
    overrides = ["model.encoder.stem_width=7", "model.encoder.kind=resnet"]
    assert load_experiment(overrides).model.encoder.stem_width == 7


def test_keys_of_a_kind_may_follow_it():
    model = load_experiment(
        ["model.encoder.kind=vit", "model.encoder.depth=3", "model.fusion.kind=gated"]
    ).model
    assert model.encoder == ViTConfig(depth=3)
    assert model.fusion == GatedFusionConfig()


def test_a_key_of_the_replaced_kind_is_refused():
    assert "model.encoder.widths" in _refusal("model.encoder.kind=vit", "model.encoder.widths=[8]")


def test_a_kind_in_a_file_is_changed_by_an_override(tmp_path):
    path = _write(
        tmp_path / "a.yaml", "model: {encoder: {kind: convnext, widths: [8], blocks: [1]}}"
    )
    assert load_experiment([path]).model.encoder == ConvNeXtConfig(widths=(8,), blocks=(1,))
    assert load_experiment([path, "model.encoder.kind=vit"]).model.encoder == ViTConfig()


def test_an_unknown_kind_names_the_known_ones():
    text = _refusal("model.encoder.kind=vgg")
    assert "model.encoder" in text
    assert all(kind in text for kind in ("resnet", "convnext", "densenet", "vit", "swin"))


@pytest.mark.parametrize("value", ["[a]", "{a: 1}", "null", "3"])
def test_a_kind_that_is_no_text_is_refused(value):
    assert "model.encoder" in _refusal(f"model.encoder.kind={value}")


def test_the_operating_point_takes_its_target():
    rule = load_experiment(
        ["evaluation.operating_point={kind: sensitivity, target: 0.8}"]
    ).evaluation.operating_point
    assert rule == SensitivityRule(target=0.8)


# Free mappings


def test_branches_given_whole_replace_the_default():
    assert load_experiment(["data.branches={pet: [pet]}"]).data.branches == {"pet": ("pet",)}


def test_a_dotted_entry_joins_the_other_entries():
    branches = load_experiment(["data.branches.mri=[adc]"]).data.branches
    assert branches == {"pet": ("pet",), "mri": ("adc",)}
    channels = load_experiment(
        ["imaging.channels.a=suv", "imaging.channels.b=adc"]
    ).imaging.channels
    assert channels == {"a": "suv", "b": "adc"}


def test_a_dotted_entry_joins_the_mapping_of_the_layer_below(tmp_path):
    path = _write(tmp_path / "a.yaml", "data: {branches: {mri: [t2, adc]}}")
    branches = load_experiment([path, "data.branches.pet=[pet]"]).data.branches
    assert branches == {"mri": ("t2", "adc"), "pet": ("pet",)}


# Values


@pytest.mark.parametrize(
    ("text", "expected"), [("3e-4", 3e-4), ("1E-3", 1e-3), (".5", 0.5), ("+2.", 2.0), ("1", 1.0)]
)
def test_numbers_are_read_as_in_yaml_1_2(text, expected):
    assert load_experiment([f"training.learning_rate={text}"]).training.learning_rate == expected


@pytest.mark.parametrize("text", ["no", "yes", "on", "off", "y", "2025-06-01", "12:30:00x"])
def test_words_that_yaml_1_1_would_turn_into_something_else_stay_text(text):
    assert load_experiment([f"tracking.project={text}"]).tracking.project == text


@pytest.mark.parametrize("value", [".nan", ".inf", "-.inf"])
@pytest.mark.parametrize("key", ["training.learning_rate", "training.weight_decay"])
def test_only_finite_numbers_are_let_in(key, value):
    assert key in _refusal(f"{key}={value}")


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("training.max_epochs=0", ["training.max_epochs", "found 0"]),
        ("augmentation.flip_probability=1.5", ["augmentation.flip_probability", "found 1.5"]),
        ("run.name=../elsewhere", ["run.name", "../elsewhere"]),
        ("run.name=.hidden", ["run.name"]),
        ("data.timepoints=[a, a]", ["data", "each once"]),
        ("data.branches={pet: [pet], mri: [pet]}", ["one branch only"]),
        ("data.branches={pet: []}", ["branches"]),
        ("data.minimum_scans=13", ["minimum_scans"]),
        ("model.encoder.widths=[8]", ["widths has 1, blocks has 2"]),
        ("imaging.dicom.dce_early_s=[150, 60]", ["imaging.dicom", "increasing"]),
        ("evaluation.folds=2", ["evaluation.folds", "found 2"]),
    ],
)
def test_a_value_out_of_range_names_the_key_and_what_was_found(override, words):
    text = _refusal(override)
    assert all(word in text for word in words)


def test_all_problems_are_listed_at_once():
    text = _refusal("training.max_epochs=0", "training.batch_size=0")
    assert "training.max_epochs" in text
    assert "training.batch_size" in text


@pytest.mark.parametrize(
    ("channel", "kind"),
    [
        ("pet", "suv"),
        ("pet_late", "suv"),
        ("petx", "zscore"),
        ("dce_early", "dce"),
        ("t2", "zscore"),
    ],
)
def test_the_intensity_rule_follows_from_the_name(channel, kind):
    assert ImagingConfig().channel_kind(channel) == kind


def test_a_stated_intensity_rule_overrules_the_name():
    assert ImagingConfig(channels={"pet": "zscore"}).channel_kind("pet") == "zscore"


# Keys


@pytest.mark.parametrize(
    ("key", "suggestion"),
    [
        ("training.max_epoch", "training.max_epochs"),
        ("training.epochs", "training.max_epochs"),
        ("batch_size", "training.batch_size"),
        ("model.encoder.width", "model.encoder.widths"),
        ("trainning.batch_size", "training"),
        ("--training.batch-size", "training.batch_size"),
    ],
)
def test_an_unknown_key_suggests_the_nearest(key, suggestion):
    assert f"did you mean {suggestion}?" in _refusal(f"{key}=1")


@pytest.mark.parametrize(
    "arguments", [["=3"], ["run..seed=2"], [".seed=2"], ["train"], ["--run.seed"], ["--fast"], [""]]
)
def test_an_argument_of_no_known_form_is_refused(arguments):
    _refusal(*arguments)


# Files


def test_python_tags_are_refused_and_nothing_is_run(tmp_path):
    mark = tmp_path / "mark"
    text = f"run: !!python/object/apply:pathlib.Path.touch [!!python/name:x '{mark}']"
    with pytest.raises(ConfigError, match="not plain YAML"):
        read_yaml(tmp_path / _write(tmp_path / "a.yaml", text))
    _refusal("run.name=!!python/object/apply:os.getcwd []")
    assert not mark.exists()


@pytest.mark.parametrize("text", ["0x_", "!!bool x", "!!timestamp x", "!!int x", "2025-13-41x: ["])
def test_malformed_scalars_are_an_error_of_the_user(text):
    _refusal(f"run.seed={text}")


@pytest.mark.parametrize(
    "text", ["run: {seed: 1, seed: 2}", "run: {seed: 1}\nrun: {name: a}", "- 1\n", "run: [", "3"]
)
def test_a_file_that_is_no_plain_mapping_is_refused_by_name(tmp_path, text):
    path = _write(tmp_path / "a.yaml", text)
    assert path in _refusal(path)


def test_a_file_that_cannot_be_read_is_refused_by_name(tmp_path):
    assert "nowhere.yaml" in _refusal(str(tmp_path / "nowhere.yaml"))
    (tmp_path / "latin.yaml").write_bytes("run: {name: Zürich}".encode("latin-1"))
    assert "latin.yaml" in _refusal(str(tmp_path / "latin.yaml"))


# The record


def test_an_experiment_is_frozen():
    with pytest.raises(ValidationError):
        Experiment().training.max_epochs = 3


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


@settings(max_examples=100, deadline=None)
@given(st.text(st.sampled_from("[]{}!&*|>%@:-,#'\"?.=0x1e~_ abnul\n\t<"), max_size=12))
def test_any_text_is_either_an_experiment_or_an_error_of_the_user(text):
    for key in ("run.name", "data.branches", "model.encoder"):
        try:
            experiment = load_experiment([f"{key}={text}"])
        except ConfigError:
            continue
        json.dumps(experiment.model_dump(mode="json"), allow_nan=False)


def test_the_directories_follow_from_run_root():
    experiment = load_experiment(["run.root=there", "run.name=a"])
    assert experiment.run.directory.as_posix() == "there/a"
    assert experiment.cache_directory.as_posix() == "there/cache"
    assert load_experiment(["data.cache=c"]).cache_directory.as_posix() == "c"

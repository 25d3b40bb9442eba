"""Layered configuration: files and overrides become one frozen, plain experiment."""

import json
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pcrnet.config.experiment import Experiment
from pcrnet.config.layers import load_experiment, overridden
from pcrnet.config.model import GatedFusionConfig
from pcrnet.errors import ConfigError
from pcrnet.models.encoders.convnext import ConvNeXtConfig
from pcrnet.models.encoders.vit import ViTConfig


def test_without_arguments_every_value_is_its_default():
    assert load_experiment() == Experiment()


def test_later_layers_win_and_leave_what_they_do_not_name(write, tmp_path):
    first = write(tmp_path / "a.yaml", "training: {max_epochs: 3, batch_size: 2}")
    second = write(tmp_path / "b.yml", "training: {max_epochs: 5}")
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


def test_an_empty_file_changes_nothing(write, tmp_path):
    assert load_experiment([write(tmp_path / "empty.yaml", "# nothing\n")]) == Experiment()


def test_a_value_may_hold_an_equals_sign_and_a_file_name():
    assert load_experiment(["data.cohort=a=b.yaml"]).data.cohort == "a=b.yaml"


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


def test_a_key_of_the_replaced_kind_is_refused(refusal):
    assert "model.encoder.widths" in refusal("model.encoder.kind=vit", "model.encoder.widths=[8]")


def test_a_kind_in_a_file_is_changed_by_an_override(write, tmp_path):
    path = write(
        tmp_path / "a.yaml", "model: {encoder: {kind: convnext, widths: [8], blocks: [1]}}"
    )
    assert load_experiment([path]).model.encoder == ConvNeXtConfig(widths=(8,), blocks=(1,))
    assert load_experiment([path, "model.encoder.kind=vit"]).model.encoder == ViTConfig()


def test_an_unknown_kind_names_the_known_ones(refusal):
    text = refusal("model.encoder.kind=vgg")
    assert "model.encoder" in text
    assert all(kind in text for kind in ("resnet", "convnext", "densenet", "vit", "swin"))


@pytest.mark.parametrize("value", ["[a]", "{a: 1}", "null", "3"])
def test_a_kind_that_is_no_text_is_refused(refusal, value):
    assert "model.encoder" in refusal(f"model.encoder.kind={value}")


def test_branches_given_whole_replace_the_default():
    assert load_experiment(["data.branches={pet: [pet]}"]).data.branches == {"pet": ("pet",)}


def test_a_dotted_entry_joins_the_other_entries():
    branches = load_experiment(["data.branches.mri=[adc]"]).data.branches
    assert branches == {"pet": ("pet",), "mri": ("adc",)}
    channels = load_experiment(
        ["imaging.channels.a=suv", "imaging.channels.b=adc"]
    ).imaging.channels
    assert channels == {"a": "suv", "b": "adc"}


def test_a_dotted_entry_joins_the_mapping_of_the_layer_below(write, tmp_path):
    path = write(tmp_path / "a.yaml", "data: {branches: {mri: [t2, adc]}}")
    branches = load_experiment([path, "data.branches.pet=[pet]"]).data.branches
    assert branches == {"mri": ("t2", "adc"), "pet": ("pet",)}


def test_all_problems_are_listed_at_once(refusal):
    text = refusal("training.max_epochs=0", "training.batch_size=0")
    assert "training.max_epochs" in text
    assert "training.batch_size" in text


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
def test_an_unknown_key_suggests_the_nearest(refusal, key, suggestion):
    assert f"did you mean {suggestion}?" in refusal(f"{key}=1")


def test_a_key_of_another_kind_is_not_suggested_to_itself(refusal):
    said = refusal("model.kind=quantitative", "model.width=3")
    assert "unknown key model.width; another kind has it: see model.kind" in said


@pytest.mark.parametrize(
    "setting", ["evaluation.rivals=[monai, clinical, monai]", "data.covariates=[age, age]"]
)
def test_what_is_named_twice_in_a_list_is_refused(refusal, setting):
    assert "each may be named once only" in refusal(setting)


@pytest.mark.parametrize(
    "arguments", [["=3"], ["run..seed=2"], [".seed=2"], ["train"], ["--run.seed"], ["--fast"], [""]]
)
def test_an_argument_of_no_known_form_is_refused(refusal, arguments):
    refusal(*arguments)


@settings(max_examples=100, deadline=None)
@given(st.text(st.sampled_from("[]{}!&*|>%@:-,#'\"?.=0x1e~_ abnul\n\t<"), max_size=12))
def test_any_text_is_either_an_experiment_or_an_error_of_the_user(text):
    for key in ("run.name", "data.branches", "model.encoder"):
        try:
            experiment = load_experiment([f"{key}={text}"])
        except ConfigError:
            continue
        json.dumps(experiment.model_dump(mode="json"), allow_nan=False)


def test_values_are_laid_over_an_experiment_in_their_order() -> None:
    before = load_experiment(["model.width=32"])
    after = overridden(before, {"model.fusion.kind": "concat", "model.fusion.hidden": 16})
    assert after.model.width == 32
    assert after.model.fusion.hidden == 16
    assert before.model.fusion.kind == "transformer"
    with pytest.raises(ConfigError, match=r"did you mean model\.width"):
        overridden(before, {"model.widht": 16})


def test_nested_values_are_a_layer_among_others() -> None:
    layers = ["training.max_epochs=3", {"training": {"batch_size": 2}}, "training.batch_size=4"]
    found = load_experiment(layers).training
    assert (found.max_epochs, found.batch_size) == (3, 4)

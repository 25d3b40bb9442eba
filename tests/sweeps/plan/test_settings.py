"""A sweep from its files: layered, named by its content, and refused before its first trial."""

from __future__ import annotations

from pathlib import Path

import pytest

from pcrnet.errors import ConfigError
from pcrnet.sweeps.plan.settings import load_sweep, read_settings, trial_id

ROOT = Path(__file__).resolve().parents[3]
EXAMPLE = ROOT / "configs" / "sweeps" / "example.yaml"


@pytest.mark.parametrize("path", sorted((ROOT / "configs" / "sweeps").glob("*.yaml")), ids=str)
def test_the_shipped_sweeps_are_sweeps(path):
    load_sweep(path)


def test_files_sections_and_overrides_are_layered_in_this_order():
    sweep = load_sweep(EXAMPLE)
    assert sweep.experiment.data.simulation.patients == 36  # of the base
    assert sweep.experiment.training.max_epochs == 1  # of the sweep's own file, over the base's 2
    again = load_sweep(
        EXAMPLE,
        [
            *("--training.max_epochs=5", "sweep.budget.trials=3", "--sweep.search=grid"),
            "sweep.space={model.width: [16, 32]}",
        ],
    )
    assert again.experiment.training.max_epochs == 5
    assert again.config.budget.trials == 3
    assert again.config.search.kind == "grid"


def test_a_trial_is_named_by_what_decides_its_numbers():
    sweep = load_sweep(EXAMPLE)
    one = sweep.trial({"model.width": 16})
    assert trial_id(one) != trial_id(sweep.trial({"model.width": 32}))
    elsewhere = load_sweep(EXAMPLE, ["run.root=/elsewhere", "run.name=other", "data.cache=/tmp/c"])
    assert trial_id(elsewhere.trial({"model.width": 16})) == trial_id(one)


def test_another_kind_leaves_nothing_of_the_first():
    trial = load_sweep(EXAMPLE).trial({"model.kind": "quantitative"})
    assert trial.model.kind == "quantitative"


def test_what_is_written_is_read_back(tmp_path):
    sweep = load_sweep(EXAMPLE)
    (tmp_path / "sweep.yaml").write_text(sweep.to_yaml())
    again = read_settings(tmp_path / "sweep.yaml")
    assert again.deciding() == sweep.deciding()
    assert again.space == sweep.space
    assert trial_id(again.trial({})) == trial_id(sweep.trial({}))


@pytest.mark.parametrize(
    ("overrides", "why"),
    [
        (["sweep.objective=yT0/aux"], "no objective"),
        (["sweep.objective=yM0/auc"], "no objective"),
        (["sweep.objective=yT0/calibration_slope"], "direction"),
        (["sweep.budget={}"], "name trials, hours, or both"),
        (["sweep.bugdet.trials=3"], "sweep.bugdet"),
        (["sweep.search=grid"], "a list of values, or a step"),
        (["evaluation.mode=crossfit"], "fits that leave out two folds"),
        (["sweep.space={model.dropout: [0.1, 1.5]}"], "model.dropout"),
        (["sweep.space={model.fusion.heads: [2, x]}"], "model.fusion.heads"),
        (["sweep.name=../up"], "sweep.name"),
        (["sweep.engine=cloud"], "sweep.engine"),
        (["training.max_epoch=3"], "did you mean training.max_epochs"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_trained(overrides, why):
    with pytest.raises(ConfigError, match=why):
        load_sweep(EXAMPLE, overrides)


def test_a_file_without_a_sweep_is_refused(tmp_path):
    (tmp_path / "a.yaml").write_text("training: {max_epochs: 1}\n")
    with pytest.raises(ConfigError, match="no section named sweep"):
        load_sweep(tmp_path / "a.yaml")


def test_a_file_of_other_letters_is_told_how_a_sweep_is_named(tmp_path):
    file = tmp_path / "größere netze.yaml"
    file.write_text("sweep: {space: {model.width: [16, 32]}}\n")
    with pytest.raises(ConfigError, match=r"sweep\.name") as caught:
        load_sweep(file)
    assert "set sweep.name" in caught.value.remedy
    assert load_sweep(file, ["sweep.name=larger"]).config.name == "larger"

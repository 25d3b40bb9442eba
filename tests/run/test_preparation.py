"""What is settled before the first fit."""

from __future__ import annotations

import csv
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from pcrnet.config.layers import load_experiment
from pcrnet.errors import ConfigError, ProblemListError
from pcrnet.run.directory import RunDirectory
from pcrnet.run.preparation import prepare, simulation_name
from pcrnet.storage import read_record


def test_trials_that_differ_have_different_folders() -> None:
    settings = ([], ["data.simulation.seed=1"], ["data.simulation.mri_spacing_mm=4"])
    names = [simulation_name(load_experiment(values)) for values in settings]
    assert len(set(names)) == 3
    assert names[0] == simulation_name(load_experiment(["training.max_epochs=3"]))


def test_a_word_among_numbers_is_refused_before_any_image_is_read(
    tiny_trial, tmp_path: Path
) -> None:
    """Else it fails in the fit that leaves the patient out, after hours of others."""
    lines = tiny_trial.cohort.read_text().splitlines()
    column = lines[0].split(",").index("age")
    cells = lines[1].split(",")
    cells[column] = "elderly"
    table = tiny_trial.cohort.with_name("words.csv")
    table.write_text("\n".join([lines[0], ",".join(cells), *lines[2:]]))
    experiment = tiny_trial.experiment(
        tmp_path, f"data.cohort={table}", f"data.cache={tmp_path / 'tensors'}"
    )
    run = RunDirectory(experiment.run.directory)
    with (
        run.opened(experiment),
        pytest.raises(ProblemListError, match="age: holds numbers") as caught,
    ):
        prepare(experiment, run, lambda event: None)
    assert "elderly" not in str(caught.value)
    assert not list(experiment.cache_directory.glob("*"))


def test_a_person_whose_scans_were_saved_anew_under_another_name_is_refused(
    tiny_trial, tmp_path: Path
) -> None:
    """Other bytes, the same scans: in another folder, with other numbers in the last digits."""
    with tiny_trial.cohort.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    scans = [name for name in rows[0] if name.endswith((".pet", ".t2", ".adc"))]
    copy = {**rows[0], "patient_id": "Zwilling"}
    for row in rows:
        row |= {name: str(tiny_trial.cohort.parent / row[name]) for name in scans if row[name]}
    for name in (name for name in scans if copy[name]):
        image = nib.load(rows[0][name])
        values = np.asarray(image.dataobj, dtype=np.float64) * (1 + 1e-7)
        copy[name] = str(tmp_path / f"{name}.nii.gz")
        nib.save(nib.Nifti1Image(values.astype(np.float32), image.affine), copy[name])
    table = tmp_path / "cohort.csv"
    with table.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows([*rows, copy])
    experiment = tiny_trial.experiment(
        tmp_path / "run", f"data.cohort={table}", f"data.cache={tmp_path / 'tensors'}"
    )
    run = RunDirectory(experiment.run.directory)
    with (
        run.opened(experiment),
        pytest.raises(ProblemListError, match=rf"of the patient {rows[0]['patient_id']} in"),
    ):
        prepare(experiment, run, lambda event: None)


def test_a_model_of_covariates_without_any_is_refused_before_any_image_is_read(
    tiny_trial, tmp_path: Path
) -> None:
    experiment = tiny_trial.experiment(
        tmp_path,
        "model.kind=clinical",
        f"data.cohort={tiny_trial.cohort}",
        "data.covariates=null",
        f"data.cache={tmp_path / 'tensors'}",
    )
    run = RunDirectory(experiment.run.directory)
    with (
        run.opened(experiment),
        pytest.raises(ConfigError, match=r"none is named[\s\S]*data\.covariates"),
    ):
        prepare(experiment, run, lambda event: None)
    assert not list(experiment.cache_directory.glob("*"))


@pytest.mark.parametrize(
    ("setting", "recorded"),
    [
        ("training.precision='32'", "32-true"),
        ("training.trainer.precision=64-true", "64-true"),
        ("model.kind=quantitative", "64-true"),
    ],
)
def test_the_environment_says_in_what_precision_the_fits_are_computed(
    tiny_trial, tmp_path: Path, setting: str, recorded: str
) -> None:
    settings = [item for item in tiny_trial.settings(tmp_path) if not item.startswith("model.")]
    own = ["model.kind=network", "model.width=16", "model.encoder.widths=[8]"]
    own += ["model.encoder.blocks=[0]", "model.fusion.heads=2"]
    if setting.startswith("model."):
        own = []
    experiment = load_experiment([*settings, *own, setting])
    run = RunDirectory(experiment.run.directory)
    with run.opened(experiment):
        prepare(experiment, run, lambda event: None)
    assert read_record(run.environment)["precision"] == recorded

"""Checkpoints that a run leaves: where they are asked for, and readable as plain data."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from pcrnet.config.training import CheckpointsConfig
from pcrnet.data.dataset import PatientDataset
from pcrnet.models.kinds import read_model
from pcrnet.training.fit import MODEL_FOLDER, run_fit
from pcrnet.training.lightning.checkpoints import Checkpoints
from pcrnet.training.lightning.module import PcrModule
from pcrnet.training.plan import FitPlan


def test_none_is_written_unless_it_is_asked_for(tmp_path: Path) -> None:
    assert not Checkpoints.asked_for(CheckpointsConfig(), tmp_path)
    (found,) = Checkpoints.asked_for(CheckpointsConfig(every_epochs=3, keep=None), tmp_path)
    assert (found.every_epochs, found.keep) == (3, None)


@pytest.mark.parametrize("average", [0.0, 0.9])
def test_a_run_leaves_checkpoints_that_lightning_loads(make_job, average: float) -> None:
    plan = FitPlan((0,))
    job = make_job(
        "training.max_epochs=5",
        "training.checkpoints.every_epochs=1",
        "training.checkpoints.keep=2",
        f"training.average_decay={average}",
    )
    left = job.directory / plan.name / "network" / "checkpoints" / "epoch-0001.ckpt"
    left.parent.mkdir(parents=True)
    left.write_text("of an earlier try")
    assert run_fit(plan, job)
    found = sorted(left.parent.iterdir())
    assert [path.name for path in found] == ["epoch-0004.ckpt", "epoch-0005.ckpt"]

    torch.load(found[-1], weights_only=True)
    module = PcrModule.load_from_checkpoint(found[-1], map_location="cpu").eval()
    assert module.config == job.training
    experiment = job.experiment
    model = read_model(
        job.directory / plan.name / MODEL_FOLDER,
        experiment.model,
        experiment.data,
        experiment.imaging,
    )
    (network,), (encoding,) = model.networks, model.encodings
    for name, value in network.state_dict().items():
        assert torch.equal(module.network.state_dict()[name], value), name

    offset = model.start.logits(job.patients, job.cache())
    batch = PatientDataset(job.patients, job.cache(), encoding, offset).__getitems__([0, 1, 2])
    with torch.no_grad():
        said = module(batch).double().numpy()
    expected = model.logits(job.patients[:3], job.cache())
    assert abs(said - expected).max() < 1e-5


def test_the_text_of_the_hyperparameters_names_no_file(make_job, tiny_trial) -> None:
    plan = FitPlan((0,))
    job = make_job("training.checkpoints.every_epochs=2")
    run_fit(plan, job)
    (path,) = (job.directory / plan.name / "network" / "checkpoints").iterdir()
    held = torch.load(path, weights_only=True)["hyper_parameters"]
    assert tiny_trial.canary not in str(held)
    assert str(job.directory) not in str(held)

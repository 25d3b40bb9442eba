"""The training loop: a real one, of every kind that has a network; and what is kept of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from pcrnet.config.model import ModelConfig, NetworkConfig
from pcrnet.config.training import EarlyStopping
from pcrnet.data.clinical import ClinicalEncoding
from pcrnet.data.datamodule import AheadLoader, FitDataModule
from pcrnet.data.seeds import derive_seed
from pcrnet.errors import OutputError, RunError
from pcrnet.models.contract import FitPart, FitRequest
from pcrnet.models.encoders.resnet import ResNetConfig
from pcrnet.models.kinds import KINDS, fit_model
from pcrnet.models.monai_rival import MonaiConfig
from pcrnet.training.fit import FitJob
from pcrnet.training.lightning.loop import (
    TrainingLoop,
    _keep_trained,
    _take_trained,
    forget_trained,
    watched_patients,
)
from pcrnet.training.lightning.module import PcrModule

MakeJob = Callable[..., FitJob]
pytestmark = pytest.mark.usefixtures("single_thread")
SMALL: dict[str, ModelConfig] = {
    "network": NetworkConfig(
        start="frequencies", networks=1, width=16, encoder=ResNetConfig(stem_width=4, widths=(8, 8))
    ),
    "monai": MonaiConfig(backbone="resnet10", features=4),
}


def test_every_kind_that_trains_is_trained_here() -> None:
    assert set(SMALL) == {name for name, kind in KINDS.items() if kind.trains}


@pytest.mark.parametrize("kind", SMALL)
def test_a_real_loop_lowers_the_loss_of_every_kind(
    make_job: MakeJob, tmp_path: Path, kind: str
) -> None:
    job = make_job(
        "training.max_epochs=15",
        "training.average_decay=0",
        "augmentation.enabled=false",
    )
    experiment = job.experiment
    model = SMALL[kind]
    loop = TrainingLoop(
        experiment, job.training, "own", "f" * 64, job.cache(), tmp_path, 0, 15, lambda event: None
    )
    fit_model(
        model,
        FitRequest(
            name="own",
            patients=job.patients,
            source=job.cache(),
            covariates=job.covariates,
            data=experiment.data,
            imaging=experiment.imaging,
            seed=1,
            optimise=loop,
        ),
    )
    rows = (tmp_path / "network" / "history.csv").read_text().splitlines()[1:]
    losses = [float(row.split(",")[1]) for row in rows]
    assert len(losses) == 15
    # A single epoch of two batches may stray, most of all where batch norms see maps of one voxel.
    assert np.median(losses[-5:]) < losses[0] - 0.1
    forget_trained(tmp_path)
    assert not list(tmp_path.rglob("trained.*"))


def test_early_stopping_watches_a_share_of_the_fits_own_patients(make_job: MakeJob) -> None:
    job = make_job()
    early = job.training.model_copy(update={"stopping": EarlyStopping(fraction=0.25)})
    watched = watched_patients(job.patients, early, seed=3)
    assert 3 <= watched.sum() <= 6
    np.testing.assert_array_equal(watched, watched_patients(job.patients, early, seed=3))
    assert (watched != watched_patients(job.patients, early, seed=4)).any()
    assert not watched_patients(job.patients, job.training, seed=3).any()
    with pytest.raises(RunError, match=r"training\.stopping"):
        watched_patients(job.patients[:7], early, seed=3)


def test_a_finished_network_is_taken_whole_or_not_at_all(tmp_path: Path) -> None:
    torch.manual_seed(0)
    finished = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 3))
    _keep_trained(finished, tmp_path, "a" * 64)
    again = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 3))
    before = [value.clone() for value in again.state_dict().values()]
    assert not _take_trained(again, tmp_path, "b" * 64)
    assert all(map(torch.equal, before, again.state_dict().values()))
    assert _take_trained(again, tmp_path, "a" * 64)
    assert all(map(torch.equal, finished.state_dict().values(), again.state_dict().values()))

    other = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 4))
    before = [value.clone() for value in other.state_dict().values()]
    assert not _take_trained(other, tmp_path, "a" * 64)
    assert all(map(torch.equal, before, other.state_dict().values()))


def test_what_cannot_be_kept_is_said_in_words_and_leaves_nothing(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64, before[1]))  # no file may be longer
    try:
        with pytest.raises(OutputError, match="cannot be written"):
            _keep_trained(nn.Linear(200, 3), tmp_path, "a" * 64)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not list(tmp_path.iterdir())


def test_offsets_are_part_of_the_loss(make_job: MakeJob, tmp_path: Path) -> None:
    """Told that everybody is cured for certain, a network learns to say otherwise at once."""
    job = make_job("training.max_epochs=1", "training.average_decay=0")
    first_losses = []
    for offset in (0.0, 8.0):
        loop = TrainingLoop(
            job.experiment,
            job.training,
            "own",
            "f" * 64,
            job.cache(),
            tmp_path / str(offset),
            0,
            1,
            lambda event: None,
        )

        def optimise(part, *, loop=loop, offset=offset):
            loop(replace(part, offset=np.full_like(part.offset, offset)))

        request = FitRequest(
            name="own",
            patients=job.patients,
            source=job.cache(),
            covariates=(),
            data=job.experiment.data,
            imaging=job.experiment.imaging,
            seed=1,
            optimise=optimise,
        )
        fit_model(job.experiment.model, request)
        history = (tmp_path / str(offset) / "network" / "history.csv").read_text()
        first_losses.append(float(history.splitlines()[1].split(",")[1]))
    assert first_losses[1] > first_losses[0] + 1.0


def test_batches_that_are_made_ahead_train_the_same_bits(
    make_job: MakeJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two threads make one that computes and one that makes batches."""
    job = make_job(
        "training.max_epochs=3", "augmentation.elastic_mm=2", "augmentation.channel_dropout=0.2"
    )
    loaders = []
    plain = FitDataModule.train_dataloader

    def watched(data: FitDataModule) -> object:
        loaders.append(type(plain(data)))
        return plain(data)

    monkeypatch.setattr(FitDataModule, "train_dataloader", watched)
    trained = [_trained(job, tmp_path / str(threads), threads) for threads in (1, 2)]
    assert AheadLoader not in loaders[: len(loaders) // 2]
    assert set(loaders[len(loaders) // 2 :]) == {AheadLoader}
    for name, value in trained[0].items():
        assert torch.equal(value, trained[1][name]), name


def _trained(job: FitJob, folder: Path, threads: int) -> dict[str, torch.Tensor]:
    loop = TrainingLoop(
        job.experiment, job.training, "own", "f" * 64, job.cache(), folder, 0, 3, lambda event: None
    )
    torch.set_num_threads(threads)
    encoding = ClinicalEncoding(())
    network = SMALL["network"]
    build = KINDS["network"].build
    assert build is not None
    torch.manual_seed(0)
    built = build(network, job.experiment.data, job.experiment.imaging, encoding)
    offset = np.zeros((len(job.patients), 3))
    loop(FitPart("one", built, job.patients, encoding, offset))
    assert torch.get_num_threads() == threads
    return built.state_dict()


def test_dropout_is_seeded_by_epoch_and_batch_alone(make_job: MakeJob, tmp_path: Path) -> None:
    """As torch.manual_seed would, which keeps a call stack for each kind of GPU it has not."""
    module = PcrModule.training_of(
        nn.Linear(1, 1), SimpleNamespace(to_dict=dict), make_job().training, 5
    )
    module.on_train_batch_start(None, 3)
    found = torch.rand(4)
    torch.manual_seed(derive_seed(5, "dropout", 0, 3))
    assert torch.equal(found, torch.rand(4))

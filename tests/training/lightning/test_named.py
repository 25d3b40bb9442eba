"""Lightning's own callbacks in a fit, and what its monitors say to the run's loggers."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
import torch

from pcrnet.config.training import TrainingConfig
from pcrnet.errors import ConfigError
from pcrnet.training.events import EpochReport, Measured
from pcrnet.training.fit import run_fit
from pcrnet.training.lightning.module import PcrModule
from pcrnet.training.lightning.named import Relay, logger_of, named_callbacks
from pcrnet.training.plan import FitPlan

_PLAN = FitPlan((0,))


def test_a_fit_without_monitors_has_no_logger() -> None:
    assert logger_of(TrainingConfig(callbacks=("ModelCheckpoint",)), "own", print) is False
    monitored = TrainingConfig(callbacks=("LearningRateMonitor",))
    assert isinstance(logger_of(monitored, "own", print), Relay)


def test_where_a_monitor_lacks_its_package_the_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    config = TrainingConfig(callbacks=("DeviceStatsMonitor",), accelerator="cpu")
    with pytest.raises(ConfigError) as caught:
        named_callbacks(config, tmp_path)
    assert "pcrnet[monitors]" in caught.value.remedy


def test_losses_and_hyperparameters_do_not_pass_the_relay() -> None:
    told: list[Measured] = []
    relay = Relay("without-0", told.append)
    relay.log_hyperparams({"encoding": "age"})
    relay.log_metrics({"epoch": 1, "train/loss": 0.5})
    relay.log_metrics({"lr-AdamW": torch.tensor(0.25), "epoch": 1}, step=3)
    assert told == [Measured("without-0", 3, {"lr-AdamW": 0.25})]


def test_every_named_callback_runs_in_a_fit(make_job) -> None:
    job = make_job(
        "training.callbacks=[LearningRateMonitor, DeviceStatsMonitor, ModelCheckpoint, "
        "StochasticWeightAveraging]",
        "training.average_decay=0",
        "training.max_epochs=3",
        "training.trainer.log_every_n_steps=1",
        "training.trainer.profiler=simple",
        "training.trainer.accumulate_grad_batches=2",
        "training.trainer.gradient_clip_algorithm=value",
        "training.gradient_clip=0.01",
    )
    told: list[EpochReport | Measured] = []
    run_fit(_PLAN, job, listen=told.append)  # type: ignore[arg-type]
    rates = [
        one.values["lr-AdamW/pg1"]
        for one in told
        if isinstance(one, Measured)
        if "lr-AdamW/pg1" in one.values
    ]
    assert len(rates) >= 3
    assert 0 < max(rates) <= job.training.learning_rate
    assert any("cpu_percent" in str(one) for one in told)
    folder = job.directory / _PLAN.name / "network"
    assert "optimizer_step" in (folder / "fit-profile.txt").read_text()
    module = PcrModule.load_from_checkpoint(folder / "model-checkpoint" / "best.ckpt")
    assert module.config == job.training
    reports = [one for one in told if isinstance(one, EpochReport)]
    assert [report.epoch for report in reports] == [1, 2, 3]
    for report in reports:
        assert report.measures["gradient_norm"] > 0
        assert 0 <= report.measures["waiting_share"] <= 1
        assert report.measures["samples_per_second"] > 0
    assert reports[-1].measures["learning_rate"] < job.training.learning_rate


def test_a_bar_of_lightnings_own_is_shown(make_job, capsys: pytest.CaptureFixture[str]) -> None:
    run_fit(_PLAN, make_job("training.callbacks=[TQDMProgressBar]", "training.max_epochs=1"))
    said = capsys.readouterr()
    assert "Epoch 0" in said.out + said.err

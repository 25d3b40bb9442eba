from __future__ import annotations

import logging
import os
import warnings
from pathlib import Path

import pytest
from pytorch_lightning import Callback

from pcrnet.config.training import TrainingConfig
from pcrnet.training.devices import overruling_variables
from pcrnet.training.lightning.trainer import make_trainer, quiet_lightning

CPU = TrainingConfig(accelerator="cpu", max_epochs=7, gradient_clip=0.5)


def test_the_trainer_does_what_the_configuration_says(tmp_path: Path) -> None:
    with quiet_lightning():
        trainer = make_trainer(CPU, [], 0, validate=False, directory=tmp_path)
    assert trainer.max_epochs == 7
    assert trainer.max_steps == -1
    assert trainer.gradient_clip_val == 0.5
    assert trainer.precision == "32-true"
    assert trainer.limit_val_batches == 0


def test_a_limit_of_steps_is_passed_on(tmp_path: Path) -> None:
    with quiet_lightning():
        config = CPU.model_copy(update={"max_steps": 3})
        assert make_trainer(config, [], 0, validate=True, directory=tmp_path).max_steps == 3


def test_it_writes_nothing_of_its_own_and_runs_our_callbacks_in_their_order(tmp_path: Path) -> None:
    ours = [Callback(), Callback()]
    with quiet_lightning():
        trainer = make_trainer(CPU, ours, 0, validate=True, directory=tmp_path)
    assert trainer.logger is None
    assert trainer.checkpoint_callback is None
    assert trainer.callbacks[-2:] == ours
    assert not list(tmp_path.iterdir())


def test_lightning_is_quiet_only_within_the_block() -> None:
    logger = logging.getLogger("pytorch_lightning")
    before = logger.level
    with quiet_lightning():
        assert logger.level == logging.ERROR
    assert logger.level == before
    with pytest.raises(RuntimeError), quiet_lightning():
        raise RuntimeError
    assert logger.level == before


def test_warnings_that_a_reader_should_see_still_come_through() -> None:
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        with quiet_lightning():
            warnings.warn("The loader does not have many workers here", UserWarning, stacklevel=1)
            warnings.warn("the loss is not a number", UserWarning, stacklevel=1)
    assert [str(warning.message) for warning in seen] == ["the loss is not a number"]


def test_variables_that_would_steer_the_trainer_are_named_and_not_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PL_TRAINER_FAST_DEV_RUN", "1")
    monkeypatch.setenv("PL_TRAINER_ACCUMULATE_GRAD_BATCHES", "3")
    assert overruling_variables() == (
        "PL_TRAINER_ACCUMULATE_GRAD_BATCHES",
        "PL_TRAINER_FAST_DEV_RUN",
    )
    with quiet_lightning():
        trainer = make_trainer(CPU, [], 0, validate=False, directory=tmp_path)
    assert not trainer.fast_dev_run
    assert trainer.accumulate_grad_batches == 1
    assert os.environ["PL_TRAINER_FAST_DEV_RUN"] == "1"

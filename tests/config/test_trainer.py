"""What of Lightning's trainer can be set, and that everything else is refused with its reason."""

import inspect

import pytest

from pcrnet.config.layers import load_experiment
from pcrnet.config.trainer import TrainerConfig


def test_every_argument_of_lightnings_trainer_is_set_or_refused_by_name():
    from pytorch_lightning import Trainer

    arguments = set(inspect.signature(Trainer.__init__).parameters) - {"self"}
    assert arguments == set(TrainerConfig.model_fields) | set(TrainerConfig.refused)
    assert not set(TrainerConfig.model_fields) & set(TrainerConfig.refused)


@pytest.mark.parametrize("name", sorted(TrainerConfig.refused))
def test_a_refused_argument_is_told_its_reason(refusal, name):
    text = refusal(f"training.trainer.{name}=1")
    assert f"training.trainer.{name} cannot be set here" in text
    assert TrainerConfig.refused[name] in text


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        (["training.trainer.precision=bf16-mixed", "training.precision=bf16"], "set one of them"),
        (["training.trainer.precision=16-mixed"], "training.trainer.precision"),
        (["training.trainer.strategy=fsdp"], "training.trainer.strategy"),
        (["training.trainer.benchmark=true"], "deterministic=false"),
        (["training.trainer.devices=9"], "batch_size"),
        (["training.trainer.limit_train_batches=1.5"], "limit_train_batches"),
        (["training.callbacks=[StochasticWeightAveraging]"], "average_decay=0"),
        (
            [
                "training.callbacks=[StochasticWeightAveraging]",
                "training.average_decay=0",
                "training.stopping.kind=early",
            ],
            "stopping.kind=fixed",
        ),
        (["training.callbacks=[EarlyStopping]"], "training.callbacks"),
        (["training.callbacks=[LearningRateMonitor]", "tracking.loggers=[]"], "nobody to tell"),
    ],
)
def test_what_contradicts_itself_is_refused(refusal, settings, reason):
    assert reason in refusal(*settings)


def test_shares_and_numbers_of_batches_are_told_apart():
    found = [
        load_experiment([f"training.trainer.limit_train_batches={text}"]).training.trainer
        for text in ("1", "1.0")
    ]
    assert [type(one.limit_train_batches) for one in found] == [int, float]

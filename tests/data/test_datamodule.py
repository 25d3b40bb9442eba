"""Batches of a fit in Lightning: their order, and where the random numbers come from."""

import threading
from itertools import chain
from types import SimpleNamespace

import pytest
import pytorch_lightning as pl
import torch

from pcrnet.config.layers import load_experiment
from pcrnet.data.augment import draw
from pcrnet.data.clinical import ClinicalEncoding
from pcrnet.data.datamodule import AugmentedBatch, FitDataModule
from pcrnet.data.dataset import Batch, PatientDataset
from pcrnet.data.seeds import derive_seed

# Lightning remarks on the few loader processes and on a model without an optimiser.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:pytorch_lightning")


def _module(patients, source, *overrides, fit="a", validation=()):
    experiment = load_experiment(
        ["training.batch_size=3", "imaging.size=[4, 4, 4]", "run.seed=5", *overrides]
    )
    encoding = ClinicalEncoding(())
    return FitDataModule(
        experiment,
        fit,
        PatientDataset(patients, source, encoding),
        PatientDataset(validation, source, encoding) if validation else None,
    )


def _pass(module, batch, *, training=True, epoch=0):
    module.trainer = SimpleNamespace(
        training=training,
        current_epoch=epoch,
        strategy=SimpleNamespace(root_device=torch.device("cpu")),
    )
    drawn = module.on_before_batch_transfer(batch, 0)
    return drawn, module.on_after_batch_transfer(drawn, 0)


class _Recorder(pl.LightningModule):
    """A model that learns nothing and writes down whom it was shown."""

    def __init__(self):
        super().__init__()
        self.seen = {}
        self.pictures = {}
        self.validated = []

    def training_step(self, batch, _):
        self.seen.setdefault(self.current_epoch, []).append(batch.patient.tolist())
        for index, image in zip(batch.patient.tolist(), batch.image, strict=True):
            self.pictures[self.current_epoch, index] = image.clone()

    def validation_step(self, batch, _):
        self.validated.append(batch)

    def configure_optimizers(self):
        return None


def _trainer(**how):
    """On a CPU, and it leaves and says nothing."""
    return pl.Trainer(
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        **how,
    )


def _run(module, epochs):
    recorder = _Recorder()
    trainer = _trainer(
        max_epochs=epochs,
        num_sanity_val_steps=0,
    )
    trainer.fit(recorder, datamodule=module)
    return recorder


def test_a_fit_on_the_cpu_asks_nothing_of_a_gpu_that_is_there(patients, source, monkeypatch):
    """To pin memory takes a context of CUDA, half a gigabyte, in every process."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)

    def refuse(*_):
        raise AssertionError("memory is pinned")

    monkeypatch.setattr(torch.Tensor, "pin_memory", refuse)
    module = _module(patients, source)
    module.trainer = SimpleNamespace(
        training=True,
        current_epoch=0,
        global_rank=0,
        world_size=1,
        strategy=SimpleNamespace(root_device=torch.device("cpu")),
    )
    assert not module.train_dataloader().pin_memory
    module.on_before_batch_transfer(module.training.__getitems__([0, 1]), 0)


def test_lightning_shows_everybody_once_an_epoch_in_an_order_of_its_own(patients, source):
    seen = _run(_module(patients, source), epochs=2).seen
    orders = [list(chain(*seen[epoch])) for epoch in (0, 1)]
    assert [len(batch) for batch in seen[0]] == [3, 3, 1]
    assert all(sorted(order) == list(range(7)) for order in orders)
    assert orders[0] != orders[1]


def test_validation_is_in_order_and_neither_augmented_nor_shuffled(patients, source):
    module = _module(patients, source, "augmentation.channel_dropout=1", validation=patients[:4])
    batches = _run(module, epochs=1).validated
    assert [batch.patient.tolist() for batch in batches] == [[0, 1, 2], [3]]
    plain = PatientDataset(patients[:4], source, ClinicalEncoding(())).__getitems__([0, 1, 2])
    assert torch.equal(batches[0].image, plain.image)
    assert torch.equal(batches[0].present, plain.present)


def test_a_fixed_schedule_validates_nothing(patients, source):
    assert _module(patients, source).val_dataloader() == []


def test_training_batches_are_augmented_and_other_batches_are_not(patients, source):
    module = _module(patients, source)
    batch = module.training.__getitems__([0, 1, 2])
    drawn, changed = _pass(module, batch)
    assert isinstance(drawn, AugmentedBatch)
    assert not torch.equal(changed.image, batch.image.float())
    assert _pass(module, batch, training=False)[1] is batch


def test_what_is_no_image_passes_through(patients, source):
    module = _module(patients, source)
    batch = module.training.__getitems__([0, 1])
    _, changed = _pass(module, batch)
    for name in ("days", "covariates", "covariate_present", "allowed", "patient"):
        assert getattr(changed, name) is getattr(batch, name)


def test_augmentation_can_be_switched_off(patients, source):
    module = _module(patients, source, "augmentation.enabled=false")
    batch = module.training.__getitems__([0, 1])
    assert isinstance(_pass(module, batch)[0], Batch)
    assert _pass(module, batch)[1] is batch


def test_a_patients_random_numbers_name_run_fit_epoch_and_patient(patients, source):
    module = _module(patients, source, fit="outer-3")
    drawn, _ = _pass(module, module.training.__getitems__([4, 2]), epoch=6)
    seeds = [derive_seed(5, "outer-3", 6, name) for name in ("P4", "P2")]
    expected = draw(module.experiment.augmentation, seeds, 2, 6, 2)
    for found, wanted in zip(drawn.parameters[:-1], expected[:-1], strict=True):
        assert torch.equal(found, wanted)


def test_random_numbers_differ_between_epochs_and_fits(patients, source):
    module = _module(patients, source)
    batch = module.training.__getitems__([0])
    transforms = [
        _pass(owner, batch, epoch=epoch)[0].parameters.transform
        for owner in (module, _module(patients, source, fit="b"))
        for epoch in (0, 1)
    ]
    assert len({tuple(transform.flatten().tolist()) for transform in transforms}) == 4


def test_channels_know_their_branch_and_their_unit(patients, source):
    module = _module(
        patients, source, "data.branches={mri: [t2, adc], late: [pet_late], pet: [pet]}"
    )
    assert module._physics.branch.tolist() == [0, 0, 1, 2]
    assert module._physics.suv.tolist() == [False, False, True, True]
    assert module._physics.standardised.tolist() == [True, False, False, False]
    assert module._physics.signal.tolist() == [True, False, False, False]


def test_loader_processes_change_nothing(patients, source):
    alone = _run(_module(patients, source), epochs=1)
    helped = _run(_module(patients, source, "data.workers=1"), epochs=1)
    assert alone.seen == helped.seen
    for key, picture in alone.pictures.items():
        assert torch.equal(picture, helped.pictures[key])


def _threads():
    return [one for one in threading.enumerate() if one.name.startswith("batches ahead")]


def _shown(patients, source, *, ahead, begins=True, epochs=3, resume_at=0, **how):
    """What a recorder is shown in epochs, and how many threads worked ahead in each."""
    module = _module(patients, source, "augmentation.elastic_mm=2")
    module.ahead = ahead
    recorder, threads = _Recorder(), []

    class Hooks(pl.Callback):
        def on_train_batch_end(self, *_):
            if begins:
                module.make_next()

        def on_train_epoch_end(self, *_):
            threads.append(len(_threads()))

    trainer = _trainer(
        max_epochs=epochs,
        callbacks=[Hooks()],
        **how,
    )
    trainer.fit_loop.epoch_progress.current.processed = resume_at
    trainer.fit_loop.epoch_progress.current.completed = resume_at
    trainer.fit(recorder, datamodule=module)
    assert not _threads()
    return recorder, threads


@pytest.mark.parametrize(
    ("begins", "how"),
    [
        (True, {}),
        (False, {}),
        (True, {"limit_train_batches": 2}),
        (True, {"max_steps": 4}),
        (True, {"resume_at": 1}),
    ],
)
def test_what_is_made_ahead_is_what_is_made_in_its_place(patients, source, begins, how):
    expected, none = _shown(patients, source, ahead=False, **how)
    found, one = _shown(patients, source, ahead=True, begins=begins, **how)
    assert set(none) == {0}
    assert set(one) == {1}
    assert found.seen == expected.seen
    assert found.pictures.keys() == expected.pictures.keys()
    for key, picture in expected.pictures.items():
        assert torch.equal(found.pictures[key], picture), key


def test_a_fit_that_fails_leaves_no_thread(patients, source):
    module = _module(patients, source)
    module.ahead = True

    class Failing(_Recorder):
        def training_step(self, batch, index):
            module.make_next()
            assert _threads()
            if self.current_epoch == 1:
                raise LookupError("in the second epoch")

    trainer = _trainer(
        max_epochs=3,
    )
    with pytest.raises(LookupError, match="in the second epoch"):
        trainer.fit(Failing(), datamodule=module)
    assert not _threads()


def test_making_ahead_draws_nothing_from_the_generator_of_dropout(patients, source):
    module = _module(patients, source)
    before = torch.random.get_rng_state()
    next(iter(module._batches_from(0)))
    assert torch.equal(torch.random.get_rng_state(), before)

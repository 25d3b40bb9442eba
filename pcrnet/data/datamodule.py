"""The Lightning data module of one fit: batches, and their augmentation on the device."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

import torch
from pytorch_lightning import LightningDataModule
from torch import Tensor
from torch.utils.data import DataLoader

from pcrnet.config.augmentation import AugmentationConfig
from pcrnet.config.experiment import Experiment
from pcrnet.data.ahead import made_ahead
from pcrnet.data.artefacts import (
    ArtefactParameters,
    ChannelPhysics,
    any_artefact,
    apply_artefacts,
    draw_artefacts,
)
from pcrnet.data.augment import AugmentationParameters, apply, draw
from pcrnet.data.dataset import Batch, EpochSampler, OwnShare, PatientDataset, SharedBatches
from pcrnet.data.library_augment import library_augmenter
from pcrnet.data.seeds import derive_seed


class AugmentedBatch(NamedTuple):
    """A batch with the random numbers that are to change it."""

    batch: Batch
    parameters: AugmentationParameters
    artefacts: ArtefactParameters | None


class ReadyBatch(NamedTuple):
    """A batch that was augmented ahead."""

    batch: Batch


class AheadLoader(DataLoader[Batch]):
    """A loader whose batches are augmented in a thread while the step before is computed."""

    def __init__(
        self,
        dataset: PatientDataset,
        make: Callable[[Batch], ReadyBatch],
        **how: Any,  # noqa: ANN401 - as torch has it
    ) -> None:
        super().__init__(dataset, **how)
        self._make = make

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]
        """What the loader gives, augmented."""
        return made_ahead(super().__iter__(), self._make)


class FitDataModule(LightningDataModule):
    """Training and, for early stopping, validation patients of one fit.

    Args:
        experiment: Augmentation, batch size and grid.
        fit: Name of the fit; with seed, epoch and patient it names every random number.
        training: The patients that the fit learns from.
        validation: A slice of its own training patients that early stopping watches.
        test: Patients that the fit leaves out, for a trainer that tests or predicts.
        ahead: Whether a thread makes the next training batch while a step is computed, on a CPU;
            it needs a core of its own. Where another library augments, none does: it draws from
            the one generator that dropout draws from.

    Attributes:
        batch_size: Patients a step; Lightning's finder of batch sizes sets it.
        received_at: By ``time.perf_counter``, when the loader handed over the last batch.
    """

    def __init__(
        self,
        experiment: Experiment,
        fit: str,
        training: PatientDataset,
        validation: PatientDataset | None = None,
        test: PatientDataset | None = None,
        *,
        ahead: bool = False,
    ) -> None:
        super().__init__()
        self.experiment = experiment
        self.fit = fit
        self.training = training
        self.validation = validation
        self.test = test
        self.ahead = ahead and isinstance(experiment.augmentation, AugmentationConfig)
        self.batch_size = experiment.training.batch_size
        self.received_at = 0.0
        data, imaging = experiment.data, experiment.imaging
        self._physics = self._placed = ChannelPhysics.of(data, imaging)
        self._library = library_augmenter(experiment.augmentation, data, imaging)

    def train_dataloader(self) -> DataLoader[Batch]:
        """Batches in the epoch's own order."""
        order = EpochSampler(len(self.training), self.experiment.run.seed, self.fit)
        rank, ranks = self._rank()
        if ranks == 1:
            return self._loader(self.training, batch_size=self.batch_size, sampler=order)
        shared = SharedBatches(order, self.batch_size, rank, ranks)
        return self._loader(self.training, batch_sampler=shared)

    def val_dataloader(self) -> DataLoader[Batch] | list[DataLoader[Batch]]:
        """The patients that early stopping watches; none under a fixed schedule."""
        return self._in_order(self.validation)

    def test_dataloader(self) -> DataLoader[Batch] | list[DataLoader[Batch]]:
        """The patients that the fit leaves out, in order."""
        return self._in_order(self.test)

    def predict_dataloader(self) -> DataLoader[Batch] | list[DataLoader[Batch]]:
        """The same patients."""
        return self._in_order(self.test)

    def _in_order(
        self, dataset: PatientDataset | None
    ) -> DataLoader[Batch] | list[DataLoader[Batch]]:
        if dataset is None:
            return []
        rank, ranks = self._rank()
        sampler = OwnShare(len(dataset), rank, ranks) if ranks > 1 else None
        return self._loader(dataset, batch_size=self.batch_size, sampler=sampler)

    def _rank(self) -> tuple[int, int]:
        """Which of how many processes this is."""
        return (
            (0, 1) if self.trainer is None else (self.trainer.global_rank, self.trainer.world_size)
        )

    def _feeds_gpu(self) -> bool:
        """Whether batches go to a GPU: beside one that is not trained on, nothing is for it."""
        return self.trainer is not None and self.trainer.strategy.root_device.type == "cuda"

    def _loader(self, dataset: PatientDataset, **how: Any) -> DataLoader[Batch]:  # noqa: ANN401
        workers = 0 if dataset.resident else self.experiment.data.workers
        how |= {
            "num_workers": workers,
            "persistent_workers": workers > 0,
            "pin_memory": self._feeds_gpu() and not dataset.resident,
            "collate_fn": _already_a_batch,
        }
        if dataset is self.training and self.ahead:
            return AheadLoader(dataset, self._make_ready, **how)
        return DataLoader(dataset, **how)

    def _make_ready(self, batch: Batch) -> ReadyBatch:
        return ReadyBatch(self._augmented(self._drawn(batch)))

    def on_before_batch_transfer(
        self, batch: Batch | ReadyBatch, dataloader_idx: int
    ) -> Batch | AugmentedBatch:
        """Draw the random numbers while the batch is on the CPU: nothing waits for the device."""
        self.received_at = time.perf_counter()
        return batch.batch if isinstance(batch, ReadyBatch) else self._drawn(batch)

    def _drawn(self, batch: Batch) -> Batch | AugmentedBatch:
        augmentation = self.experiment.augmentation
        if self.trainer is None or not self.trainer.training or not augmentation.enabled:
            return batch
        data = self.experiment.data
        names = [self.training.patients[index].patient_id for index in batch.patient.tolist()]
        epoch = self.trainer.current_epoch
        seeds = [derive_seed(self.experiment.run.seed, self.fit, epoch, name) for name in names]
        if not isinstance(augmentation, AugmentationConfig):
            return self._by_library(batch, seeds)
        shape = (len(data.timepoints), len(data.channels), len(data.branches))
        drawn = AugmentedBatch(
            batch,
            draw(augmentation, seeds, *shape),
            draw_artefacts(augmentation, seeds, *shape) if any_artefact(augmentation) else None,
        )
        return _pinned(drawn) if self._feeds_gpu() else drawn

    def on_after_batch_transfer(self, batch: Batch | AugmentedBatch, dataloader_idx: int) -> Batch:
        """Augment where the batch is trained on."""
        return self._augmented(batch)

    def _augmented(self, batch: Batch | AugmentedBatch) -> Batch:
        augmentation = self.experiment.augmentation
        if isinstance(batch, Batch) or not isinstance(augmentation, AugmentationConfig):
            return batch if isinstance(batch, Batch) else batch.batch
        plain, parameters, artefacts = batch
        imaging = self.experiment.imaging
        device = plain.image.device
        if self._placed.branch.device != device:
            self._placed = ChannelPhysics(*(one.to(device) for one in self._physics))
        physics = self._placed
        distort = None
        if artefacts is not None:
            distort = partial(
                apply_artefacts, parameters=artefacts, imaging=imaging, physics=physics
            )
        image, present = apply(
            plain.image,
            plain.present,
            parameters,
            augmentation,
            imaging,
            physics.branch,
            self._physics.suv,
            distort,
        )
        return plain._replace(image=image, present=present)

    def _by_library(self, batch: Batch, seeds: Sequence[int]) -> Batch:
        assert self._library is not None  # noqa: S101 - it is enabled
        changed = [
            self._library(image, present, seed)
            for image, present, seed in zip(batch.image, batch.present, seeds, strict=True)
        ]
        return batch._replace(
            image=torch.stack([image for image, _, _ in changed]),
            present=torch.stack([present for _, present, _ in changed]),
        )


def _pinned(value: Any) -> Any:  # noqa: ANN401 - tuples of tuples of tensors
    """The same in memory that a GPU reads by itself: for any other it stops, and the host waits."""
    if isinstance(value, Tensor):
        return value.pin_memory() if value.device.type == "cpu" else value
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*map(_pinned, value))
    return value


def _already_a_batch(batch: Any) -> Batch:  # noqa: ANN401 - the loader expects a list here
    # PatientDataset.__getitems__ collates; the loader must not do it again.
    assert isinstance(batch, Batch)  # noqa: S101
    return batch

"""The Lightning data module of one fit: batches, and their augmentation on the device."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import count
from typing import Any, NamedTuple

import torch
from pytorch_lightning import LightningDataModule
from torch import Tensor
from torch.utils.data import DataLoader

from pcrnet.config.augmentation import AugmentationConfig
from pcrnet.config.experiment import Experiment
from pcrnet.data.ahead import MadeAhead
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
    """A loader whose batches are made in a thread, one ahead; see :meth:`make_next`.

    Args:
        dataset: Its patients.
        order: Their order; Lightning tells it the epoch.
        batches: Makes all batches of an epoch and of those after it, in the thread.
        how: As torch's.
    """

    def __init__(
        self,
        dataset: PatientDataset,
        order: EpochSampler,
        batches: Callable[[int], Iterator[ReadyBatch]],
        **how: Any,  # noqa: ANN401 - as torch has it
    ) -> None:
        super().__init__(dataset, **how)
        self._order = order
        self._batches = batches
        self._ahead: MadeAhead[ReadyBatch] | None = None
        self._due = (0, 0)  # epoch and place of the next batch of the thread

    def make_next(self) -> None:
        """Begin the next batch, be it of the next epoch, where one was asked for before."""
        if self._ahead is not None:
            self._ahead.begin()

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]
        """The batches of the epoch that the order has been told of when the first is asked for."""
        epoch = self._order.epoch
        if self._ahead is None or self._due != (epoch, 0):  # resumed, or cut short before
            self.close()
            self._ahead = MadeAhead(self._batches(epoch))
        for place in range(len(self)):
            ready = next(self._ahead)
            # Known before it is handed over: nobody asks for what lies behind the last.
            self._due = (epoch, place + 1) if place + 1 < len(self) else (epoch + 1, 0)
            yield ready

    def close(self) -> None:
        """End the thread; what it has made ahead is left."""
        if self._ahead is not None:
            self._ahead.close()
            self._ahead = None


class FitDataModule(LightningDataModule):
    """Training and, for early stopping, validation patients of one fit.

    Args:
        experiment: Augmentation, batch size and grid.
        fit: Name of the fit; with seed, epoch and patient it names every random number.
        training: The patients that the fit learns from.
        validation: A slice of its own training patients that early stopping watches.
        test: Patients that the fit leaves out, for a trainer that tests or predicts.
        ahead: Whether a thread makes the next training batch while a step is computed, on a CPU,
            from when :meth:`make_next` is called; it needs a core of its own. Where another
            library augments, none does: it draws from the one generator that dropout draws from.

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
        self._ahead: AheadLoader | None = None

    def train_dataloader(self) -> DataLoader[Batch]:
        """Batches in the epoch's own order."""
        order, chosen = self._epochs()
        if not self.ahead:
            return self._loader(self.training, **chosen)
        self._end_thread()
        self._ahead = AheadLoader(
            self.training, order, self._batches_from, collate_fn=_already_a_batch, **chosen
        )
        return self._ahead

    def make_next(self) -> None:
        """Begin the next training batch, where batches are made ahead."""
        if self._ahead is not None:
            self._ahead.make_next()

    def teardown(self, stage: str) -> None:
        """End the thread that makes batches."""
        self._end_thread()

    def on_exception(self, exception: BaseException) -> None:
        """The same, for Lightning tears nothing down where a fit is cut short."""
        self._end_thread()

    def _end_thread(self) -> None:
        if self._ahead is not None:
            self._ahead.close()

    def _epochs(self) -> tuple[EpochSampler, dict[str, Any]]:
        """An order of the training patients, and what a loader is told to follow it."""
        order = EpochSampler(len(self.training), self.experiment.run.seed, self.fit)
        rank, ranks = self._rank()
        if ranks == 1:
            return order, {"batch_size": self.batch_size, "sampler": order}
        return order, {"batch_sampler": SharedBatches(order, self.batch_size, rank, ranks)}

    def _batches_from(self, first: int) -> Iterator[ReadyBatch]:
        """Training batches of epoch ``first`` and of all after it, augmented."""
        order, chosen = self._epochs()  # of its own: the other is told of epochs by Lightning
        # So is the generator: at every start a loader draws from one, and dropout from the global.
        loader = self._loader(self.training, generator=torch.Generator(), **chosen)
        for epoch in count(first):
            order.set_epoch(epoch)
            for batch in loader:
                yield ReadyBatch(self._augmented(self._drawn(batch, epoch)))

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
        return DataLoader(dataset, **how)

    def on_before_batch_transfer(
        self, batch: Batch | ReadyBatch, dataloader_idx: int
    ) -> Batch | AugmentedBatch:
        """Draw the random numbers while the batch is on the CPU: nothing waits for the device."""
        self.received_at = time.perf_counter()
        if isinstance(batch, ReadyBatch):
            return batch.batch
        if self.trainer is None or not self.trainer.training:
            return batch
        return self._drawn(batch, self.trainer.current_epoch)

    def _drawn(self, batch: Batch, epoch: int) -> Batch | AugmentedBatch:
        augmentation = self.experiment.augmentation
        if not augmentation.enabled:
            return batch
        data = self.experiment.data
        names = [self.training.patients[index].patient_id for index in batch.patient.tolist()]
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

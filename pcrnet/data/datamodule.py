"""The Lightning data module of one fit: batches, and their augmentation on the device."""

from __future__ import annotations

import time
from typing import Any, NamedTuple

import torch
from pytorch_lightning import LightningDataModule
from torch import Tensor
from torch.utils.data import DataLoader

from pcrnet.config.experiment import Experiment
from pcrnet.data.augment import AugmentationParameters, apply, draw
from pcrnet.data.dataset import Batch, EpochSampler, PatientDataset
from pcrnet.data.seeds import derive_seed


class AugmentedBatch(NamedTuple):
    """A batch with the random numbers that are to change it."""

    batch: Batch
    parameters: AugmentationParameters


class FitDataModule(LightningDataModule):
    """Training and, for early stopping, validation patients of one fit.

    Args:
        experiment: Augmentation, batch size and grid.
        fit: Name of the fit; with seed, epoch and patient it names every random number.
        training: The patients that the fit learns from.
        validation: A slice of its own training patients that early stopping watches.

    Attributes:
        received_at: By ``time.perf_counter``, when the loader handed over the last batch.
    """

    def __init__(
        self,
        experiment: Experiment,
        fit: str,
        training: PatientDataset,
        validation: PatientDataset | None = None,
    ) -> None:
        super().__init__()
        self.experiment = experiment
        self.fit = fit
        self.training = training
        self.validation = validation
        self.received_at = 0.0
        data, imaging = experiment.data, experiment.imaging
        self._is_suv = torch.tensor([imaging.channel_kind(name) == "suv" for name in data.channels])
        self._branch_of_channel = torch.tensor(
            [index for index, channels in enumerate(data.branches.values()) for _ in channels]
        )

    def train_dataloader(self) -> DataLoader[Batch]:
        """Batches in the epoch's own order."""
        sampler = EpochSampler(len(self.training), self.experiment.run.seed, self.fit)
        return self._loader(self.training, sampler)

    def val_dataloader(self) -> DataLoader[Batch] | list[DataLoader[Batch]]:
        """The patients that early stopping watches; none under a fixed schedule."""
        return [] if self.validation is None else self._loader(self.validation, None)

    def _loader(self, dataset: PatientDataset, sampler: EpochSampler | None) -> DataLoader[Batch]:
        workers = self.experiment.data.workers
        return DataLoader(
            dataset,
            batch_size=self.experiment.training.batch_size,
            sampler=sampler,
            num_workers=workers,
            persistent_workers=workers > 0,
            pin_memory=torch.cuda.is_available(),
            collate_fn=_already_a_batch,
        )

    def on_before_batch_transfer(self, batch: Batch, dataloader_idx: int) -> Batch | AugmentedBatch:
        """Draw the random numbers while the batch is on the CPU: nothing waits for the device."""
        self.received_at = time.perf_counter()
        augmentation = self.experiment.augmentation
        if self.trainer is None or not self.trainer.training or not augmentation.enabled:
            return batch
        data = self.experiment.data
        names = [self.training.patients[index].patient_id for index in batch.patient.tolist()]
        epoch = self.trainer.current_epoch
        seeds = [derive_seed(self.experiment.run.seed, self.fit, epoch, name) for name in names]
        return AugmentedBatch(
            batch,
            draw(augmentation, seeds, len(data.timepoints), len(data.channels), len(data.branches)),
        )

    def on_after_batch_transfer(self, batch: Batch | AugmentedBatch, dataloader_idx: int) -> Batch:
        """Augment where the batch is trained on."""
        if isinstance(batch, Batch):
            return batch
        plain, parameters = batch
        image, present = apply(
            plain.image,
            plain.present,
            parameters,
            self.experiment.augmentation,
            self.experiment.imaging,
            self._on(plain.image, self._branch_of_channel),
            self._is_suv,
        )
        return plain._replace(image=image, present=present)

    @staticmethod
    def _on(like: Tensor, values: Tensor) -> Tensor:
        return values.to(like.device, non_blocking=True)


def _already_a_batch(batch: Any) -> Batch:  # noqa: ANN401 - the loader expects a list here
    # PatientDataset.__getitems__ collates; the loader must not do it again.
    assert isinstance(batch, Batch)  # noqa: S101
    return batch

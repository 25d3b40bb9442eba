"""Patients as tensors: what the loaders hand to the network.

Shapes: B patients, T timepoints, C channels, X Y Z voxels, F covariate features, J covariates.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from pcrnet.cohort.outcome import CELLS
from pcrnet.cohort.table import Patient
from pcrnet.data.clinical import ClinicalEncoding
from pcrnet.data.seeds import derive_seed
from pcrnet.imaging.tensors.preprocess import PatientTensor

_ANYTHING = (True,) * len(CELLS)


class TensorSource(Protocol):
    """Where preprocessed tensors come from: the cache, in training as in prediction."""

    def get(self, patient: Patient) -> PatientTensor:
        """The patient's tensor."""


@runtime_checkable
class ImageSource(TensorSource, Protocol):
    """A source that has the images of several patients in one piece, on the device that trains."""

    def images(self, patients: Sequence[Patient]) -> Tensor:
        """Images float16 (B, T, C, X, Y, Z) of B patients."""


class Batch(NamedTuple):
    """B patients.

    Attributes:
        image: float16 (B, T, C, X, Y, Z), physical units.
        present: bool (B, T, C).
        days: float32 (B, T), NaN unknown.
        covariates: float32 (B, F).
        covariate_present: bool (B, J).
        allowed: bool (B, 4); the outcome cells that agree with what is known.
        offset: float32 (B, 3); logits that a network's own are added to.
        patient: int64 (B,); index of the patient within the dataset; negative where the patient
            only keeps a process company (:class:`SharedBatches`), and then nothing is known of the
            outcome.
    """

    image: Tensor
    present: Tensor
    days: Tensor
    covariates: Tensor
    covariate_present: Tensor
    allowed: Tensor
    offset: Tensor
    patient: Tensor

    @property
    def inputs(self) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """What a network is given: all but the outcomes, the start's logits and the names.

        Returns:
            Image (B, T, C, X, Y, Z), presence (B, T, C), days (B, T), covariates (B, F) and whether
            each is known (B, J).
        """
        return self.image, self.present, self.days, self.covariates, self.covariate_present


class PatientDataset(Dataset[Batch]):
    """Patients with their tensors, covariates and outcomes, read batch by batch.

    The tensors stay memory-mapped: the operating system keeps the cohort in memory once, for all
    fits and all loader processes.

    Args:
        patients: n patients.
        source: Their tensors.
        encoding: How covariates become features.
        offset: (n, 3) logits that a network starts from; 0 when None.
    """

    def __init__(
        self,
        patients: Sequence[Patient],
        source: TensorSource,
        encoding: ClinicalEncoding,
        offset: NDArray[np.float64] | None = None,
    ) -> None:
        self.patients = tuple(patients)
        self._source = source
        start = np.zeros((len(self.patients), 3)) if offset is None else offset
        self._offset = torch.from_numpy(np.asarray(start, dtype=np.float32))
        encoded = [encoding.encode(patient) for patient in self.patients]
        self._covariates = [torch.from_numpy(features) for features, _ in encoded]
        self._covariate_present = [torch.from_numpy(present) for _, present in encoded]

    @property
    def resident(self) -> bool:
        """Whether the images lie on the device already: no loader process can hand them over."""
        return isinstance(self._source, ImageSource)

    def __len__(self) -> int:
        return len(self.patients)

    def __getitem__(self, index: int) -> Batch:
        return self.__getitems__([index])

    def __getitems__(self, indices: Sequence[int]) -> Batch:
        """The patients at ``indices`` as one batch (what the loader asks for).

        An index −1 − i means patient i, of whose outcome nothing is told.
        """
        named, indices = indices, [index if index >= 0 else -1 - index for index in indices]
        patients = [self.patients[index] for index in indices]
        tensors = [self._source.get(patient) for patient in patients]
        return Batch(
            image=(
                self._source.images(patients)
                if isinstance(self._source, ImageSource)
                else torch.from_numpy(np.stack([tensor.image for tensor in tensors]))
            ),
            present=torch.from_numpy(np.stack([tensor.present for tensor in tensors])),
            days=torch.from_numpy(np.stack([tensor.days for tensor in tensors])),
            covariates=torch.stack([self._covariates[index] for index in indices]),
            covariate_present=torch.stack([self._covariate_present[index] for index in indices]),
            allowed=torch.tensor(
                [
                    patient.outcome.allowed_cells if index >= 0 else _ANYTHING
                    for index, patient in zip(named, patients, strict=True)
                ]
            ),
            offset=self._offset[list(indices)],
            patient=torch.tensor(list(named)),
        )


class EpochSampler(Sampler[int]):
    """A new order of the patients in every epoch, from the seed and the epoch alone."""

    def __init__(self, length: int, *seed_parts: object) -> None:
        self._length = length
        self._seed_parts = seed_parts
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Called by Lightning at the start of every epoch."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[int]:
        generator = torch.Generator()
        generator.manual_seed(derive_seed(*self._seed_parts, "order", self.epoch))
        yield from torch.randperm(self._length, generator=generator).tolist()


class SharedBatches(Sampler[list[int]]):
    """The batches of one of several processes that share every batch of an epoch among them.

    Together they are shown what one process would be: the same patients in the same batches. All
    must go through as many batches, so that one for which a last, short batch has no patient is
    given one whose outcome it is not told.

    Args:
        order: Indices of the patients; the same in every process.
        batch_size: Patients of a batch of all processes together.
        rank: Number of this process.
        ranks: How many there are.
    """

    def __init__(self, order: EpochSampler, batch_size: int, rank: int, ranks: int) -> None:
        self.sampler = order  # the name by which Lightning finds it, to tell it the epoch
        self._batch_size = batch_size
        self._rank, self._ranks = rank, ranks

    def __len__(self) -> int:
        return math.ceil(len(self.sampler) / self._batch_size)

    def __iter__(self) -> Iterator[list[int]]:
        order = list(self.sampler)
        for first in range(0, len(order), self._batch_size):
            batch = order[first : first + self._batch_size]
            yield batch[self._rank :: self._ranks] or [-1 - batch[0]]


class OwnShare(Sampler[int]):
    """Every ``ranks``-th patient, in order: together the processes see each once, and nobody twice.

    Lightning's own repeats patients until all processes have as many.
    """

    def __init__(self, length: int, rank: int, ranks: int) -> None:
        self._own = range(rank, length, ranks)

    def __len__(self) -> int:
        return len(self._own)

    def __iter__(self) -> Iterator[int]:
        yield from self._own

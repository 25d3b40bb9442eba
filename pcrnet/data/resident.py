"""The tensors of a cohort on the GPU, once for all fits of a process.

A batch of the trial's grid is 300 MB: to collect it on the host and to send it takes several times
as long as to train on it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from pcrnet.cohort.table import Patient
from pcrnet.data.dataset import TensorSource
from pcrnet.imaging.tensors.preprocess import PatientTensor

SHARE_OF_FREE_MEMORY = 0.5
"""What the tensors may take of the memory that is free; the rest is for networks."""


@dataclass(frozen=True, eq=False)
class Shelf:
    """Room for images, filled one by one.

    Attributes:
        images: float16 (n, T, C, X, Y, Z), on the device.
        row: Key of a tensor to its row.
        filled: Rows that hold their image.
    """

    images: Tensor
    row: dict[str, int]
    filled: set[int] = field(default_factory=set)


class ResidentTensors:
    """A source whose images lie on a GPU; each is sent there when it is first asked for.

    Args:
        source: Where tensors come from.
        keys: Patient to the key of the tensor in the cache; others are asked of the source alone.
        shelf: Room for all of them.
    """

    def __init__(self, source: TensorSource, keys: dict[str, str], shelf: Shelf) -> None:
        self._source, self._keys, self._shelf = source, keys, shelf
        self._opened: dict[str, PatientTensor] = {}

    def get(self, patient: Patient) -> PatientTensor:
        """The patient's tensor, its image in host memory or mapped.

        Raises:
            PcrnetError: As the source.
        """
        tensor = self._opened.get(patient.patient_id)
        if tensor is None:
            tensor = self._opened[patient.patient_id] = self._source.get(patient)
        return tensor

    def images(self, patients: Sequence[Patient]) -> Tensor:
        """Images float16 (B, T, C, X, Y, Z) of B patients, on the GPU.

        Raises:
            PcrnetError: As the source.
            KeyError: A patient for whom no room was made.
        """
        shelf = self._shelf
        rows = [shelf.row[self._keys[patient.patient_id]] for patient in patients]
        for row, patient in zip(rows, patients, strict=True):
            if row not in shelf.filled:
                shelf.images[row] = torch.from_numpy(np.array(self.get(patient).image))
                shelf.filled.add(row)
        return torch.stack([shelf.images[row] for row in rows])


class Keyed(Protocol):
    """Whoever knows the key of each tensor: the cache."""

    def key(self, patient: Patient) -> str:
        """The same for two tensors only where they are equal."""


def on_gpu(
    cache: Keyed, source: TensorSource, patients: Sequence[Patient], device: torch.device
) -> TensorSource:
    """A source that keeps images on a GPU; ``source`` itself where they have no room.

    Args:
        cache: Knows the key of each tensor.
        source: Of the tensors.
        patients: All of the run: what one fit has sent, the next finds there.
        device: The GPU.
    """
    keys = {patient.patient_id: cache.key(patient) for patient in patients}
    image = source.get(patients[0]).image
    try:
        shelf = _shelf(device, tuple(sorted(set(keys.values()))), image.shape)
    except _NoRoomError:
        return source
    return ResidentTensors(source, keys, shelf)


class _NoRoomError(Exception):
    """The images take more than their share of what is free."""


_Wanted = tuple[torch.device, tuple[str, ...], tuple[int, ...]]
_shelves: dict[_Wanted, Shelf] = {}
"""Of this process: one at most."""


def _shelf(device: torch.device, keys: tuple[str, ...], shape: tuple[int, ...]) -> Shelf:
    wanted = device, keys, shape
    if wanted not in _shelves:
        if _shelves:  # of other tensors, as a sweep may have them: its room is wanted
            _shelves.clear()
            torch.cuda.empty_cache()
        free, _ = torch.cuda.mem_get_info(device)
        if 2 * len(keys) * int(np.prod(shape)) > SHARE_OF_FREE_MEMORY * free:
            raise _NoRoomError
        try:
            images = torch.empty((len(keys), *shape), dtype=torch.float16, device=device)
        except torch.OutOfMemoryError as error:  # another process was quicker
            raise _NoRoomError from error
        _shelves[wanted] = Shelf(images, {key: row for row, key in enumerate(keys)})
    return _shelves[wanted]

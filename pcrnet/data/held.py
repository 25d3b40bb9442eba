"""The tensors of a cohort in memory, read once: what a fit looks at again and again."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pcrnet.cohort.table import Patient
from pcrnet.data.dataset import TensorSource
from pcrnet.imaging.tensors.preprocess import PatientTensor

MOST_BYTES = 1 << 30
"""A cohort that is larger stays mapped: the system reads it again and keeps it once for all."""


class HeldTensors:
    """A source that remembers what it has given, while all of it takes no more than a limit.

    To open a tensor means to look for its file, to map it and to read what was measured: for a
    small one that takes longer than to use it. What is given out is shared, and cannot be written.

    Args:
        source: Where tensors come from.
        most_bytes: Tensors beyond this are asked of the source every time.
    """

    def __init__(self, source: TensorSource, most_bytes: int = MOST_BYTES) -> None:
        self._source = source
        self._most = self._left = most_bytes
        self._held: dict[str, tuple[Patient, PatientTensor]] = {}

    def __reduce__(self) -> tuple[object, ...]:
        # Another process reads for itself: sending what is held would take longer.
        return (type(self), (self._source, self._most))

    def get(self, patient: Patient) -> PatientTensor:
        """The patient's tensor.

        Raises:
            PcrnetError: As the source.
        """
        known = self._held.get(patient.patient_id)
        if known is not None and known[0] is patient:
            return known[1]
        tensor = self._source.get(patient)
        if tensor.image.nbytes > self._left:
            return tensor
        held = PatientTensor(
            image=_own(tensor.image),
            present=_own(tensor.present),
            days=_own(tensor.days),
            centre_mm=_own(tensor.centre_mm),
            crop=tensor.crop,
            quantities=tensor.quantities,
        )
        if known is None:
            self._left -= held.image.nbytes
        self._held[patient.patient_id] = (patient, held)
        return held


def _own(array: NDArray[Any]) -> NDArray[Any]:
    copied = np.array(array)
    copied.setflags(write=False)
    return copied

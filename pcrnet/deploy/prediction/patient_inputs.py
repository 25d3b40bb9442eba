"""What a bundle's model is shown of each patient: read side by side, and no more than it needs.

A model that looks at neither scans nor quantities is given none: their files are not decoded and
visits are not registered.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from pcrnet.cohort.table import Patient
from pcrnet.config.data import DataConfig
from pcrnet.config.imaging import ImagingConfig
from pcrnet.errors import PcrnetError, ProcessEndedError
from pcrnet.imaging.digests import DigestMemo
from pcrnet.imaging.known_scans import scan_marks
from pcrnet.imaging.patient_scans import require_scans
from pcrnet.imaging.quantify.record import Quantities, QuantityFlags
from pcrnet.imaging.tensors.cache import workers_for
from pcrnet.imaging.tensors.preprocess import PatientTensor, preprocess_patient
from pcrnet.processes import sparing_the_killed

if TYPE_CHECKING:
    from pcrnet.models.contract import Needs

_WAITING_BYTES = 1 << 30
"""How much of what was read may wait for the model."""


@dataclass(frozen=True, eq=False)
class PatientInputs:
    """What was read of one patient.

    Attributes:
        tensor: What the model is shown.
        marks: Of the patient's scans (:mod:`pcrnet.imaging.known_scans`).
    """

    tensor: PatientTensor
    marks: frozenset[str]


def read_inputs(
    patients: Sequence[Patient],
    needs: Needs,
    data: DataConfig,
    imaging: ImagingConfig,
    *,
    workers: int | None = None,
) -> Iterator[tuple[int, PatientInputs | PcrnetError]]:
    """Read what a model needs of every patient, in any order.

    Args:
        patients: Whose scans are read.
        needs: What the model looks at.
        data: Timepoints and channels.
        imaging: Grid and intensity rules.
        workers: Processes to use; by default as many as there are cores and memory for, or none
            for few patients. Numbers do not depend on it.

    Yields:
        The position of a patient, and what was read or why it cannot be. A process that is killed,
        from lack of memory say, costs its own patient alone.
    """
    shape = (len(data.timepoints), len(data.channels), *imaging.size)
    looks = needs.looks_at_scans
    if workers is None:
        workers = workers_for(len(patients), math.prod(shape)) if looks else 1
    work = partial(_try_to_read, data=data, imaging=imaging, looks=looks)
    together = max(4 * workers, _WAITING_BYTES // (2 * math.prod(shape)))
    for first in range(0, len(patients), together):
        some = patients[first : first + together]
        # Closed at once should the caller stop: its processes end with it.
        with closing(sparing_the_killed(work, some, min(workers, len(some)))) as read:
            for position, inputs in read:
                yield (
                    first + position,
                    _ended(some[position]) if inputs is None else inputs,
                )


def _try_to_read(
    patient: Patient, *, data: DataConfig, imaging: ImagingConfig, looks: bool
) -> PatientInputs | PcrnetError:
    try:
        if looks:
            tensor = preprocess_patient(patient, data, imaging)
        else:
            require_scans(patient, data)
            tensor = _nothing_seen(patient, data)
        return PatientInputs(tensor, _marks(patient))
    except PcrnetError as error:
        return error.located(patient=patient.patient_id)


def _marks(patient: Patient) -> frozenset[str]:
    try:
        return scan_marks(patient, DigestMemo(None))
    except OSError:  # a file that was not needed need not be readable
        return frozenset()


def _nothing_seen(patient: Patient, data: DataConfig) -> PatientTensor:
    shape = (len(data.timepoints), len(data.channels))
    days = [patient.visits[timepoint].days for timepoint in data.timepoints]
    flags = QuantityFlags("none", None, math.nan, {}, ())
    return PatientTensor(
        image=np.zeros((*shape, 0, 0, 0), dtype=np.float16),
        present=np.zeros(shape, dtype=np.bool_),
        days=np.array([np.nan if day is None else day for day in days], dtype=np.float32),
        centre_mm=np.zeros(3),
        crop="body",
        quantities=Quantities({}, flags),
    )


def _ended(patient: Patient) -> ProcessEndedError:
    return ProcessEndedError(
        "the process that read the scans was ended from outside",
        patient=patient.patient_id,
        file=patient.location,
        remedy="free memory, or let fewer work side by side (--workers 1)",
    )

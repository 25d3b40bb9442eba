"""Patients without files, and tensors that stand for their scans."""

import numpy as np
import pytest

from pcrnet.cohort.outcome import CELLS, Outcome
from pcrnet.cohort.table import Patient
from pcrnet.imaging.quantify.record import Quantities, QuantityFlags
from pcrnet.imaging.tensors.preprocess import PatientTensor


class FakeSource:
    """Tensors of shape (2, 6, 4, 4, 4) that say in their voxels whose they are."""

    def get(self, patient):
        number = float(patient.patient_id[1:])
        return PatientTensor(
            image=np.full((2, 6, 4, 4, 4), number, np.float16),
            present=np.arange(12).reshape(2, 6) % 5 != number % 5,
            days=np.array([0.0, np.nan if number % 2 else 10.0 * number], np.float32),
            centre_mm=np.zeros(3),
            crop="body",
            quantities=Quantities({}, QuantityFlags("none", None, np.nan, {}, ())),
        )


class CountingSource:
    """Another source, and of whom it was asked."""

    def __init__(self, source):
        self.source, self.asked = source, []

    def get(self, patient):
        self.asked.append(patient.patient_id)
        return self.source.get(patient)


@pytest.fixture
def source():
    return FakeSource()


@pytest.fixture
def patients():
    return [
        Patient(f"P{i}", i + 2, None, {}, Outcome(*CELLS[i % 4]).closed, {"age": str(40 + i)})
        for i in range(7)
    ]

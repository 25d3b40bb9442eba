"""Twenty patients of three sites with facts and quantities, as a model was trained on them."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest

from pcrnet.cohort.outcome import Outcome
from pcrnet.cohort.table import Patient, Visit
from pcrnet.config.data import DataConfig
from pcrnet.config.imaging import ImagingConfig
from pcrnet.imaging.facts.patient import fact_names
from pcrnet.imaging.quantify.record import Quantities, QuantityFlags
from pcrnet.imaging.quantify.specs import quantity_specs
from pcrnet.imaging.tensors.preprocess import PatientTensor

DATA = DataConfig(timepoints=("a", "b"), branches={"pet": ("pet",), "mri": ("t2",)})
IMAGING = ImagingConfig(size=(8, 8, 8))


def _patient(number):
    visits = {t: Visit(t, {}, days=float(days + number % 3)) for t, days in (("a", -5), ("b", 40))}
    outcome = Outcome(yT0=number % 2 == 0, yN0=number % 3 == 0)
    return Patient(
        f"P{number:02d}",
        number + 2,
        f"site-{number % 3}",
        visits,
        outcome,
        {"age": str(40 + number % 30), "grade": ("low", "high")[number % 2]},
    )


def _tensor(number, shape=(2, 2)):
    generator = np.random.default_rng(number)
    names = fact_names(DATA.channels)
    facts = generator.normal(0, 0.2, (*shape, len(names))).astype(np.float32)
    present = np.ones(shape, dtype=bool)
    present[1, 1] = number % 4 > 0
    facts[~present] = np.nan
    values = {spec.name: float(generator.normal()) for spec in quantity_specs(DATA, IMAGING)}
    return PatientTensor(
        image=np.zeros((*shape, 8, 8, 8), np.float16),
        present=present,
        days=np.array([-5, 40], np.float32),
        centre_mm=np.zeros(3),
        crop="body",
        quantities=Quantities(values, QuantityFlags("none", None, float("nan"), {}, ())),
        facts=facts,
    )


@pytest.fixture(scope="session")
def training():
    """Patients, their tensors, and the settings."""
    numbers = range(45)
    return SimpleNamespace(
        patients=[_patient(number) for number in numbers],
        tensors=[_tensor(number) for number in numbers],
        data=DATA,
        imaging=IMAGING,
        names=fact_names(DATA.channels),
        new_patient=_patient,
        new_tensor=_tensor,
        replace=dataclasses.replace,
    )

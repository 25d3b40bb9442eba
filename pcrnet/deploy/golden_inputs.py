"""What the network is shown of the golden cases, kept in few numbers.

Probabilities alone would not do: where a network has learnt little they hardly move, whatever
becomes of its input. These numbers move with spacing, place, normalisation, days and covariates.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pcrnet.cohort.table import Patient
from pcrnet.data.clinical import ClinicalEncoding, Encoding
from pcrnet.deploy.manifest import Manifest, read_patients
from pcrnet.errors import InsufficientScansError
from pcrnet.imaging.tensors.preprocess import PatientTensor, preprocess_patient

INPUT_TOLERANCE = 1e-4
"""Relative to the largest number of a scan or a list; machines differ by some 1e-6."""


def inputs_of(cohort: Path, manifest: Manifest, covariates: Sequence[Encoding]) -> dict[str, Any]:
    """What a model is shown of each patient of a cohort table, in few numbers.

    Args:
        cohort: The table.
        manifest: Of the bundle.
        covariates: As the model encodes them.

    Raises:
        PcrnetError: The table or a scan cannot be used.
    """
    data, imaging = manifest.data, manifest.imaging
    patients = read_patients(cohort, manifest)
    tensors: list[PatientTensor | None] = []
    for patient in patients:
        try:
            tensors.append(preprocess_patient(patient, data, imaging))
        except InsufficientScansError:
            tensors.append(None)
    scans = [f"{timepoint}.{name}" for timepoint in data.timepoints for name in data.channels]
    return describe_inputs(patients, tensors, covariates, scans)


def describe_inputs(
    patients: Sequence[Patient],
    tensors: Sequence[PatientTensor | None],
    covariates: Sequence[Encoding],
    scans: Sequence[str],
) -> dict[str, Any]:
    """Patient to what the network is shown of the patient, as plain JSON; null where nothing is.

    Args:
        patients: n patients.
        tensors: Their n tensors; None for a patient with too few scans.
        covariates: As the model encodes them.
        scans: ``timepoint.channel`` along the first two axes of a tensor's image.
    """
    return {
        patient.patient_id: None
        if tensor is None
        else _describe(patient, tensor, covariates, scans)
        for patient, tensor in zip(patients, tensors, strict=True)
    }


def _describe(
    patient: Patient,
    tensor: PatientTensor,
    covariates: Sequence[Encoding],
    scans: Sequence[str],
) -> dict[str, Any]:
    volumes = tensor.image.reshape(-1, *tensor.image.shape[2:])
    return {
        "scans": {
            name: _moments(volume)
            for name, volume, present in zip(scans, volumes, tensor.present.ravel(), strict=True)
            if present
        },
        "days": [None if math.isnan(day) else float(day) for day in tensor.days],
        "centre_mm": [float(mm) for mm in tensor.centre_mm],
        "covariates": _covariates(covariates, patient),
        "quantities": {
            name: None if math.isnan(value) else [value]
            for name, value in tensor.quantities.values.items()
        },
    }


def input_difference(expected: object, found: object, place: str = "") -> str | None:
    """Where two descriptions differ by more than :data:`INPUT_TOLERANCE` first; None where not."""
    if isinstance(expected, Mapping) and isinstance(found, Mapping):
        if expected.keys() != found.keys():
            return place or "the cases"
        pairs = [(str(key), expected[key], found[key]) for key in expected]
    elif isinstance(expected, list) and isinstance(found, list):
        if len(expected) != len(found):
            return place
        if all(isinstance(value, int | float) for value in [*expected, *found]):
            scale = max([1e-3, *map(abs, expected)])
            far = any(
                abs(a - b) > INPUT_TOLERANCE * scale for a, b in zip(expected, found, strict=True)
            )
            return place if far else None
        pairs = [(str(i), a, b) for i, (a, b) in enumerate(zip(expected, found, strict=True))]
    else:
        return None if expected == found else place
    for name, ours, theirs in pairs:
        difference = input_difference(ours, theirs, f"{place}, {name}" if place else name)
        if difference is not None:
            return difference
    return None


def _moments(volume: NDArray[np.float16]) -> list[float]:
    """Mean, standard deviation, and the mean along a ramp through each axis (−1 to 1)."""
    values = volume.astype(np.float64)
    ramps = np.meshgrid(*(np.linspace(-1.0, 1.0, n) for n in values.shape), indexing="ij")
    return [float(values.mean()), float(values.std()), *(float((values * r).mean()) for r in ramps)]


def _covariates(covariates: Sequence[Encoding], patient: Patient) -> list[float]:
    features, present = ClinicalEncoding(tuple(covariates)).encode(patient)
    return [*map(float, features), *map(float, present)]

"""Whether a patient is like those that a model was trained on, and if not, why."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from pcrnet.applicability.fact_words import WHOLE, describe
from pcrnet.applicability.reference import (
    CohortReference,
    Usual,
    covariate_columns,
    quantities_of,
)
from pcrnet.cohort.table import Patient
from pcrnet.imaging.tensors.preprocess import PatientTensor

_QUANTITIES = "quantities"


@dataclass(frozen=True)
class Doubt:
    """One reason why a patient is unlike the training patients.

    Attributes:
        where: ``timepoint.channel``, the name of a covariate, or ``quantities``.
        reason: A sentence for a reader.
        strangeness: Above 1, which is the limit of what is usual.
    """

    where: str
    reason: str
    strangeness: float

    def __str__(self) -> str:
        return f"{self.where}: {self.reason}"


@dataclass(frozen=True)
class Likeness:
    """How like the training patients a patient is.

    Attributes:
        strangeness: The greatest of all that was looked at; above 1 the patient is unlike them.
        doubts: Why, the strongest first; empty where nothing is beyond its limit.
    """

    strangeness: float
    doubts: tuple[Doubt, ...]


def judge_patient(
    reference: CohortReference,
    patient: Patient,
    tensor: PatientTensor,
    timepoints: Sequence[str],
    channels: Sequence[str],
    units: Sequence[str],
) -> Likeness:
    """Compare a patient with the training patients.

    Args:
        reference: What they were like.
        patient: For covariates and days.
        tensor: Facts and quantities of the scans.
        timepoints: T timepoints.
        channels: C channels.
        units: Their C units.
    """
    found = [
        *_scans(reference, tensor, timepoints, channels, units),
        *_quantities(reference, tensor),
        *_covariates(reference, patient),
    ]
    worst: dict[str, Doubt] = {}
    for doubt in sorted(found, key=lambda doubt: -doubt.strangeness):
        worst.setdefault(doubt.where, doubt)
    return Likeness(
        strangeness=max((doubt.strangeness for doubt in found), default=0.0),
        doubts=tuple(doubt for doubt in worst.values() if doubt.strangeness > 1.0),
    )


def _scans(
    reference: CohortReference,
    tensor: PatientTensor,
    timepoints: Sequence[str],
    channels: Sequence[str],
    units: Sequence[str],
) -> Iterator[Doubt]:
    if not tensor.facts.size:
        return
    for row, timepoint in enumerate(timepoints):
        for column, channel in enumerate(channels):
            where = f"{timepoint}.{channel}"
            usual = reference.scans.get(where)
            if usual is None or not tensor.present[row, column]:
                continue
            values = tensor.facts[row, column].astype(np.float64)
            if len(values) != len(usual.names):
                continue
            yield from _of_table(where, usual, values, units[column])


def _of_table(where: str, usual: Usual, values: np.ndarray, unit: str) -> Iterator[Doubt]:
    apart = np.abs(np.nan_to_num(usual.limits.deviations(values[None])[0]))
    worst = int(apart.argmax())
    low, high = (float(bound[worst]) for bound in (usual.low, usual.high))
    words = describe(usual.names[worst], float(values[worst]), low, high, unit)
    yield Doubt(where, words, float(apart[worst]))
    yield Doubt(where, WHOLE, float(usual.limits.distances(values[None])[0]))


def _quantities(reference: CohortReference, tensor: PatientTensor) -> Iterator[Doubt]:
    usual = reference.quantities
    if usual is None:
        return
    values = quantities_of(tensor, usual.names)
    if not np.isfinite(values).any():
        return
    apart = np.abs(np.nan_to_num(usual.limits.deviations(values[None])[0]))
    worst = int(apart.argmax())
    usually = f"{usual.low[worst]:.3g} to {usual.high[worst]:.3g}"
    # Many are skewed by nature, such as the share of the largest part: they count together.
    yield Doubt(
        _QUANTITIES,
        f"together unlike those of the training patients; {usual.names[worst]} the most, "
        f"{values[worst]:.3g} where {usually} is usual",
        float(usual.limits.distances(values[None])[0]),
    )


def _covariates(reference: CohortReference, patient: Patient) -> Iterator[Doubt]:
    names = [found.name for found in reference.covariates if not found.name.endswith(".days")]
    texts = {name: column[0] for name, column in covariate_columns([patient], names)}
    for found in reference.covariates:
        text = texts.get(found.name)
        if text is not None:
            yield Doubt(found.name, found.reason(text), found.strangeness(text))

"""The training cohort as a stream of patients: what daily use is compared with.

Every patient gives a handful of series: the three probabilities, a score of each subject that was
measured, and the numeric covariates. Kept are means, standard deviations and correlations.

Shapes: n patients, m series.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from pcrnet.applicability.reference import CohortReference, Usual, quantities_of
from pcrnet.cohort.covariates import as_number
from pcrnet.cohort.outcome import HEADS, Head
from pcrnet.cohort.table import Patient
from pcrnet.config.data import DataConfig
from pcrnet.config.imaging import ImagingConfig
from pcrnet.imaging.quantify.specs import quantity_specs
from pcrnet.imaging.quantify.subjects import SUBJECTS, subject_of
from pcrnet.imaging.tensors.preprocess import PatientTensor
from pcrnet.models.rivals.ridge import FloatArray

_DRAWN_IN = 3.5
_FEWEST = 8


@dataclass(frozen=True, eq=False)
class Baseline:
    """Series of the training patients.

    Attributes:
        names: (m,) such as ``prob_yT0``, ``uptake`` or ``covariate.age``.
        mean: (m,).
        deviation: (m,).
        correlation: (m, m).
        patients: n.
        prevalence: Head to the share of complete responses among the patients whose outcome is
            known; NaN where there are none.
    """

    names: tuple[str, ...]
    mean: FloatArray
    deviation: FloatArray
    correlation: FloatArray
    patients: int
    prevalence: Mapping[Head, float]

    @classmethod
    def fit(cls, rows: Sequence[Mapping[str, float]], prevalence: Mapping[Head, float]) -> Self:
        """Learn from the series of n patients; a series of few, or a constant one, is left out."""
        every = list(dict.fromkeys(name for row in rows for name in row))
        table = np.array([[row.get(name, math.nan) for name in every] for row in rows])
        kept = [
            column
            for column in range(len(every))
            if (known := table[np.isfinite(table[:, column]), column]).size >= _FEWEST
            and np.ptp(known) > 1e-9
        ]
        table = table[:, kept] if len(rows) else np.zeros((0, 0))
        mean = np.array([np.mean(column[np.isfinite(column)]) for column in table.T])
        deviation = np.array([np.std(column[np.isfinite(column)], ddof=1) for column in table.T])
        standard = np.nan_to_num((table - mean) / deviation)
        known = np.isfinite(table).astype(float)
        pairs = np.maximum(known.T @ known, 1.0)
        correlation = np.clip(standard.T @ standard / pairs, -1.0, 1.0)
        np.fill_diagonal(correlation, 1.0)
        names = tuple(every[column] for column in kept)
        return cls(names, mean, deviation, correlation, len(rows), dict(prevalence))

    def to_dict(self) -> dict[str, Any]:
        """Plain data that :meth:`from_dict` reads back."""
        return {
            "names": list(self.names),
            "mean": self.mean.tolist(),
            "deviation": self.deviation.tolist(),
            "correlation": self.correlation.tolist(),
            "patients": self.patients,
            "prevalence": {
                head: None if math.isnan(value) else value
                for head, value in self.prevalence.items()
            },
        }

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Self:
        """What :meth:`to_dict` gave.

        Raises:
            KeyError, TypeError, ValueError: It is something else.
        """
        names = tuple(str(name) for name in record["names"])
        m = len(names)
        mean, deviation = (np.array(record[key], dtype=float) for key in ("mean", "deviation"))
        correlation = np.array(record["correlation"], dtype=float).reshape(m, m)
        if mean.shape != (m,) or deviation.shape != (m,) or not (deviation > 0).all():
            raise ValueError("the series of the baseline do not fit their names")
        if not all(np.isfinite(array).all() for array in (mean, deviation, correlation)):
            raise ValueError("a number of the baseline is not finite")
        prevalence: dict[Head, float] = {}
        for head in HEADS:
            value = record["prevalence"].get(head)
            prevalence[head] = math.nan if value is None else float(value)
        return cls(names, mean, deviation, correlation, int(record["patients"]), prevalence)


def series_of_patient(
    patient: Patient,
    tensor: PatientTensor,
    prob: Mapping[Head, float],
    reference: CohortReference,
    data: DataConfig,
    imaging: ImagingConfig,
) -> dict[str, float]:
    """The series of one patient; what is not known is absent.

    The score of a subject is the mean of its quantities, each in robust standard deviations of the
    training patients and drawn in at 3.5 of them.
    """
    series = {f"prob_{head}": float(value) for head, value in prob.items()}
    if reference.quantities is not None:
        series |= _subject_scores(reference.quantities, tensor, data, imaging)
    for found in reference.covariates:
        text = patient.covariates.get(found.name)
        number = None if text is None else as_number(text)
        if number is not None and not found.words:
            series[f"covariate.{found.name}"] = float(number)
    return series


def _subject_scores(
    usual: Usual, tensor: PatientTensor, data: DataConfig, imaging: ImagingConfig
) -> dict[str, float]:
    kinds = {channel: imaging.channel_kind(channel) for channel in data.channels}
    subject = {spec.name: subject_of(spec, kinds) for spec in quantity_specs(data, imaging)}
    limits = usual.limits
    standard = (quantities_of(tensor, usual.names) - limits.centre) / limits.spread
    standard = np.clip(standard, -_DRAWN_IN, _DRAWN_IN)
    scores = {}
    for name in SUBJECTS:
        own = np.array([subject.get(quantity) == name for quantity in usual.names])
        known = standard[own & np.isfinite(standard)]
        # Of a subject of which little was measured the mean would swing more than usual.
        if known.size and known.size >= own.sum() / 2:
            scores[str(name)] = float(known.mean())
    return scores

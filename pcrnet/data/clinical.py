"""Clinical covariates: from the text of the cohort table to numbers the network is fed.

The encoding is fitted on the training patients of one fit and travels with its weights. Nothing is
imputed: an unknown value is an absent token.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from pcrnet.cohort.covariates import as_number, number_of
from pcrnet.cohort.table import Patient

FEWEST_OF_A_CATEGORY = 5
"""A category of fewer training patients counts as unknown: it teaches nothing that holds for
others, and its text, which a bundle ships, might point to somebody."""


@dataclass(frozen=True)
class NumericEncoding:
    """A number, standardised by the training patients' mean and standard deviation."""

    name: str
    mean: float
    deviation: float


@dataclass(frozen=True)
class CategoricalEncoding:
    """One of the categories of at least :data:`FEWEST_OF_A_CATEGORY` training patients.

    Any other counts as unknown.
    """

    name: str
    categories: tuple[str, ...]


Encoding = NumericEncoding | CategoricalEncoding


@dataclass(frozen=True)
class ClinicalEncoding:
    """How covariates become features. Shapes: N patients, F features, J covariates."""

    covariates: tuple[Encoding, ...]

    @classmethod
    def fit(cls, patients: Sequence[Patient], names: Sequence[str]) -> Self:
        """Learn the encoding from the training patients and from nobody else.

        A column is numeric when it has known values and all of them are finite numbers, else
        categorical. Where nothing is known there are no categories: any value counts as unknown.
        """
        return cls(tuple(_fit_covariate(patients, name) for name in names))

    @property
    def covariate_of_feature(self) -> tuple[int, ...]:
        """For each of the F features the index of its covariate."""
        return tuple(
            index
            for index, covariate in enumerate(self.covariates)
            for _ in range(_feature_count(covariate))
        )

    def encode(self, patient: Patient) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Features (F,) and presence (J,) of one patient.

        Raises:
            CohortError: Text where the training cohort had numbers.
        """
        features: list[float] = []
        present: list[bool] = []
        for covariate in self.covariates:
            values, known = _encode(covariate, patient)
            features += values
            present.append(known)
        return np.asarray(features, dtype=np.float32), np.asarray(present, dtype=np.bool_)

    def to_dict(self) -> list[dict[str, Any]]:
        """Plain data that :meth:`from_dict` reads back."""
        return [
            {"kind": "numeric", "name": item.name, "mean": item.mean, "deviation": item.deviation}
            if isinstance(item, NumericEncoding)
            else {"kind": "categorical", "name": item.name, "categories": list(item.categories)}
            for item in self.covariates
        ]

    @classmethod
    def from_dict(cls, data: Sequence[dict[str, Any]]) -> Self:
        """The encoding that :meth:`to_dict` wrote.

        Raises:
            ValueError, TypeError, KeyError: The data are of another form.
        """
        return cls(tuple(map(_covariate_of, data)))


def _covariate_of(item: dict[str, Any]) -> Encoding:
    name = item["name"]
    if not isinstance(name, str):
        raise TypeError("the name of a covariate is no text")
    if item["kind"] == "numeric":
        mean, deviation = float(item["mean"]), float(item["deviation"])
        if not (np.isfinite(mean) and np.isfinite(deviation) and deviation > 0):
            raise ValueError(f"mean and deviation of {name} make no scale")
        return NumericEncoding(name, mean, deviation)
    categories = item["categories"]
    if item["kind"] != "categorical" or not isinstance(categories, list):
        raise ValueError(f"{name} is neither numeric nor categorical")
    if not all(isinstance(text, str) for text in categories):
        raise TypeError(f"a category of {name} is no text")
    return CategoricalEncoding(name, tuple(categories))


def _fit_covariate(patients: Sequence[Patient], name: str) -> Encoding:
    known = [text for patient in patients if (text := patient.covariates.get(name)) is not None]
    numbers = [as_number(text) for text in known]
    if numbers and all(number is not None for number in numbers):
        values = np.asarray(numbers, dtype=np.float64)
        # A constant column carries nothing; dividing by its spread, 0 but for rounding, would
        # invent something.
        deviation = float(values.std()) if np.ptp(values) > 0 else 1.0
        return NumericEncoding(name, float(values.mean()), deviation)
    often = [text for text, n in Counter(known).items() if n >= FEWEST_OF_A_CATEGORY]
    return CategoricalEncoding(name, tuple(sorted(often)))


def _feature_count(covariate: Encoding) -> int:
    return 1 if isinstance(covariate, NumericEncoding) else len(covariate.categories)


def _encode(covariate: Encoding, patient: Patient) -> tuple[list[float], bool]:
    if isinstance(covariate, CategoricalEncoding):
        text = patient.covariates.get(covariate.name)
        values = [float(text == category) for category in covariate.categories]
        return values, any(values)
    number = number_of(patient, covariate.name)
    if number is None:
        return [0.0], False
    return [(number - covariate.mean) / covariate.deviation], True

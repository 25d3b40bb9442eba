"""What the training patients of a bundle were like, in numbers that are about nobody.

For each scan of the configuration, for the measured quantities, and for the covariates: centres,
spreads, limits and quantiles over the cohort. Nothing of any one patient is kept.

Shapes: n patients, T timepoints, C channels, F facts, Q quantities.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from pcrnet.applicability.covariate_ranges import CovariateRange, read_range
from pcrnet.applicability.fact_words import least_spread, leeway_of
from pcrnet.applicability.limits import UsualLimits
from pcrnet.cohort.table import Patient
from pcrnet.config.data import DataConfig
from pcrnet.config.imaging import ImagingConfig
from pcrnet.imaging.facts.patient import fact_names
from pcrnet.imaging.quantify.specs import quantity_specs
from pcrnet.imaging.tensors.preprocess import PatientTensor
from pcrnet.storage import read_arrays, read_record, taking_apart, write_bytes, write_json

FloatArray = NDArray[np.float64]

RECORD_FILE = "reference.json"
ARRAYS_FILE = "reference.safetensors"
FEWEST_PATIENTS = 10
"""With fewer nothing is said of what is usual: a fifth of them is left out to find its limits, and
of fewer than eight others no limit is learned."""
_REMEDY = "copy the bundle again from its source"
_USUAL = (0.02, 0.98)
_LEAST_OF_A_QUANTITY = 1e-6


@dataclass(frozen=True, eq=False)
class Usual:
    """A table of numbers: what each is called, how far it may go, and where most of them lie.

    Attributes:
        names: (p,).
        limits: Of the p numbers.
        low: (p,) 2 % quantile of the training patients.
        high: (p,) 98 % quantile.
        patients: How many were known.
    """

    names: tuple[str, ...]
    limits: UsualLimits
    low: FloatArray
    high: FloatArray
    patients: int

    @classmethod
    def fit(
        cls,
        names: Sequence[str],
        values: FloatArray,
        least: FloatArray,
        groups: Sequence[object],
        leeway: FloatArray | float = 1.0,
    ) -> Self:
        """Learn from (n, p), NaN unknown; the rest as :meth:`UsualLimits.fit`."""
        low, high = (_quantile(values, share) for share in _USUAL)
        return cls(
            tuple(names), UsualLimits.fit(values, least, groups, leeway), low, high, len(values)
        )


@dataclass(frozen=True, eq=False)
class CohortReference:
    """What the training patients were like.

    Attributes:
        scans: ``timepoint.channel`` to the facts of that scan; scans of too few are absent.
        quantities: The measured quantities; None where there are too few patients.
        covariates: The covariates and the days of each visit.
        patients: How many trained.
    """

    scans: Mapping[str, Usual]
    quantities: Usual | None
    covariates: tuple[CovariateRange, ...]
    patients: int

    @classmethod
    def fit(
        cls,
        patients: Sequence[Patient],
        tensors: Sequence[PatientTensor],
        covariates: Sequence[str],
        data: DataConfig,
        imaging: ImagingConfig,
    ) -> Self:
        """Learn from the patients that a model was trained on.

        Args:
            patients: n patients.
            tensors: Their n tensors.
            covariates: Columns that the model may use.
            data: Timepoints and channels.
            imaging: Intensity rules.
        """
        sites = np.array([patient.site or "" for patient in patients])
        return cls(
            scans=_scan_references(tensors, sites, data),
            quantities=_quantity_reference(tensors, sites, data, imaging),
            covariates=tuple(
                found
                for name, texts in covariate_columns(patients, covariates)
                if (found := CovariateRange.fit(name, texts)) is not None
            ),
            patients=len(patients),
        )

    def write(self, directory: Path) -> None:
        """Write plain JSON, and the arrays as safetensors."""
        from safetensors.numpy import save

        tables = {**self.scans} if self.quantities is None else {**self.scans, "": self.quantities}
        arrays = {
            f"{name}/{key}": np.ascontiguousarray(value)
            for name, usual in tables.items()
            for key, value in _arrays_of(usual).items()
        }
        write_json(
            directory / RECORD_FILE,
            {
                "patients": self.patients,
                "covariates": [found.to_dict() for found in self.covariates],
                "tables": [
                    {
                        "of": name,
                        "names": list(usual.names),
                        "patients": usual.patients,
                        "distance_limit": usual.limits.distance_limit,
                    }
                    for name, usual in tables.items()
                ],
            },
        )
        write_bytes(directory / ARRAYS_FILE, save(arrays))

    @classmethod
    def read(cls, directory: Path) -> Self:
        """Read what :meth:`write` wrote.

        Raises:
            IntegrityError: A file is damaged.
        """
        path = directory / RECORD_FILE
        record = read_record(path, remedy=_REMEDY)
        arrays = read_arrays(directory / ARRAYS_FILE, "reference", remedy=_REMEDY)
        with taking_apart(path, remedy=_REMEDY):
            tables = {str(item["of"]): _read_usual(item, arrays) for item in record["tables"]}
            return cls(
                scans={name: usual for name, usual in tables.items() if name},
                quantities=tables.get(""),
                covariates=tuple(read_range(item) for item in record["covariates"]),
                patients=int(record["patients"]),
            )


def covariate_columns(
    patients: Sequence[Patient], covariates: Sequence[str]
) -> list[tuple[str, list[str | None]]]:
    """Columns as text: the covariates, and the days of each visit."""
    columns: list[tuple[str, list[str | None]]] = [
        (name, [patient.covariates.get(name) for patient in patients]) for name in covariates
    ]
    timepoints = list(patients[0].visits) if patients else []
    for timepoint in timepoints:
        days = [patient.visits[timepoint].days for patient in patients]
        texts = [None if day is None else repr(float(day)) for day in days]
        columns.append((f"{timepoint}.days", texts))
    return columns


def modelled_names(data: DataConfig, imaging: ImagingConfig) -> tuple[str, ...]:
    """The measured quantities that are compared with the training patients'."""
    return tuple(
        spec.name
        for spec in quantity_specs(data, imaging)
        if spec.modelled and not spec.name.endswith(".days")
    )


def quantities_of(tensor: PatientTensor, names: Sequence[str]) -> FloatArray:
    """Quantities (Q,) of a patient, NaN where not measured."""
    values = tensor.quantities.values
    return np.array([values.get(name, np.nan) for name in names], dtype=np.float64)


def _scan_references(
    tensors: Sequence[PatientTensor], sites: NDArray[np.str_], data: DataConfig
) -> dict[str, Usual]:
    names = fact_names(data.channels)
    least = np.array([least_spread(name) for name in names])
    leeway = np.array([leeway_of(name) for name in names])
    found = {}
    for row, timepoint in enumerate(data.timepoints):
        for column, channel in enumerate(data.channels):
            there = [
                index
                for index, tensor in enumerate(tensors)
                if tensor.facts.size and tensor.present[row, column]
            ]
            if len(there) < FEWEST_PATIENTS:
                continue
            values = np.array([tensors[i].facts[row, column] for i in there], dtype=np.float64)
            usual = Usual.fit(names, values, least, sites[there].tolist(), leeway)
            found[f"{timepoint}.{channel}"] = usual
    return found


def _quantity_reference(
    tensors: Sequence[PatientTensor],
    sites: NDArray[np.str_],
    data: DataConfig,
    imaging: ImagingConfig,
) -> Usual | None:
    names = modelled_names(data, imaging)
    if len(tensors) < FEWEST_PATIENTS or not names:
        return None
    values = np.array([quantities_of(tensor, names) for tensor in tensors])
    # A quantity that is one number in most patients has no robust spread.
    least = np.maximum(0.5 * _deviation(values), _LEAST_OF_A_QUANTITY)
    return Usual.fit(names, values, least, sites.tolist())


def _deviation(values: FloatArray) -> FloatArray:
    return np.array(
        [
            float(np.std(column[np.isfinite(column)])) if np.isfinite(column).any() else 0.0
            for column in values.T
        ]
    )


def _quantile(values: FloatArray, share: float) -> FloatArray:
    return np.array(
        [
            float(np.quantile(known, share))
            if len(known := column[np.isfinite(column)])
            else np.nan
            for column in values.T
        ]
    )


_LIMIT_ARRAYS = tuple(item.name for item in fields(UsualLimits) if item.name != "distance_limit")


def _arrays_of(usual: Usual) -> dict[str, FloatArray]:
    of_limits = {name: getattr(usual.limits, name) for name in _LIMIT_ARRAYS}
    return {**of_limits, "low": usual.low, "high": usual.high}


def _read_usual(item: Mapping[str, Any], arrays: Mapping[str, FloatArray]) -> Usual:
    of, names = str(item["of"]), tuple(str(name) for name in item["names"])
    own = {key: arrays[f"{of}/{key}"] for key in (*_LIMIT_ARRAYS, "low", "high")}
    for key, array in own.items():
        shape = (len(names),) * (2 if key == "precision" else 1)
        if array.shape != shape or array.dtype != np.float64 or np.isinf(array).any():
            raise ValueError(f"the array {of}/{key} is damaged")
    limit = float(item["distance_limit"])
    if not limit > 0 or not (own["spread"] > 0).all() or not (own["limit"] > 0).all():
        raise ValueError(f"the limits of {of} are no limits")
    limits = UsualLimits(own["centre"], own["spread"], own["limit"], own["precision"], limit)
    return Usual(names, limits, own["low"], own["high"], int(item["patients"]))

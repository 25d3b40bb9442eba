"""What an exported graph is given: names, order and meaning of its inputs, without torch.

Nothing is standardised, imputed or one-hot coded before the graph: covariates and quantities go in
as they were written and measured, each beside a flag that says whether it is known.

Shapes: B patients, T timepoints, C channels, X Y Z voxels, J covariates, Q quantities.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pcrnet.cohort.covariates import number_of
from pcrnet.cohort.table import Patient
from pcrnet.config.data import DataConfig
from pcrnet.config.imaging import ImagingConfig
from pcrnet.data.clinical import ClinicalEncoding, Encoding, NumericEncoding
from pcrnet.deploy.manifest import MODEL_FOLDER, Manifest
from pcrnet.errors import ExportError
from pcrnet.imaging.quantify.specs import QuantitySpec
from pcrnet.imaging.tensors.preprocess import PatientTensor
from pcrnet.models.network_record import read_without_weights
from pcrnet.models.rivals.tabular import TabularModel

InputArray = NDArray[np.float32] | NDArray[np.float64] | NDArray[np.bool_]
Inputs = dict[str, InputArray]
"""Name to array of B patients, in the order of :attr:`GraphInputs.names`."""


@dataclass(frozen=True)
class RawCovariate:
    """A clinical column as a graph takes it.

    Attributes:
        name: Column of the cohort table.
        categories: What the number of a category stands for; None where the column holds numbers.
    """

    name: str
    categories: tuple[str, ...] | None

    def number(self, patient: Patient) -> float:
        """The number in its unit, or the category's place; NaN where it is unknown, or not listed.

        Raises:
            CohortError: Text where numbers are expected.
        """
        if self.categories is None:
            number = number_of(patient, self.name)
            return math.nan if number is None else number
        text = patient.covariates.get(self.name)
        return float(self.categories.index(text)) if text in self.categories else math.nan


@dataclass(frozen=True)
class GraphInputs:
    """The inputs of a graph.

    Attributes:
        data: Timepoints and channels.
        imaging: The grid.
        scans: Whether the graph looks at the image.
        quantities: Names of the measured quantities that it is given, in order.
        days: Whether it looks at the days of the visits.
        covariates: The clinical columns, in order.
    """

    data: DataConfig
    imaging: ImagingConfig
    scans: bool
    quantities: tuple[str, ...]
    days: bool
    covariates: tuple[RawCovariate, ...]

    @classmethod
    def of(
        cls,
        data: DataConfig,
        imaging: ImagingConfig,
        specs: Sequence[QuantitySpec],
        encodings: Iterable[ClinicalEncoding],
        *,
        networks: bool,
    ) -> GraphInputs:
        """What a model needs.

        Args:
            data: Timepoints and channels.
            imaging: The grid.
            specs: Quantities that its start rests on.
            encodings: Of the start, and of every network.
            networks: Whether there are networks.

        Raises:
            ExportError: Parts of the model read a covariate as numbers and as text.
        """
        return cls(
            data=data,
            imaging=imaging,
            scans=networks,
            quantities=tuple(spec.name for spec in specs if not is_day(spec)),
            days=networks or any(map(is_day, specs)),
            covariates=_raw_covariates(encodings),
        )

    @classmethod
    def of_bundle(cls, directory: Path, manifest: Manifest) -> GraphInputs:
        """What the model of a bundle needs, without loading its networks.

        Raises:
            IntegrityError: A file of the model is damaged.
            ExportError: As :meth:`of`.
        """
        data, imaging = manifest.data, manifest.imaging
        start, record = read_without_weights(directory / MODEL_FOLDER, data, imaging)
        specs, encodings = (
            (start.specs, (start.encoding, *record.encodings))
            if isinstance(start, TabularModel)
            else ((), record.encodings)
        )
        return cls.of(data, imaging, specs, encodings, networks=bool(record.encodings))

    @property
    def presence(self) -> bool:
        """Whether the graph is told which scans there are."""
        return self.scans or bool(self.quantities) or self.days

    @property
    def names(self) -> tuple[str, ...]:
        """The inputs, in order."""
        wanted = {
            "image": self.scans,
            "present": self.presence,
            "days": self.days,
            "quantities": bool(self.quantities),
            "quantity_present": bool(self.quantities),
            "covariates": bool(self.covariates),
            "covariate_present": bool(self.covariates),
        }
        return tuple(name for name, there in wanted.items() if there)

    def shape(self, name: str) -> tuple[int, ...]:
        """Shape of an input without the number of patients, which comes first."""
        scans = (len(self.data.timepoints), len(self.data.channels))
        return {
            "image": (*scans, *self.imaging.size),
            "present": scans,
            "days": scans[:1],
            "quantities": (len(self.quantities),),
            "quantity_present": (len(self.quantities),),
            "covariates": (len(self.covariates),),
            "covariate_present": (len(self.covariates),),
        }[name]

    def dtype(self, name: str) -> str:
        """Type of an input's numbers, as numpy names it."""
        if name in ("present", "quantity_present", "covariate_present"):
            return "bool"
        return "float32" if name == "image" else "float64"

    def arrays(self, patients: Sequence[Patient], tensors: Sequence[PatientTensor]) -> Inputs:
        """The inputs for B patients, each (B, *its own shape).

        Raises:
            CohortError: Text where a covariate holds numbers.
        """
        found: Mapping[str, NDArray[np.float64] | NDArray[np.float32] | NDArray[np.bool_]] = {
            "image": np.stack([tensor.image for tensor in tensors]).astype(np.float32)
            if self.scans
            else np.empty(0, np.float32),
            "present": np.stack([tensor.present for tensor in tensors]),
            "days": np.stack([_days(tensor, self.data) for tensor in tensors]),
            "quantities": np.array(
                [
                    [tensor.quantities.values.get(name, math.nan) for name in self.quantities]
                    for tensor in tensors
                ]
            ).reshape(len(tensors), -1),
            "covariates": np.array(
                [[each.number(patient) for each in self.covariates] for patient in patients]
            ).reshape(len(patients), -1),
        }
        inputs: dict[str, InputArray] = {}
        for name in self.names:
            if name in ("quantity_present", "covariate_present"):
                of = "quantities" if name == "quantity_present" else "covariates"
                inputs[name] = np.isfinite(found[of])
                inputs[of] = np.where(inputs[name], found[of], 0.0)
            else:
                inputs[name] = found[name]
        return inputs


def is_day(spec: QuantitySpec) -> bool:
    """Whether a quantity is the day of a visit, which the graph is given once, as ``days``."""
    return spec.name.endswith(".days")


def _days(tensor: PatientTensor, data: DataConfig) -> NDArray[np.float64]:
    """Days (T,) in double precision where they were measured so."""
    values = tensor.quantities.values
    exact = [values.get(f"{timepoint}.days", math.nan) for timepoint in data.timepoints]
    return np.where(np.isnan(exact), tensor.days.astype(np.float64), exact)


def _raw_covariates(encodings: Iterable[ClinicalEncoding]) -> tuple[RawCovariate, ...]:
    """Every covariate that some part of the model reads, with all categories that some part knows.

    Parts learned from other patients: one may know a category that another has met too rarely.
    """
    known: dict[str, list[Encoding]] = {}
    for encoding in encodings:
        for covariate in encoding.covariates:
            known.setdefault(covariate.name, []).append(covariate)
    return tuple(_raw_covariate(name, of) for name, of in known.items())


def _raw_covariate(name: str, encodings: Sequence[Encoding]) -> RawCovariate:
    numeric = any(isinstance(encoding, NumericEncoding) for encoding in encodings)
    categories = {
        category
        for encoding in encodings
        if not isinstance(encoding, NumericEncoding)
        for category in encoding.categories
    }
    if numeric and categories:
        raise ExportError(
            "one part of the model reads this covariate as numbers, another as text",
            field=name,
            remedy="write every value of the column as a number or none, and train again",
        )
    return RawCovariate(name, None if numeric else tuple(sorted(categories)))

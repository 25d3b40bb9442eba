"""Models of a table: ridge regressions on measured quantities and clinical covariates.

``clinical`` looks at the covariates alone, ``quantitative`` at the quantities, too. What is missing
is replaced by its mean given what is there, so that one model answers for any subset of the scans.

Shapes: n patients, p features (quantities, then features of covariates), T timepoints, C channels.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from pcrnet.cohort.table import Patient, allowed_cells
from pcrnet.config.data import DataConfig
from pcrnet.config.imaging import ImagingConfig
from pcrnet.data.clinical import ClinicalEncoding
from pcrnet.data.seeds import derive_seed
from pcrnet.errors import IntegrityError
from pcrnet.imaging.quantify.specs import QuantitySpec, quantity_specs
from pcrnet.imaging.tensors.preprocess import PatientTensor
from pcrnet.models.contract import FitRequest, Logits, Needs, Shown
from pcrnet.models.rivals.chain import RidgeChain
from pcrnet.models.rivals.imputation import Imputation, Standardisation
from pcrnet.models.rivals.ridge import FloatArray, Ridge
from pcrnet.storage import read_arrays, read_record, taking_apart, write_bytes, write_json

if TYPE_CHECKING:
    from torch import device

    from pcrnet.data.dataset import TensorSource

ARRAYS_FILE = "ridge.safetensors"
RECORD_FILE = "ridge.json"
_REMEDY = "restore the file from where it was written"


@dataclass(frozen=True, eq=False)
class TabularModel:
    """A fitted ridge chain with everything that turns a patient into its features.

    Attributes:
        data: Timepoints and channels.
        specs: The quantities it looks at; empty in a clinical model.
        encoding: How covariates become features.
        standardisation: Of all p features.
        imputation: Of the standardised features.
        chain: The three logits of the completed features.
    """

    data: DataConfig
    specs: tuple[QuantitySpec, ...]
    encoding: ClinicalEncoding
    standardisation: Standardisation
    imputation: Imputation
    chain: RidgeChain

    @classmethod
    def fit(cls, request: FitRequest, *, quantities: bool) -> Self:
        """Fit on the patients of a request; those whose outcome is unknown only help to impute."""
        specs = modelled(request.data, request.imaging) if quantities else ()
        encoding = ClinicalEncoding.fit(request.patients, request.covariates)
        values = _table(request.patients, request.source, request.data, specs, encoding, None)
        standardisation = Standardisation.fit(values)
        imputation = Imputation.fit(standardisation.apply(values))
        features = imputation.complete(standardisation.apply(values))
        seed = derive_seed(request.seed, request.name, "ridge")
        chain = RidgeChain.fit(features, allowed_cells(request.patients), seed)
        return cls(request.data, specs, encoding, standardisation, imputation, chain)

    def crossfit(
        self, patients: Sequence[Patient], source: TensorSource, folds: NDArray[np.int64]
    ) -> Logits:
        """Logits (n, 3) of each patient by the same model fitted without the patient's fold.

        Scaling and imputation, which know no outcome, stay; so do the penalties, two numbers that
        all outcomes share in. A network is trained against these logits; nothing is judged by them.
        """
        features = self.features(patients, source, None)
        allowed = allowed_cells(patients)
        logits = np.empty((len(patients), 3))
        for own in np.unique(folds):
            left = folds == own
            chain = self.chain.refit(features[~left], allowed[~left])
            logits[left] = chain.logits(features[left])
        return logits

    def logits(
        self,
        patients: Sequence[Patient],
        source: TensorSource,
        *,
        device: device | str = "cpu",
        shown: Shown | None = None,
    ) -> Logits:
        """Logits (n, 3); see :class:`~pcrnet.models.contract.FittedModel`."""
        return self.chain.logits(self.features(patients, source, shown))

    def needs(self) -> Needs:
        """Quantities and covariates; never the scans themselves."""
        covariates = self.encoding.covariates
        return Needs(scans=False, quantities=bool(self.specs), covariates=covariates)

    def describe(self) -> Mapping[str, Any]:
        """Numbers of features, and the penalties."""
        return {
            "quantities": len(self.specs),
            "covariates": len(self.encoding.covariates),
            "penalties": list(self.chain.penalties),
        }

    def features(
        self, patients: Sequence[Patient], source: TensorSource, shown: Shown | None = None
    ) -> FloatArray:
        """Features (n, p) as the chain is given them: standardised, and complete."""
        return self.imputation.complete(self.measured(patients, source, shown))

    def measured(
        self, patients: Sequence[Patient], source: TensorSource, shown: Shown | None = None
    ) -> FloatArray:
        """Standardised features (n, p) before anything is filled in; NaN is unknown or hidden."""
        values = _table(patients, source, self.data, self.specs, self.encoding, shown)
        return self.standardisation.apply(values)

    def write(self, directory: Path) -> None:
        """Write arrays as safetensors, names and the encoding as JSON."""
        from safetensors.numpy import save

        arrays = {name: np.ascontiguousarray(array) for name, array in self._arrays().items()}
        write_bytes(directory / ARRAYS_FILE, save(arrays))
        write_json(
            directory / RECORD_FILE,
            {
                "quantities": [spec.name for spec in self.specs],
                "encoding": self.encoding.to_dict(),
                "penalties": list(self.chain.penalties),
            },
        )

    def _arrays(self) -> dict[str, FloatArray]:
        standard, chain = self.standardisation, self.chain
        intercepts = np.array([chain.breast.intercept, chain.nodes.intercept, chain.step])
        return {
            "centre": standard.centre,
            "spread": standard.spread,
            "low": standard.low,
            "high": standard.high,
            "mean": self.imputation.mean,
            "covariance": self.imputation.covariance,
            "breast": chain.breast.coefficients,
            "nodes": chain.nodes.coefficients,
            "intercepts": intercepts,
        }

    @classmethod
    def read(cls, directory: Path, data: DataConfig, imaging: ImagingConfig) -> Self:
        """Read what :meth:`write` wrote.

        Raises:
            IntegrityError: A file is damaged, or names quantities that this version does not
                measure.
        """
        path = directory / RECORD_FILE
        record = read_record(path, remedy=_REMEDY)
        with taking_apart(path, remedy=_REMEDY):
            names = [str(name) for name in record["quantities"]]
            encoding = ClinicalEncoding.from_dict(record["encoding"])
            first, second = (float(penalty) for penalty in record["penalties"])
        known = {spec.name: spec for spec in quantity_specs(data, imaging)}
        unknown = [name for name in names if name not in known]
        if unknown:
            raise IntegrityError(
                f"the model rests on {unknown[0]}, which this version does not measure",
                file=path,
                remedy="use the version of pcrnet that wrote the model",
            )
        width = len(names) + len(encoding.covariate_of_feature)
        arrays = _read_arrays(directory / ARRAYS_FILE, width)
        breast, nodes, step = arrays["intercepts"].tolist()
        return cls(
            data=data,
            specs=tuple(known[name] for name in names),
            encoding=encoding,
            standardisation=Standardisation(
                *(arrays[name] for name in ("centre", "spread", "low", "high"))
            ),
            imputation=Imputation(arrays["mean"], arrays["covariance"]),
            chain=RidgeChain(
                Ridge(arrays["breast"], breast),
                Ridge(arrays["nodes"], nodes),
                step,
                (first, second),
            ),
        )


def modelled(data: DataConfig, imaging: ImagingConfig) -> tuple[QuantitySpec, ...]:
    """The quantities of a configuration that are meant for a model."""
    return tuple(spec for spec in quantity_specs(data, imaging) if spec.modelled)


def without(request: FitRequest, patients: Sequence[Patient], part: str) -> FitRequest:
    """The same request for some of its patients, under a name of its own."""
    return replace(request, patients=tuple(patients), name=f"{request.name}/{part}")


def _table(
    patients: Sequence[Patient],
    source: TensorSource,
    data: DataConfig,
    specs: Sequence[QuantitySpec],
    encoding: ClinicalEncoding,
    shown: Shown | None,
) -> FloatArray:
    """Features (n, p), NaN where something is not known or hidden."""
    rows = []
    for patient in patients:
        measured = _measured(source.get(patient), data, specs, shown) if specs else []
        features, known = encoding.encode(patient)
        clinical = np.where(known[list(encoding.covariate_of_feature)], features, np.nan)
        rows.append(np.concatenate([measured, clinical]))
    width = len(specs) + len(encoding.covariate_of_feature)
    return np.array(rows, dtype=np.float64).reshape(len(patients), width)


def _measured(
    tensor: PatientTensor, data: DataConfig, specs: Sequence[QuantitySpec], shown: Shown | None
) -> list[float]:
    """Quantities of one patient, NaN where they rest on what is absent or hidden."""
    seen = tensor.present if shown is None else tensor.present & shown
    hidden = _hidden(data, seen)
    values = tensor.quantities.values
    return [
        math.nan if hidden & {spec.name, *spec.scans} else values.get(spec.name, math.nan)
        for spec in specs
    ]


def _hidden(data: DataConfig, seen: Shown) -> frozenset[str]:
    """``timepoint.channel`` of what is not seen; mask and days of a visit of which nothing is."""
    scans = {
        f"{timepoint}.{channel}"
        for timepoint, row in zip(data.timepoints, seen, strict=True)
        for channel, there in zip(data.channels, row, strict=True)
        if not there
    }
    visits = {
        f"{timepoint}.{of}"
        for timepoint, row in zip(data.timepoints, seen, strict=True)
        for of in ("mask", "days")
        if not row.any()
    }
    return frozenset(scans | visits)


def _read_arrays(path: Path, features: int) -> dict[str, FloatArray]:
    arrays = read_arrays(path, "ridge", remedy=_REMEDY)
    vectors = ("centre", "spread", "low", "high", "mean", "breast", "nodes")
    shapes = dict.fromkeys(vectors, (features,)) | {
        "covariance": (features, features),
        "intercepts": (3,),
    }
    for name, shape in shapes.items():
        found = arrays.get(name)
        if found is None or found.shape != shape or not _sound(name, found):
            raise IntegrityError(f"the array {name} is damaged", file=path, remedy=_REMEDY)
    return arrays


def _sound(name: str, values: FloatArray) -> bool:
    """Finite, in double precision; a quantity that says nothing is infinitely spread."""
    if values.dtype != np.float64 or np.isnan(values).any():
        return False
    return bool((values > 0).all() if name == "spread" else np.isfinite(values).all())

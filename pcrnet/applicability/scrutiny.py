"""What a bundle carries beside its model to doubt itself, and what it says of one patient."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np

from pcrnet.applicability.baseline import Baseline, series_of_patient
from pcrnet.applicability.certainty import (
    Certainty,
    ProbInterval,
    near_threshold,
    spread_of_members,
)
from pcrnet.applicability.judgement import Likeness, judge_patient
from pcrnet.applicability.reference import CohortReference
from pcrnet.cohort.outcome import HEADS, Head
from pcrnet.cohort.table import Patient, allowed_cells, label_column
from pcrnet.config.data import DataConfig
from pcrnet.config.evaluation import CalibrationConfig
from pcrnet.config.imaging import ImagingConfig
from pcrnet.data.dataset import TensorSource
from pcrnet.decision.bootstrap import bootstrap_calibrators
from pcrnet.decision.calibrators import Calibrator, head_probabilities
from pcrnet.imaging.tensors.preprocess import PatientTensor
from pcrnet.imaging.units import channel_unit
from pcrnet.models.contract import FittedModel
from pcrnet.models.network_model import NetworkModel, network_logits
from pcrnet.models.rivals.posterior import ChainPosterior
from pcrnet.models.rivals.ridge import FloatArray
from pcrnet.models.rivals.tabular import TabularModel
from pcrnet.storage import read_record, taking_apart, write_json

if TYPE_CHECKING:
    from torch import device as torch_device

_BASELINE_FILE = "baseline.json"
_REMEDY = "copy the bundle again from its source"


@dataclass(frozen=True)
class Scrutiny:
    """What is to be known of a patient's prediction beside the prediction.

    Attributes:
        likeness: Whether the patient is like those that the model was trained on.
        intervals: Head to the interval of its probability.
        near: The heads whose threshold lies within the interval.
        series: What the prediction adds to a log of daily use.
    """

    likeness: Likeness
    intervals: Mapping[Head, ProbInterval]
    near: tuple[Head, ...]
    series: Mapping[str, float]


@dataclass(frozen=True, eq=False)
class Applicability:
    """What a bundle knows of its training patients and of its own uncertainty.

    Attributes:
        reference: What the training patients were like.
        certainty: How the numbers might have come out otherwise.
        baseline: The training cohort as a stream of patients.
    """

    reference: CohortReference
    certainty: Certainty
    baseline: Baseline

    @classmethod
    def fit(
        cls,
        model: FittedModel,
        patients: Sequence[Patient],
        source: TensorSource,
        *,
        covariates: Sequence[str],
        data: DataConfig,
        imaging: ImagingConfig,
        left_out_logits: FloatArray,
        calibration: CalibrationConfig,
        prob: Mapping[Head, FloatArray],
    ) -> Self:
        """Learn from the patients that a model was fitted on.

        Args:
            model: The one that ships.
            patients: n patients.
            source: Their tensors.
            covariates: Columns that the model may use.
            data: Timepoints and channels.
            imaging: Grid and intensity rules.
            left_out_logits: (n, 3) that the calibrator was fitted on.
            calibration: ``evaluation.calibration``.
            prob: Head to calibrated out-of-fold probability (n,).
        """
        tensors = [source.get(patient) for patient in patients]
        reference = CohortReference.fit(patients, tensors, covariates, data, imaging)
        allowed = allowed_cells(patients)
        ridge = ridge_of(model)
        posterior = (
            None
            if ridge is None
            else ChainPosterior.fit(ridge.chain, ridge.features(patients, source), allowed)
        )
        calibrators = bootstrap_calibrators(calibration, left_out_logits, allowed)
        rows = [
            series_of_patient(
                patient,
                tensor,
                {head: float(values[row]) for head, values in prob.items()},
                reference,
                data,
                imaging,
            )
            for row, (patient, tensor) in enumerate(zip(patients, tensors, strict=True))
        ]
        prevalence = {head: _share(label_column(patients, head)) for head in HEADS}
        baseline = Baseline.fit(rows, prevalence)
        return cls(reference, Certainty(posterior, calibrators), baseline)

    def scrutinise(
        self,
        model: FittedModel,
        patient: Patient,
        tensor: PatientTensor,
        logits: FloatArray,
        calibrator: Calibrator,
        thresholds: Mapping[Head, float | None],
        data: DataConfig,
        imaging: ImagingConfig,
        *,
        device: torch_device | str = "cpu",
    ) -> Scrutiny:
        """What is to be known of a prediction.

        Args:
            model: The bundle's.
            patient: Who is predicted.
            tensor: What the model was shown.
            logits: (3,) what it answered.
            calibrator: The bundle's.
            thresholds: Its operating points.
            data: Timepoints and channels.
            imaging: Grid and intensity rules.
            device: Where networks compute.
        """
        units = [channel_unit(imaging.channel_kind(name), imaging.dicom) for name in data.channels]
        likeness = judge_patient(
            self.reference, patient, tensor, data.timepoints, data.channels, units
        )
        covariance = model_covariance(model, self.certainty, patient, tensor, device)
        (intervals,) = self.certainty.intervals(logits[None], covariance, calibrator)
        prob = head_probabilities(calibrator.cells(logits[None]))
        series = series_of_patient(
            patient,
            tensor,
            {head: float(values[0]) for head, values in prob.items()},
            self.reference,
            data,
            imaging,
        )
        return Scrutiny(likeness, intervals, near_threshold(intervals, thresholds), series)

    def write(self, directory: Path) -> None:
        """Write all of it as plain data."""
        self.reference.write(directory)
        self.certainty.write(directory)
        write_json(directory / _BASELINE_FILE, self.baseline.to_dict())

    @classmethod
    def read(cls, directory: Path, model: FittedModel) -> Self:
        """Read what :meth:`write` wrote.

        Raises:
            IntegrityError: A file is damaged.
        """
        path = directory / _BASELINE_FILE
        record = read_record(path, remedy=_REMEDY)
        with taking_apart(path, remedy=_REMEDY):
            baseline = Baseline.from_dict(record)
        ridge = ridge_of(model)
        features = None if ridge is None else len(ridge.chain.breast.coefficients)
        return cls(CohortReference.read(directory), Certainty.read(directory, features), baseline)


def ridge_of(model: FittedModel) -> TabularModel | None:
    """The ridge chain that a model is or starts from; None where it has none."""
    start = model.start if isinstance(model, NetworkModel) else model
    return start if isinstance(start, TabularModel) else None


def model_covariance(
    model: FittedModel,
    certainty: Certainty,
    patient: Patient,
    tensor: PatientTensor,
    device: torch_device | str = "cpu",
) -> FloatArray:
    """Covariance (1, 3, 3) of a model's logits of one patient."""
    source = OneTensor(tensor)
    found = np.zeros((1, 3, 3))
    ridge = ridge_of(model)
    if ridge is not None and certainty.posterior is not None:
        found += certainty.posterior.covariance(ridge.features([patient], source))
    if isinstance(model, NetworkModel) and len(model.networks) > 1:
        corrections = [
            network_logits(network, encoding, [patient], source, device=device)
            for network, encoding in zip(model.networks, model.encodings, strict=True)
        ]
        found += spread_of_members(corrections, model.factors)
    return found


@dataclass(frozen=True)
class OneTensor:
    """The tensor of the only patient that is asked for."""

    tensor: PatientTensor

    def get(self, patient: Patient) -> PatientTensor:
        """That tensor."""
        return self.tensor


def _share(labels: FloatArray) -> float:
    known = labels[np.isfinite(labels)]
    return float(known.mean()) if known.size else float("nan")

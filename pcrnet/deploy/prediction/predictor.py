"""From a cohort table to calibrated probabilities, by a bundle and nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from pcrnet.applicability.scrutiny import OneTensor, Scrutiny
from pcrnet.cohort.outcome import HEADS
from pcrnet.cohort.table import Patient, label_column, site_column
from pcrnet.decision.calibrators import head_probabilities, joint_cells
from pcrnet.deploy.bundle import Bundle
from pcrnet.deploy.golden_inputs import inputs_of
from pcrnet.deploy.manifest import read_patients
from pcrnet.deploy.prediction.doubts import (
    doubt_columns,
    lesion_columns,
    require_alike,
)
from pcrnet.deploy.prediction.golden_check import require_golden_answers
from pcrnet.deploy.prediction.outcome_definition import require_same_outcome
from pcrnet.deploy.prediction.patient_inputs import read_inputs
from pcrnet.deploy.prediction.prediction_files import write_or_keep
from pcrnet.deploy.signing import require_approved
from pcrnet.errors import (
    ConfigError,
    PcrnetError,
    ProblemListError,
)
from pcrnet.evaluation.tables.predictions import Predictions
from pcrnet.imaging.quantify.record import QuantityFlags
from pcrnet.imaging.tensors.preprocess import PatientTensor, scans_present
from pcrnet.processes import Progress, silent


@dataclass(frozen=True)
class PredictionTable:
    """Predictions, and the patients who were refused one, each with the reason.

    Attributes:
        predictions: In the order of the cohort; ``None`` when every patient was refused.
        refused: Why, patient by patient.
        trained_on: Patients with a scan that the bundle was trained on. What is predicted of them
            says nothing about how well the bundle predicts.
        scrutinies: Patient to what is to be known beside the prediction; none where the bundle
            was packed without what its training patients were like.
    """

    predictions: Predictions | None
    refused: tuple[PcrnetError, ...]
    trained_on: tuple[str, ...] = ()
    scrutinies: Mapping[str, Scrutiny] = field(default_factory=dict)

    def write(self, path: Path, *, as_json: bool | None = None) -> None:
        """Write the predictions as CSV or JSON.

        Args:
            path: Where to.
            as_json: In which form; by default as the name ends.

        Raises:
            OutputError: They cannot be written; its text says where they were kept instead.
            ProblemListError: There is nothing to write, because every patient was refused.
        """
        if self.predictions is None:
            raise ProblemListError("no patient could be predicted", self.refused)
        write_or_keep(path, self.predictions, as_json=as_json)


class Predictor:
    """A bundle that is ready to predict.

    Args:
        bundle: The bundle.
        device: Where to compute; probabilities agree between devices to about 1e-5.
        refuse_unlike: Whether a patient unlike the training patients is refused, not warned of.
    """

    def __init__(self, bundle: Bundle, device: str = "cpu", *, refuse_unlike: bool = False) -> None:
        self.bundle = bundle
        self.device = device
        self.refuse_unlike = refuse_unlike
        self._trained_on = frozenset(bundle.manifest.trained_on)

    def predict(self, cohort: str | PathLike[str]) -> PredictionTable:
        """Predict every patient of a cohort table; as :meth:`predict_table`."""
        return self.predict_table(Path(cohort))

    def predict_table(
        self, cohort: Path, *, progress: Progress = silent, workers: int | None = None
    ) -> PredictionTable:
        """Read a cohort table and predict its patients.

        Arguments as :meth:`read_patients` and :meth:`predict_patients`, as are errors.
        """
        return self.predict_patients(self.read_patients(cohort), progress=progress, workers=workers)

    def read_patients(self, cohort: Path) -> tuple[Patient, ...]:
        """Read the patients of a cohort table.

        Args:
            cohort: ``cohort.csv`` with the timepoints, channels and covariates of the bundle;
                outcomes, where given, are carried over.

        Raises:
            BundleError: The table's outcomes are by another definition than the bundle's.
            ProblemListError: The table cannot be used as it stands.
        """
        require_same_outcome(cohort, self.bundle.manifest.outcome.definition)
        return read_patients(cohort, self.bundle.manifest)

    def predict_patients(
        self,
        patients: Sequence[Patient],
        *,
        progress: Progress = silent,
        workers: int | None = None,
    ) -> PredictionTable:
        """Predict patients.

        Args:
            patients: As :meth:`read_patients` reads them.
            progress: Called with patients done and patients in all.
            workers: Processes that read scans; by default as many as are worth it.
        """
        manifest = self.bundle.manifest
        needs = self.bundle.model.needs()
        answers: dict[int, NDArray[np.float64]] = {}
        scans: dict[int, tuple[str, ...]] = {}
        refused: dict[int, PcrnetError] = {}
        scrutinies: dict[str, Scrutiny] = {}
        lesions: dict[int, QuantityFlags] = {}
        known: set[int] = set()
        read = read_inputs(patients, needs, manifest.data, manifest.imaging, workers=workers)
        for done, (index, inputs) in enumerate(read, start=1):
            patient = patients[index]
            try:
                if isinstance(inputs, PcrnetError):
                    raise inputs
                answer = self._logits(patient, inputs.tensor)
                scrutiny = self._scrutinise(patient, inputs.tensor, answer)
            except PcrnetError as error:
                refused[index] = error.located(patient=patient.patient_id)
            else:
                answers[index] = answer
                if scrutiny is not None:
                    scrutinies[patient.patient_id] = scrutiny
                scans[index] = scans_present(
                    inputs.tensor, manifest.data.timepoints, manifest.data.channels
                )
                if needs.looks_at_scans:
                    lesions[index] = inputs.tensor.quantities.flags
                if inputs.marks & self._trained_on:
                    known.add(index)
            progress(done, len(patients))
        reasons = tuple(refused[index] for index in sorted(refused))
        order = sorted(answers)
        if not order:
            return PredictionTable(None, reasons)
        predictions = self._decide(
            [patients[index] for index in order],
            np.stack([answers[index] for index in order]),
            [scans[index] for index in order],
            lesion_columns([lesions.get(index) for index in order]),
            scrutinies,
        )
        trained_on = tuple(patients[index].patient_id for index in sorted(known))
        return PredictionTable(predictions, reasons, trained_on, scrutinies)

    def inputs(self, cohort: Path) -> dict[str, Any]:
        """What the network is shown of each patient of a cohort table, in few numbers.

        Raises:
            PcrnetError: The table or a scan cannot be used.
        """
        return inputs_of(cohort, self.bundle.manifest, self.bundle.model.needs().covariates)

    def _logits(self, patient: Patient, tensor: PatientTensor) -> NDArray[np.float64]:
        """Logits (3,)."""
        source = OneTensor(tensor)
        return np.asarray(self.bundle.model.logits([patient], source, device=self.device)[0])

    def _scrutinise(
        self, patient: Patient, tensor: PatientTensor, logits: NDArray[np.float64]
    ) -> Scrutiny | None:
        """What is to be known beside a prediction.

        Raises:
            UnlikeError: The patient is unlike the training patients, and that is to be refused.
        """
        scrutiny = self.bundle.scrutinise(patient, tensor, logits, device=self.device)
        if self.refuse_unlike and scrutiny is not None:
            require_alike(scrutiny)
        return scrutiny

    def _decide(
        self,
        patients: Sequence[Patient],
        logits: NDArray[np.float64],
        scans: list[tuple[str, ...]],
        lesions: Mapping[str, tuple[str, ...]],
        scrutinies: Mapping[str, Scrutiny],
    ) -> Predictions:
        operating_points = self.bundle.manifest.operating_points
        return Predictions(
            patient_id=tuple(patient.patient_id for patient in patients),
            site=site_column(patients),
            label={head: label_column(patients, head) for head in HEADS},
            prob=head_probabilities(self.bundle.calibrator.cells(logits)),
            uncalibrated_prob=head_probabilities(joint_cells(logits)),
            threshold={
                head: np.full(len(patients), np.nan if point is None else point)
                for head, point in operating_points.items()
            },
            scans=tuple(scans),
            other={
                **lesions,
                **doubt_columns([patient.patient_id for patient in patients], scrutinies),
            },
        )


def load_predictor(
    directory: Path,
    device: str = "cpu",
    *,
    sha256: str | None = None,
    key: Path | None = None,
    refuse_unlike: bool = False,
) -> Predictor:
    """Read a bundle, check every file, and make sure that it still gives its golden answers.

    Args:
        directory: The bundle.
        device: ``cpu``, ``cuda`` or ``cuda:1``.
        sha256: Digest of the bundle (:func:`~pcrnet.deploy.manifest.bundle_digest`).
        key: Public key of whoever must have signed it (:mod:`pcrnet.deploy.signing`).
        refuse_unlike: Whether patients unlike the training patients are refused.

    Raises:
        BundleError: The folder is no bundle.
        ConfigError: There is no such device, or no such key.
        IntegrityError: It is another bundle than ``sha256`` says, lacks the signature, a file was
            altered, or this machine answers the golden cases otherwise.
    """
    require_device(device)
    require_approved(directory, sha256=sha256, key=key)
    predictor = Predictor(Bundle.read(directory), device)
    require_golden_answers(predictor, directory)
    # The golden phantoms themselves are like no patient.
    predictor.refuse_unlike = refuse_unlike
    return predictor


def require_device(name: str) -> None:
    """Make sure that a device exists.

    Raises:
        ConfigError: It is neither ``cpu`` nor a CUDA device of this machine.
    """
    if name == "cpu":
        return
    kind, _, number = name.partition(":")
    count = torch.cuda.device_count()
    if kind == "cuda" and count and (not number or (number.isdecimal() and int(number) < count)):
        return
    there = ", ".join(["cpu", *(f"cuda:{index}" for index in range(count))])
    raise ConfigError(f"there is no such device; there are: {there}", field="--device")

"""From a cohort table to calibrated probabilities, by a bundle and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from pcrnet.cohort.outcome import HEADS
from pcrnet.cohort.table import Patient, label_column, read_cohort, site_column
from pcrnet.decision.calibrators import head_probabilities, joint_cells
from pcrnet.deploy.bundle import Bundle
from pcrnet.deploy.golden_inputs import describe_inputs, input_difference
from pcrnet.deploy.manifest import EXPECTED_FILE, GOLDEN_FOLDER, INPUTS_FILE, bundle_digest
from pcrnet.deploy.prediction_files import write_table
from pcrnet.errors import (
    ConfigError,
    InsufficientScansError,
    IntegrityError,
    PcrnetError,
    ProblemListError,
)
from pcrnet.evaluation.tables.predictions import Predictions, read_predictions
from pcrnet.imaging.digests import DigestMemo
from pcrnet.imaging.known_scans import scan_marks
from pcrnet.imaging.tensors.preprocess import PatientTensor, preprocess_patient, scans_present
from pcrnet.storage import read_record

GOLDEN_TOLERANCE = 1e-4
"""How far a probability of a golden case may lie from what the bundle's writer found."""


@dataclass(frozen=True)
class PredictionTable:
    """Predictions, and the patients who were refused one, each with the reason.

    Attributes:
        predictions: In the order of the cohort; ``None`` when every patient was refused.
        refused: Why, patient by patient.
        trained_on: Patients with a scan that the bundle was trained on. What is predicted of them
            says nothing about how well the bundle predicts.
    """

    predictions: Predictions | None
    refused: tuple[PcrnetError, ...]
    trained_on: tuple[str, ...] = ()

    def write(self, path: Path) -> None:
        """Write the predictions as CSV, or as JSON where the name ends so.

        Raises:
            ProblemListError: There is nothing to write, because every patient was refused.
        """
        if self.predictions is None:
            raise ProblemListError("no patient could be predicted", self.refused)
        write_table(path, self.predictions)


class Predictor:
    """A bundle that is ready to predict.

    Args:
        bundle: The bundle.
        device: Where to compute; probabilities agree between devices to about 1e-5.
    """

    def __init__(self, bundle: Bundle, device: str = "cpu") -> None:
        self.bundle = bundle
        self.device = device

    def predict(self, cohort: str | PathLike[str]) -> PredictionTable:
        """Predict every patient of a cohort table; as :meth:`predict_table`."""
        return self.predict_table(Path(cohort))

    def predict_table(
        self, cohort: Path, *, progress: Callable[[int, int], None] = lambda done, total: None
    ) -> PredictionTable:
        """Predict every patient of a cohort table.

        Args:
            cohort: ``cohort.csv`` with the timepoints, channels and covariates of the bundle;
                outcomes, where given, are carried over.
            progress: Called with patients done and patients in all.

        Raises:
            ProblemListError: The table cannot be used as it stands.
        """
        manifest = self.bundle.manifest
        patients = self._read(cohort)
        predicted: list[Patient] = []
        logits: list[NDArray[np.float64]] = []
        scans: list[tuple[str, ...]] = []
        refused: list[PcrnetError] = []
        for index, patient in enumerate(patients):
            try:
                tensor = preprocess_patient(patient, manifest.data, manifest.imaging)
                logits.append(self._logits(patient, tensor))
            except PcrnetError as error:
                refused.append(error.located(patient=patient.patient_id))
            else:
                predicted.append(patient)
                scans.append(
                    scans_present(tensor, manifest.data.timepoints, manifest.data.channels)
                )
            progress(index + 1, len(patients))
        if not predicted:
            return PredictionTable(None, tuple(refused))
        predictions = self._decide(predicted, np.stack(logits), scans)
        return PredictionTable(predictions, tuple(refused), self._known(predicted))

    def inputs(self, cohort: Path) -> dict[str, Any]:
        """What the network is shown of each patient of a cohort table, in few numbers.

        Raises:
            PcrnetError: The table or a scan cannot be used.
        """
        data, imaging = self.bundle.manifest.data, self.bundle.manifest.imaging
        patients = self._read(cohort)
        tensors: list[PatientTensor | None] = []
        for patient in patients:
            try:
                tensors.append(preprocess_patient(patient, data, imaging))
            except InsufficientScansError:
                tensors.append(None)
        scans = [f"{timepoint}.{name}" for timepoint in data.timepoints for name in data.channels]
        return describe_inputs(patients, tensors, self.bundle.model.needs().covariates, scans)

    def _read(self, cohort: Path) -> tuple[Patient, ...]:
        manifest = self.bundle.manifest
        return read_cohort(
            cohort,
            definition=manifest.outcome.definition,
            timepoints=manifest.data.timepoints,
            channels=manifest.data.channels,
            covariates=manifest.covariates,
            settings_fixed=True,
        ).patients

    def _known(self, patients: Sequence[Patient]) -> tuple[str, ...]:
        """Patients who took part in training, whatever they are called here."""
        marks = frozenset(self.bundle.manifest.trained_on)
        memo = DigestMemo(None)
        return tuple(
            patient.patient_id
            for patient in patients
            if marks and marks & scan_marks(patient, memo)
        )

    def _logits(self, patient: Patient, tensor: PatientTensor) -> NDArray[np.float64]:
        """Logits (3,)."""
        source = _OneTensor(tensor)
        return np.asarray(self.bundle.model.logits([patient], source, device=self.device)[0])

    def _decide(
        self,
        patients: Sequence[Patient],
        logits: NDArray[np.float64],
        scans: list[tuple[str, ...]],
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
        )


def load_predictor(directory: Path, device: str = "cpu", *, sha256: str | None = None) -> Predictor:
    """Read a bundle, check every file, and make sure that it still gives its golden answers.

    Args:
        directory: The bundle.
        device: ``cpu``, ``cuda`` or ``cuda:1``.
        sha256: Digest of the bundle (:func:`~pcrnet.deploy.manifest.bundle_digest`).

    Raises:
        BundleError: The folder is no bundle.
        ConfigError: There is no such device.
        IntegrityError: It is another bundle than ``sha256`` says, a file was altered, or this
            machine answers the golden cases otherwise.
    """
    require_device(device)
    if sha256 is not None and bundle_digest(directory) != sha256.strip().lower():
        raise IntegrityError(
            f"its digest is {bundle_digest(directory)}, not the one that was asked for",
            file=directory,
            remedy="find the bundle that was meant; this one was made anew or altered",
        )
    predictor = Predictor(Bundle.read(directory), device)
    _require_golden_answers(predictor, directory / GOLDEN_FOLDER)
    return predictor


def _require_golden_answers(predictor: Predictor, golden: Path) -> None:
    """Inputs first: they say what is wrong where probabilities say only that something is."""
    remedy = (
        "compare the versions of torch and pcrnet with those in environment.json of the run; do "
        "not use these predictions"
    )
    difference = input_difference(
        read_record(golden / INPUTS_FILE), predictor.inputs(golden / "cohort.csv")
    )
    if difference is not None:
        raise IntegrityError(
            f"the golden cases are read or preprocessed otherwise than by who wrote the bundle "
            f"({difference})",
            file=golden.parent,
            remedy=remedy,
        )
    expected = read_predictions(golden / EXPECTED_FILE)
    found = predictor.predict_table(golden / "cohort.csv").predictions
    drift = np.inf
    if found is not None and found.patient_id == expected.patient_id:
        pairs = [
            (after[head], before[head])
            for after, before in (
                (found.prob, expected.prob),
                (found.uncalibrated_prob, expected.uncalibrated_prob),
            )
            for head in HEADS
            if head in before
        ]
        drift = max(float(np.abs(after - before).max()) for after, before in pairs)
    if not drift <= GOLDEN_TOLERANCE:
        raise IntegrityError(
            f"the golden cases are answered {drift:.2g} off, {GOLDEN_TOLERANCE:g} is allowed",
            file=golden.parent,
            remedy=remedy,
        )


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


@dataclass(frozen=True)
class _OneTensor:
    tensor: PatientTensor

    def get(self, patient: Patient) -> PatientTensor:
        return self.tensor

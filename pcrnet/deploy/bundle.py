"""The bundle: one folder with everything that turns a patient's files into probabilities.

``bundle.json`` (input contract, preprocessing, network, calibrator, operating points), the weights
of the model as plain tensors, what the training patients were like, golden cases with their
answers, a model card, and the SHA-256 of every file; a signature where it was asked for. Nothing in
it is executed or unpickled.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from pcrnet.applicability.scrutiny import Applicability, Scrutiny
from pcrnet.cohort.table import Patient
from pcrnet.decision.calibrators import Calibrator, calibrator_from_dict
from pcrnet.deploy.manifest import (
    APPLICABILITY_FOLDER,
    MANIFEST_FILE,
    MODEL_FOLDER,
    RESTORE,
    Manifest,
    bundle_digest,
    read_manifest,
)
from pcrnet.errors import BundleError
from pcrnet.imaging.tensors.preprocess import PatientTensor
from pcrnet.models.contract import FittedModel
from pcrnet.models.kinds import read_model


@dataclass(frozen=True, eq=False)
class Bundle:
    """A bundle in memory."""

    manifest: Manifest
    model: FittedModel
    calibrator: Calibrator
    sha256: str = ""
    """:func:`bundle_digest` of the folder that it was read from; empty where there is none yet."""
    applicability: Applicability | None = None
    """What it knows of its training patients; None in a bundle that was packed without them."""

    def scrutinise(
        self,
        patient: Patient,
        tensor: PatientTensor,
        logits: NDArray[np.float64],
        *,
        device: str = "cpu",
    ) -> Scrutiny | None:
        """What is to be known beside a prediction; None where the bundle can tell nothing.

        Args:
            patient: With covariates.
            tensor: As the model is shown it.
            logits: (3,), the model's.
            device: Where to compute.
        """
        if self.applicability is None:
            return None
        return self.applicability.scrutinise(
            self.model,
            patient,
            tensor,
            logits,
            self.calibrator,
            self.manifest.operating_points,
            self.manifest.data,
            self.manifest.imaging,
            device=device,
        )

    @classmethod
    def read(cls, directory: Path) -> Self:
        """Read a bundle after every file in it has been checked against its digest.

        Raises:
            BundleError: The folder is no bundle, or one of a format this version does not know.
            IntegrityError: A file is missing, was added, or differs from what was written.
        """
        digest = bundle_digest(directory)
        manifest = read_manifest(directory)
        folder = directory / MODEL_FOLDER
        model = read_model(folder, manifest.model, manifest.data, manifest.imaging)
        if not {item.name for item in model.needs().covariates} <= set(manifest.covariates):
            raise BundleError(
                f"the model was trained with other covariates than {MANIFEST_FILE} names",
                file=directory,
                remedy=RESTORE,
            )
        try:
            calibrator = calibrator_from_dict(manifest.calibrator)
        except BundleError as error:
            raise error.located(file=directory) from None
        beside = directory / APPLICABILITY_FOLDER
        applicability = Applicability.read(beside, model) if beside.is_dir() else None
        return cls(manifest, model, calibrator, digest, applicability)

"""The bundle: one folder with everything that turns a patient's files into probabilities.

``bundle.json`` (input contract, preprocessing, network, calibrator, operating points), the weights
of the model as plain tensors, golden cases with their answers, a model card, and the SHA-256 of
every file; a signature where it was asked for. Nothing in it is executed or unpickled.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, ValidationError, model_validator

from pcrnet import __version__
from pcrnet.cohort.outcome import HEADS, Head
from pcrnet.config.data import DataConfig, OutcomeConfig
from pcrnet.config.imaging import ImagingConfig
from pcrnet.config.model import ModelConfig
from pcrnet.config.section import Fraction, Section
from pcrnet.decision.calibrators import Calibrator, calibrator_from_dict
from pcrnet.errors import BundleError, IntegrityError
from pcrnet.models.contract import FittedModel
from pcrnet.models.kinds import read_model
from pcrnet.storage import read_record, sha256_file

MANIFEST_FILE = "bundle.json"
CHECKSUMS_FILE = "checksums.json"
SIGNATURE_FILE = "signature.json"
GOLDEN_FOLDER = "golden"
MODEL_FOLDER = "model"
EXPECTED_FILE = "expected.csv"
INPUTS_FILE = "inputs.json"
MAX_VALUES = 1 << 30
"""Values of one patient's tensor: ten times two visits of six channels at 1 mm."""
MAX_SCANS = 500
"""Scans of one patient: twenty visits of 25 channels."""
_RESTORE = "copy the bundle again from its source"


class Manifest(Section):
    """``bundle.json``: plain data, checked when read."""

    format: Literal[3] = 3
    pcrnet_version: str
    name: str
    simulated: bool
    outcome: OutcomeConfig
    data: DataConfig
    covariates: tuple[str, ...]
    imaging: ImagingConfig
    model: ModelConfig
    about: dict[str, Any]
    """What the model says of itself: sizes, penalties, what it rests on."""
    calibrator: dict[str, Any]
    operating_points: dict[Head, Fraction | None]
    positive_class: str = "complete response; called where the probability exceeds the threshold"
    splits_sha256: str
    units: dict[str, str]
    case_mix: dict[str, Any] = Field(default_factory=dict)
    """Who the model learned from, in counts and quartiles; empty in older bundles."""
    trained_on: tuple[str, ...] = ()
    """Marks of the scans that the model learned from (:mod:`pcrnet.imaging.known_scans`)."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if set(self.operating_points) != set(HEADS):
            raise ValueError(f"an operating point, or null, is needed for each of {HEADS}")
        scans = len(self.data.timepoints) * len(self.data.channels)
        if scans > MAX_SCANS:
            raise ValueError(f"a patient of {scans} scans, {MAX_SCANS} at most are believed")
        values = scans * math.prod(self.imaging.size)
        if values > MAX_VALUES:
            raise ValueError(f"a patient of {values} values, {MAX_VALUES} at most are believed")
        return self


@dataclass(frozen=True, eq=False)
class Bundle:
    """A bundle in memory."""

    manifest: Manifest
    model: FittedModel
    calibrator: Calibrator
    sha256: str = ""
    """:func:`bundle_digest` of the folder that it was read from; empty where there is none yet."""

    @classmethod
    def read(cls, directory: Path) -> Self:
        """Read a bundle after every file in it has been checked against its digest.

        Raises:
            BundleError: The folder is no bundle, or one of a format this version does not know.
            IntegrityError: A file is missing, was added, or differs from what was written.
        """
        digest = bundle_digest(directory)
        _verify(directory)
        try:
            manifest = Manifest.model_validate(
                read_record(directory / MANIFEST_FILE, remedy=_RESTORE)
            )
        except ValidationError as error:
            raise BundleError(
                f"{MANIFEST_FILE} does not describe a bundle that pcrnet {__version__} knows: "
                f"{_first_problem(error)}",
                file=directory,
                remedy="use the version of pcrnet that wrote the bundle",
            ) from error
        folder = directory / MODEL_FOLDER
        model = read_model(folder, manifest.model, manifest.data, manifest.imaging)
        if not {item.name for item in model.needs().covariates} <= set(manifest.covariates):
            raise BundleError(
                f"the model was trained with other covariates than {MANIFEST_FILE} names",
                file=directory,
                remedy=_RESTORE,
            )
        try:
            calibrator = calibrator_from_dict(manifest.calibrator)
        except BundleError as error:
            raise error.located(file=directory) from None
        return cls(manifest, model, calibrator, digest)


def _first_problem(error: ValidationError) -> str:
    detail = error.errors()[0]
    return f"{'.'.join(map(str, detail['loc']))}: {detail['msg']}"[:300]


def bundle_digest(directory: Path) -> str:
    """SHA-256 that names a bundle: that of ``checksums.json``, which holds those of all its files.

    The sums inside the folder protect against accidents alone, since whoever alters a file can
    alter its sum. A digest that was written down elsewhere, when the bundle was judged, protects
    against both.

    Raises:
        BundleError: The folder is no bundle.
    """
    path = directory / CHECKSUMS_FILE
    if not path.is_file():
        raise BundleError(
            f"the folder holds no {CHECKSUMS_FILE}",
            file=directory,
            remedy="give the bundle folder that train.py names at its end",
        )
    return sha256_file(path)


def _verify(directory: Path) -> None:
    expected = read_record(directory / CHECKSUMS_FILE, remedy=_RESTORE)
    files = (path for path in directory.rglob("*") if path.is_file())
    found = {path.relative_to(directory).as_posix() for path in files}
    found -= {CHECKSUMS_FILE, SIGNATURE_FILE}
    for name in sorted(found | set(expected)):
        if name not in expected:
            problem = "is in the bundle, but was not written with it"
        elif name not in found:
            problem = "is missing"
        elif sha256_file(directory / name) != expected[name]:
            problem = "differs from what was written"
        else:
            continue
        raise IntegrityError(f"{name} {problem}", file=directory, remedy=_RESTORE)

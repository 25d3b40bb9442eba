"""What a bundle says of itself, read without loading its model.

``bundle.json`` is checked when read, and every file against its digest before that. Nothing here
needs a network, so that scans can be prepared for an exported model where there is no torch.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, ValidationError, model_validator

from pcrnet import __version__
from pcrnet.cohort.outcome import HEADS, Head
from pcrnet.cohort.table import Patient, read_cohort
from pcrnet.config.data import DataConfig, OutcomeConfig
from pcrnet.config.imaging import ImagingConfig
from pcrnet.config.model import ModelConfig
from pcrnet.config.section import Fraction, Section
from pcrnet.errors import BundleError, IntegrityError
from pcrnet.storage import read_record, sha256_file

MANIFEST_FILE = "bundle.json"
CHECKSUMS_FILE = "checksums.json"
SIGNATURE_FILE = "signature.json"
GOLDEN_FOLDER = "golden"
MODEL_FOLDER = "model"
APPLICABILITY_FOLDER = "applicability"
"""What the training patients were like, and how the numbers might have come out otherwise."""
EXPECTED_FILE = "expected.csv"
INPUTS_FILE = "inputs.json"
MAX_VALUES = 1 << 30
"""Values of one patient's tensor: ten times two visits of six channels at 1 mm."""
MAX_SCANS = 500
"""Scans of one patient: twenty visits of 25 channels."""
RESTORE = "copy the bundle again from its source"


class Manifest(Section):
    """``bundle.json``: plain data, checked when read."""

    format: Literal[4] = 4
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


def read_manifest(directory: Path) -> Manifest:
    """Read ``bundle.json`` after every file of the bundle has been checked against its digest.

    Raises:
        BundleError: The folder is no bundle, or one of a format this version does not know.
        IntegrityError: A file is missing, was added, or differs from what was written.
    """
    bundle_digest(directory)  # says so where the folder is no bundle
    _verify(directory)
    try:
        return Manifest.model_validate(read_record(directory / MANIFEST_FILE, remedy=RESTORE))
    except ValidationError as error:
        raise BundleError(
            f"{MANIFEST_FILE} does not describe a bundle that pcrnet {__version__} knows: "
            f"{_first_problem(error)}",
            file=directory,
            remedy="use the version of pcrnet that wrote the bundle",
        ) from error


def _first_problem(error: ValidationError) -> str:
    detail = error.errors()[0]
    return f"{'.'.join(map(str, detail['loc']))}: {detail['msg']}"[:300]


def read_patients(cohort: Path, manifest: Manifest) -> tuple[Patient, ...]:
    """The patients of a cohort table, with what the bundle knows of them.

    Args:
        cohort: With the timepoints, channels and covariates of the bundle.
        manifest: Of the bundle.

    Raises:
        ProblemListError: The table cannot be used as it stands.
    """
    return read_cohort(
        cohort,
        definition=manifest.outcome.definition,
        timepoints=manifest.data.timepoints,
        channels=manifest.data.channels,
        covariates=manifest.covariates,
        settings_fixed=True,
    ).patients


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
    expected = read_record(directory / CHECKSUMS_FILE, remedy=RESTORE)
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
        raise IntegrityError(f"{name} {problem}", file=directory, remedy=RESTORE)

"""The bundle: one folder with everything that turns a patient's files into probabilities.

``bundle.json`` (input contract, preprocessing, network, calibrator, operating points), the weights
of every member as plain tensors, golden cases with their answers, a model card, and the SHA-256 of
every file. Nothing in it is executed or unpickled.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from pcrnet import __version__
from pcrnet.cohort.outcome import Head
from pcrnet.config.data import DataConfig, OutcomeConfig
from pcrnet.config.imaging import ImagingConfig
from pcrnet.config.model import ModelConfig
from pcrnet.errors import BundleError, IntegrityError
from pcrnet.evaluation.calibration import Calibrator, calibrator_from_dict
from pcrnet.models.member import Member
from pcrnet.storage import read_json, sha256_file

MANIFEST_FILE = "bundle.json"
CHECKSUMS_FILE = "checksums.json"
GOLDEN_FOLDER = "golden"
EXPECTED_FILE = "expected.csv"


class Manifest(BaseModel):
    """``bundle.json``: plain data, checked when read."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = 1
    pcrnet_version: str
    name: str
    simulated: bool
    outcome: OutcomeConfig
    data: DataConfig
    covariates: tuple[str, ...]
    imaging: ImagingConfig
    model: ModelConfig
    members: int
    calibrator: dict[str, Any]
    operating_points: dict[Head, float | None]
    positive_class: str = "complete response; called where the probability exceeds the threshold"
    splits_sha256: str
    units: dict[str, str]
    trained_on: tuple[str, ...] = ()
    """Marks of the scans that members learned from (:mod:`pcrnet.imaging.known_scans`)."""


@dataclass(frozen=True, eq=False)
class Bundle:
    """A bundle in memory."""

    manifest: Manifest
    members: tuple[Member, ...]
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
            manifest = Manifest.model_validate(_read_mapping(directory, MANIFEST_FILE))
        except ValidationError as error:
            raise BundleError(
                f"{MANIFEST_FILE} does not describe a bundle that pcrnet {__version__} knows: "
                f"{error.errors()[0]['msg']}",
                file=directory,
                remedy="use the version of pcrnet that wrote the bundle",
            ) from error
        members = tuple(
            Member.read(
                directory / "members" / str(index), manifest.data, manifest.imaging, manifest.model
            )
            for index in range(manifest.members)
        )
        return cls(manifest, members, calibrator_from_dict(manifest.calibrator), digest)


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
    expected = _read_mapping(directory, CHECKSUMS_FILE)
    files = (path for path in directory.rglob("*") if path.is_file())
    found = {path.relative_to(directory).as_posix() for path in files} - {CHECKSUMS_FILE}
    for name in sorted(found | set(expected)):
        if name not in expected:
            problem = "is in the bundle, but was not written with it"
        elif name not in found:
            problem = "is missing"
        elif sha256_file(directory / name) != expected[name]:
            problem = "differs from what was written"
        else:
            continue
        raise IntegrityError(
            f"{name} {problem}", file=directory, remedy="copy the bundle again from its source"
        )


def _read_mapping(directory: Path, name: str) -> dict[str, Any]:
    try:
        value = read_json(directory / name)
    except ValueError:  # neither JSON nor, perhaps, UTF-8
        value = None
    if not isinstance(value, dict):
        raise IntegrityError(
            f"{name} is damaged", file=directory, remedy="copy the bundle again from its source"
        )
    return value

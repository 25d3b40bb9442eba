"""The bundle: one folder with everything that turns a patient's files into probabilities.

``bundle.json`` (input contract, preprocessing, network, calibrator, operating points), the weights
of every member as plain tensors, golden cases with their answers, a model card, and the SHA-256 of
every file. Nothing in it is executed or unpickled.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from pcrnet import __version__
from pcrnet.cohort.outcome import HEADS, Head
from pcrnet.config import DataConfig, Experiment, ImagingConfig, ModelConfig, OutcomeConfig
from pcrnet.errors import BundleError, IntegrityError
from pcrnet.evaluation.calibration import Calibrator, calibrator_from_dict
from pcrnet.models.member import Member
from pcrnet.storage import read_json, sha256_file, write_json, write_text

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


@dataclass(frozen=True, eq=False)
class Bundle:
    """A bundle in memory."""

    manifest: Manifest
    members: tuple[Member, ...]
    calibrator: Calibrator

    @classmethod
    def read(cls, directory: Path) -> Self:
        """Read a bundle after every file in it has been checked against its digest.

        Raises:
            BundleError: The folder is no bundle, or one of a format this version does not know.
            IntegrityError: A file is missing, was added, or differs from what was written.
        """
        if not (directory / CHECKSUMS_FILE).is_file():
            raise BundleError(
                f"the folder holds no {CHECKSUMS_FILE}",
                file=directory,
                remedy="give the bundle folder that train.py names at its end",
            )
        _verify(directory)
        try:
            manifest = Manifest.model_validate(read_json(directory / MANIFEST_FILE))
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
        return cls(manifest, members, calibrator_from_dict(manifest.calibrator))


def describe_bundle(
    experiment: Experiment,
    *,
    covariates: Sequence[str],
    members: int,
    calibrator: Calibrator,
    operating_points: Mapping[Head, float | None],
    splits_sha256: str,
    simulated: bool,
) -> Manifest:
    """The manifest of a trained model; paths of the training cohort stay behind."""
    units = {"suv": "SUVbw", "adc": "1e-3 mm2/s", "dce": "arbitrary", "zscore": "arbitrary"}
    data = experiment.data.model_copy(update={"cohort": None, "cache": None})
    return Manifest(
        pcrnet_version=__version__,
        name=experiment.run.name,
        simulated=simulated,
        outcome=experiment.outcome,
        data=data,
        covariates=tuple(covariates),
        imaging=experiment.imaging,
        model=experiment.model,
        members=members,
        calibrator=calibrator.to_dict(),
        operating_points={head: operating_points[head] for head in HEADS},
        splits_sha256=splits_sha256,
        units={name: units[experiment.imaging.channel_kind(name)] for name in data.channels},
    )


def write_bundle(directory: Path, manifest: Manifest, members: Sequence[Member]) -> None:
    """Write a bundle with its golden cases; the folder appears when it is whole."""
    from pcrnet.deploy.golden import write_golden_cohort
    from pcrnet.deploy.model_card import model_card
    from pcrnet.deploy.predictor import Predictor

    partial = directory.with_name(f".partial.{directory.name}")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    write_json(partial / MANIFEST_FILE, manifest.model_dump(mode="json"))
    for index, member in enumerate(members):
        member.write(partial / "members" / str(index))
    write_text(partial / "model_card.md", model_card(manifest))
    golden = partial / GOLDEN_FOLDER
    cohort = write_golden_cohort(golden, manifest.data, manifest.imaging, members)
    bundle = Bundle(manifest, tuple(members), calibrator_from_dict(manifest.calibrator))
    Predictor(bundle).predict_table(cohort).write(golden / EXPECTED_FILE)
    write_json(
        partial / CHECKSUMS_FILE,
        {
            path.relative_to(partial).as_posix(): sha256_file(path)
            for path in sorted(partial.rglob("*"))
            if path.is_file()
        },
    )
    shutil.rmtree(directory, ignore_errors=True)
    partial.rename(directory)


def _verify(directory: Path) -> None:
    expected: dict[str, str] = read_json(directory / CHECKSUMS_FILE)
    found = {
        path.relative_to(directory).as_posix()
        for path in directory.rglob("*")
        if path.is_file() and path.name != CHECKSUMS_FILE
    }
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

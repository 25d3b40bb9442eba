"""One request from its upload to the answer, in a process of its own.

Whatever a hostile file does to the libraries that read it, it does to this process: the server ends
it when it takes too long, and starts another when it dies.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pcrnet import __version__
from pcrnet.errors import PcrnetError
from pcrnet.serve.limits import Limits

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    from pcrnet.deploy.prediction.predictor import Predictor

UPLOAD_FILE = "upload.zip"
_IMAGES = "images"
_DOUBTS = ("near_threshold", "unlike_training")


@dataclass(frozen=True)
class BundleChoice:
    """Which bundle is served, and what it must be.

    Attributes:
        directory: The bundle.
        device: ``cpu``, ``cuda`` or ``cuda:1``.
        sha256: The digest that it must have.
        key: Public key of whoever must have signed it.
    """

    directory: Path
    device: str = "cpu"
    sha256: str | None = None
    key: Path | None = None

    def load(self) -> Predictor:
        """The bundle, checked; as :func:`~pcrnet.deploy.prediction.predictor.load_predictor`."""
        from pcrnet.deploy.prediction.predictor import load_predictor

        return load_predictor(self.directory, self.device, sha256=self.sha256, key=self.key)


def answer_requests(connection: Connection, bundle: BundleChoice, limits: Limits) -> None:
    """Answer one request after the other, until the server hangs up: what a process runs.

    First sends what :func:`describe` says, or the error that keeps the bundle from being served;
    then for each pair of a folder and the text of a question the answer, or an error.
    """
    _say_nothing()
    try:
        predictor = bundle.load()
    except PcrnetError as error:
        connection.send(error)
        return
    except Exception as error:
        connection.send(ServerFaultError(type(error).__name__))
        return
    connection.send(describe(predictor, limits))
    while True:
        try:
            folder, text = connection.recv()
        except EOFError:  # the server has gone
            return
        tempfile.tempdir = str(folder)
        reply: Mapping[str, Any] | PcrnetError
        try:
            reply = answer(predictor, Path(folder), text, limits)
        except PcrnetError as error:
            reply = error
        except Exception as error:  # a fault of ours: the next request is not to suffer from it
            reply = ServerFaultError(type(error).__name__)
        finally:
            tempfile.tempdir = None
        connection.send(reply)


class ServerFaultError(PcrnetError):
    """A fault of pcrnet itself, by the name of its kind; its text might quote a file."""


def describe(predictor: Predictor, limits: Limits) -> dict[str, Any]:
    """What a bundle is and asks for, as plain JSON."""
    manifest = predictor.bundle.manifest
    return {
        "name": manifest.name,
        "bundle_sha256": predictor.bundle.sha256,
        "bundle_written_by": manifest.pcrnet_version,
        "pcrnet": __version__,
        "simulated": manifest.simulated,
        "research_only": True,
        "model": manifest.model.kind,
        "outcome_definition": manifest.outcome.definition,
        "positive_class": manifest.positive_class,
        "thresholds": dict(manifest.operating_points),
        "timepoints": list(manifest.data.timepoints),
        "units": dict(manifest.units),
        "covariates": list(manifest.covariates),
        "minimum_scans": manifest.data.minimum_scans,
        "limits": asdict(limits),
    }


def answer(predictor: Predictor, folder: Path, text: str, limits: Limits) -> dict[str, Any]:
    """Predict the one patient of an upload.

    Args:
        predictor: The bundle.
        folder: Holds the upload; all that is written is written below it.
        text: The question, as JSON.
        limits: What may be unpacked.

    Returns:
        What the client is told, as plain JSON.

    Raises:
        PcrnetError: Whatever is wrong with the upload, the question or the patient.
    """
    from pcrnet.deploy.dicom.one_person import require_one_person
    from pcrnet.serve.question import parse_question, write_table
    from pcrnet.serve.unpacking import unpack

    manifest = predictor.bundle.manifest
    question = parse_question(text)
    images = folder / _IMAGES
    files = unpack(folder / UPLOAD_FILE, images, limits)
    table, matched = write_table(
        question, folder, images, files, manifest.data, manifest.covariates
    )
    (patient,) = predictor.read_patients(table)
    require_one_person(patient)
    found = predictor.predict_patients([patient], workers=1)
    if found.predictions is None:
        raise found.refused[0]
    from pcrnet.deploy.prediction.prediction_files import json_objects
    from pcrnet.imaging.quantify.record import LESION_COLUMNS

    row = json_objects(found.predictions)[0]
    calls = {
        head: None if point is None else bool(row[f"prob_{head}"] > point)  # type: ignore[operator]
        for head, point in manifest.operating_points.items()
    }
    return {
        "patient_id": row["patient_id"],
        "probabilities": {head: row[f"prob_{head}"] for head in calls},
        "calls": calls,
        "thresholds": dict(manifest.operating_points),
        "intervals": {head: _interval(row, head) for head in calls},
        "doubts": {name: row[name] for name in _DOUBTS if row.get(name)},
        "scans": row.get("scans", []),
        **{name: row.get(name) for name in LESION_COLUMNS},
        "left_out": {} if matched is None else dict(matched.left_out),
        "took_part_in_training": bool(found.trained_on),
        "positive_class": manifest.positive_class,
        "simulated": manifest.simulated,
        "research_only": True,
        "bundle_sha256": predictor.bundle.sha256,
    }


def _interval(row: Mapping[str, Any], head: str) -> list[float] | None:
    """Limits of a probability, where the bundle gives any; 0 is one."""
    low, high = row.get(f"low_{head}"), row.get(f"high_{head}")
    return None if low is None or high is None else [float(low), float(high)]


def _say_nothing() -> None:
    """What libraries print may quote a header; nothing of it reaches the server's log."""
    import logging
    import warnings

    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        os.dup2(nowhere, stream.fileno())

"""Patients ready for a graph, as one file of plain arrays; made without torch.

The file holds the inputs that the contract names, and the patients' pseudonyms.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pcrnet.cohort.table import Patient
from pcrnet.deploy.export.inputs import GraphInputs
from pcrnet.deploy.golden_inputs import input_difference, inputs_of
from pcrnet.deploy.manifest import (
    GOLDEN_FOLDER,
    INPUTS_FILE,
    MODEL_FOLDER,
    Manifest,
    read_manifest,
    read_patients,
)
from pcrnet.deploy.signing import require_approved
from pcrnet.disk_room import require_writable
from pcrnet.errors import (
    IntegrityError,
    OutputError,
    PcrnetError,
    ProblemListError,
)
from pcrnet.imaging.tensors.preprocess import preprocess_patient
from pcrnet.models.network_record import read_without_weights
from pcrnet.models.rivals.tabular import TabularModel
from pcrnet.storage import atomic_path, read_record

PATIENTS = "patient_id"
_SUFFIXES = (".npz", ".safetensors")

Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class Prepared:
    """What was prepared of a cohort.

    Attributes:
        patients: Pseudonyms, in the order of the arrays.
        refused: Why others were left out, patient by patient.
        bundle_sha256: Digest of the bundle whose contract the arrays meet.
    """

    patients: tuple[str, ...]
    refused: tuple[PcrnetError, ...]
    bundle_sha256: str


def prepare_cohort(
    directory: Path,
    cohort: Path,
    out: Path,
    *,
    sha256: str | None = None,
    key: Path | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Prepared:
    """Write the inputs of a graph for every patient of a cohort table.

    Args:
        directory: The bundle that the graph was exported from.
        cohort: ``cohort.csv`` with the timepoints, channels and covariates of the bundle.
        out: ``.npz``, or ``.safetensors`` with the pseudonyms in its metadata.
        sha256: The digest that the bundle must have.
        key: Public key of whoever must have signed it.
        progress: Called with patients done and patients in all.

    Raises:
        OutputError: The name ends otherwise, or nothing can be written there.
        BundleError: The folder is no bundle.
        ConfigError: The file ``key`` holds no public key.
        IntegrityError: It is another bundle, was altered, or this machine reads or preprocesses
            the golden cases otherwise.
        ProblemListError: The table cannot be used, or every patient was refused.
    """
    check_destination(out)
    digest = require_approved(directory, sha256=sha256, key=key)
    manifest = read_manifest(directory)
    _require_golden_inputs(directory, manifest)
    inputs = GraphInputs.of_bundle(directory, manifest)
    patients = read_patients(cohort, manifest)
    taken: list[Patient] = []
    rows: list[dict[str, NDArray[Any]]] = []
    refused: list[PcrnetError] = []
    for index, patient in enumerate(patients):
        try:
            tensor = preprocess_patient(patient, manifest.data, manifest.imaging)
            row = dict(inputs.arrays([patient], [tensor]))
        except PcrnetError as error:
            refused.append(error.located(patient=patient.patient_id))
        else:
            taken.append(patient)
            rows.append(row)
        progress(index + 1, len(patients))
    if not rows:
        raise ProblemListError("no patient could be prepared", tuple(refused))
    arrays = {name: np.concatenate([row[name] for row in rows]) for name in inputs.names}
    names = tuple(patient.patient_id for patient in taken)
    write_arrays(out, arrays | {PATIENTS: np.array(names)}, bundle_sha256=digest)
    return Prepared(names, tuple(refused), digest)


def check_destination(out: Path) -> None:
    """Find out before anything is computed whether the file can be written.

    Raises:
        OutputError: Its name ends otherwise than in ``.npz`` or ``.safetensors``, or nothing can be
            written there.
    """
    if out.suffix.lower() not in _SUFFIXES:
        raise OutputError(
            f"prepared patients end in {' or '.join(_SUFFIXES)}, not in {out.suffix or 'nothing'}",
            file=out,
            remedy=f"name it {out.with_suffix(_SUFFIXES[0]).name}",
        )
    require_writable(out)


def write_arrays(path: Path, arrays: Arrays, *, bundle_sha256: str = "") -> None:
    """Write arrays (B, ...) as their file's name says; text goes into safetensors' metadata.

    Args:
        path: ``.npz`` or ``.safetensors``.
        arrays: Name to array, the B patients along its first axis.
        bundle_sha256: Of the bundle that they were prepared for; empty says nothing.
    """
    with atomic_path(path) as temporary:
        if path.suffix.lower() == ".npz":
            held = {"bundle_sha256": np.array(bundle_sha256)} if bundle_sha256 else {}
            with temporary.open("wb") as stream:
                np.savez_compressed(stream, allow_pickle=False, **{**arrays, **held})
            return
        from safetensors.numpy import save_file

        text = {name: json.dumps(a.tolist()) for name, a in arrays.items() if a.dtype.kind == "U"}
        numbers = {
            name: np.ascontiguousarray(array) for name, array in arrays.items() if name not in text
        }
        save_file(numbers, temporary, metadata=text | {"bundle_sha256": bundle_sha256})


def _require_golden_inputs(directory: Path, manifest: Manifest) -> None:
    """Make sure that the golden cases are read here as where the bundle was written."""
    data, imaging = manifest.data, manifest.imaging
    golden = directory / GOLDEN_FOLDER
    start, record = read_without_weights(directory / MODEL_FOLDER, data, imaging)
    own = start.encoding.covariates if isinstance(start, TabularModel) else ()
    networks = record.encodings[0].covariates if record.encodings else ()
    found = inputs_of(golden / "cohort.csv", manifest, own or networks)
    difference = input_difference(read_record(golden / INPUTS_FILE), found)
    if difference is not None:
        raise IntegrityError(
            f"the golden cases are read or preprocessed otherwise than by who wrote the bundle "
            f"({difference})",
            file=directory,
            remedy="use the version of pcrnet that wrote the bundle; do not use these inputs",
        )

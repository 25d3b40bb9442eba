"""Tensors and quantities on disk: computed once, checked when opened, mapped rather than read.

One safetensors file a patient, named by everything that decides its content. Folds, runs and
worker processes share the folder; a file is written whole or not at all, so that they need no lock.
"""

from __future__ import annotations

import hashlib
import json
import math
import mmap
import time
import warnings
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from pcrnet.cohort.table import Patient
from pcrnet.config.data import DataConfig
from pcrnet.config.imaging import ImagingConfig
from pcrnet.drafts import sweep_abandoned
from pcrnet.errors import (
    ImageError,
    IntegrityError,
    OutputError,
    PcrnetError,
    ProblemListError,
    RunError,
)
from pcrnet.imaging.digests import DigestMemo
from pcrnet.imaging.lesion.framing import Crop
from pcrnet.imaging.patient_scans import require_scans
from pcrnet.imaging.quantify.record import Quantities
from pcrnet.imaging.registration.visits import require_engine
from pcrnet.imaging.tensors.preprocess import PatientTensor, preprocess_patient
from pcrnet.imaging.tensors.tensor_code import code_digest
from pcrnet.machine import available_cores
from pcrnet.processes import Progress, in_processes, silent, worth_starting
from pcrnet.storage import sha256_json, write_bytes

_DTYPES = {"F16": np.float16, "F32": np.float32, "F64": np.float64, "BOOL": np.bool_}
_ARRAYS = ("image", "present", "days", "centre_mm", "facts")
_ABOUT = "pcrnet"
_WORTH_A_PROCESS = 8
_SETTLED_NS = 2_000_000_000
# A process with the libraries (80 MB) and some copies of a clinical scan (256 × 256 × 160 in
# float64 are 84 MB each); and for each voxel of the tensor its own copies.
_BASE_BYTES, _BYTES_A_VOXEL = 500_000_000, 16


Identity = tuple[int, int, int]
"""Inode, size and time of modification of a file."""


def _identity(entry: Path) -> Identity | None:
    with suppress(OSError):
        status = entry.stat()
        return status.st_ino, status.st_size, status.st_mtime_ns
    return None


def _warn(message: str) -> None:
    warnings.warn(message, RuntimeWarning, stacklevel=3)


class TensorCache:
    """The tensors of a cohort under one set of preprocessing settings.

    Args:
        directory: Where the files are kept; made if absent.
        data: Timepoints and channels.
        imaging: Grid and intensity rules.
        notify: Told, in a sentence, of a damaged file that is made anew.
        verified: What another cache of this folder has verified; it is not verified again.

    Attributes:
        memo: Digests of the scans.
        verified: Files whose checksums were found right, each with the identity that it had. One
            that was written less than two seconds before is left out: a second change could leave
            its identity as it is.
    """

    def __init__(
        self,
        directory: Path,
        data: DataConfig,
        imaging: ImagingConfig,
        notify: Callable[[str], None] = _warn,
        verified: Mapping[str, Identity] | None = None,
    ) -> None:
        self._directory = directory
        self._data = data
        self._imaging = imaging
        self._notify = notify
        self.memo = DigestMemo(directory / "digests.json")
        self._settings = {
            "code": code_digest(),
            "timepoints": data.timepoints,
            "channels": [[channel, imaging.channel_kind(channel)] for channel in data.channels],
            "imaging": imaging.model_dump(mode="json"),
        }
        self._shape = (len(data.timepoints), len(data.channels), *imaging.size)
        self._entries: dict[str, tuple[Patient, Path]] = {}
        self.verified: dict[str, Identity] = dict(verified or {})
        self._opened: dict[str, Identity] = {}

    def get(self, patient: Patient) -> PatientTensor:
        """The patient's tensor, its arrays mapped from disk and private to the caller.

        It is computed and kept if it is not there, or if the file is damaged. A file's checksum
        is verified when it is first opened, and again where the file is not the same any more.

        Raises:
            PcrnetError: As :func:`~pcrnet.imaging.tensors.preprocess.preprocess_patient`.
            RunError: The folder cannot be written.
        """
        require_scans(patient, self._data)
        entry = self._entry(patient)
        if entry.exists():
            try:
                return self._open(entry)
            except IntegrityError:
                whose = f"patient {patient.patient_id}"
                self._notify(f"the cached tensor of {whose} was damaged; it is made anew")
        _make_entry(patient, self._data, self._imaging, entry)
        return self._open(entry)

    def key(self, patient: Patient) -> str:
        """SHA-256 that names the patient's tensor: source bytes, settings and code.

        Raises:
            ImageError: A file that cannot be read.
        """
        return self._entry(patient).stem

    def build(
        self,
        patients: Sequence[Patient],
        progress: Progress = silent,
        workers: int | None = None,
        *,
        hashed: Progress = silent,
    ) -> None:
        """Compute every tensor that is not there yet.

        Args:
            patients: Whose tensors will be asked for.
            progress: Told after each patient.
            workers: Processes to use; by default as many as there are cores and memory for, or
                none for little work.
            hashed: Told after each patient whose files have been read to know them again, which
                comes first.

        Raises:
            ConfigError: The engine for registration is not installed.
            ProblemListError: What is wrong with any of the patients; the others are kept.
            ProcessEndedError: A process was killed.
            RunError: The folder cannot be written.
        """
        require_engine(self._imaging.alignment)
        problems: dict[int, PcrnetError] = {}
        missing: list[tuple[Patient, Path]] = []
        entries = self._find_entries(patients, workers or available_cores(), hashed)
        for patient, entry in zip(patients, entries, strict=True):
            if isinstance(entry, PcrnetError):
                problems[patient.row] = entry
            elif not entry.exists():
                missing.append((patient, entry))
        self._save_memo()
        sweep_abandoned(self._directory)
        if workers is None:
            workers = workers_for(len(missing), math.prod(self._shape))
        there = len(patients) - len(missing)
        progress(there, len(patients))
        # Closed at once should ``progress`` raise: its processes end with it.
        with closing(self._make(missing, workers)) as made:
            for done, (patient, problem) in enumerate(made, start=there + 1):
                if problem is not None:
                    problems[patient.row] = problem
                progress(done, len(patients))
        if problems:
            in_order = [problems[row] for row in sorted(problems)]
            raise ProblemListError("the images of these patients cannot be used", in_order)

    def _make(
        self, missing: Sequence[tuple[Patient, Path]], workers: int
    ) -> Generator[tuple[Patient, PcrnetError | None]]:
        make = partial(_try_make_entry, data=self._data, imaging=self._imaging)
        for position, problem in in_processes(make, missing, workers, doing="reads images"):
            yield missing[position][0], problem

    def _find_entries(
        self, patients: Sequence[Patient], threads: int, hashed: Progress
    ) -> Generator[Path | PcrnetError]:
        with ThreadPoolExecutor(threads) as pool:
            try:
                found = pool.map(self._try_entry, patients)
                for done, entry in enumerate(found, start=1):
                    hashed(done, len(patients))
                    yield entry
            finally:  # should ``hashed`` raise, nobody waits for the files of all others
                pool.shutdown(cancel_futures=True)

    def _try_entry(self, patient: Patient) -> Path | PcrnetError:
        try:
            require_scans(patient, self._data)
            return self._entry(patient)
        except PcrnetError as error:
            return error

    def _entry(self, patient: Patient) -> Path:
        """The patient's file, found anew only when the row of the table has changed."""
        known = self._entries.get(patient.patient_id)
        if known is not None and known[0] == patient:
            return known[1]
        visits = [patient.visits[timepoint] for timepoint in self._data.timepoints]
        files = {
            f"{visit.timepoint}.{column}": path
            for visit in visits
            for column, path in [*visit.scans.items(), ("mask", visit.mask)]
            if path is not None
        }
        digests: dict[str, str] = {}
        for column, path in files.items():
            try:
                digests[column] = self.memo.digest(path)
            except ImageError as error:
                raise error.located(
                    patient=patient.patient_id, file=patient.location, field=column
                ) from None
            except OSError as error:
                raise ImageError(
                    f"cannot be read ({type(error).__name__})",
                    patient=patient.patient_id,
                    file=patient.location,
                    field=column,
                    remedy="check that the file is there and may be read",
                ) from None
        days = [visit.days for visit in visits]
        key = sha256_json({"settings": self._settings, "files": digests, "days": days})
        entry = self._directory / f"{key}.safetensors"
        self._entries[patient.patient_id] = (patient, entry)
        return entry

    def _open(self, entry: Path) -> PatientTensor:
        identity = _identity(entry)
        own, told = (known.get(entry.name) for known in (self._opened, self.verified))
        known = identity is not None and identity in (own, told)
        tensor = open_tensor(entry, verify=not known)
        if tensor.image.shape != self._shape:
            raise IntegrityError("a cached tensor has another shape than its name promises")
        if identity is not None:
            self._opened[entry.name] = identity
            if time.time_ns() - identity[2] > _SETTLED_NS:
                self.verified[entry.name] = identity
        return tensor

    def _save_memo(self) -> None:
        try:
            self.memo.save()
        except OutputError as error:
            raise _cannot_write(error) from error


def workers_for(patients: int, voxels: int) -> int:
    """How many processes are worth starting to preprocess patients with tensors of so many voxels.

    Args:
        patients: How many there are.
        voxels: Values of one patient's tensor, all timepoints and channels.
    """
    each = _BASE_BYTES + _BYTES_A_VOXEL * voxels
    return worth_starting(patients, items_each=_WORTH_A_PROCESS, bytes_each=each)


def _try_make_entry(
    missing: tuple[Patient, Path], data: DataConfig, imaging: ImagingConfig
) -> PcrnetError | None:
    patient, entry = missing
    try:
        _make_entry(patient, data, imaging, entry)
    except RunError:
        raise
    except PcrnetError as error:
        return error
    return None


def _make_entry(patient: Patient, data: DataConfig, imaging: ImagingConfig, entry: Path) -> None:
    from safetensors.numpy import save

    tensor = preprocess_patient(patient, data, imaging)
    arrays: dict[str, NDArray[Any]] = {name: getattr(tensor, name) for name in _ARRAYS}
    # One key: safetensors writes several in any order, and equal content shall be equal bytes.
    measured = json.dumps(tensor.quantities.to_json(), sort_keys=True)
    digest = _digest(arrays, tensor.crop, measured)
    about = json.dumps({"crop": tensor.crop, "quantities": measured, "sha256": digest})
    try:
        write_bytes(entry, save(arrays, {_ABOUT: about}))
    except OutputError as error:
        raise _cannot_write(error) from error


def _cannot_write(error: OutputError) -> RunError:
    return RunError(
        f"the cache of preprocessed images {error.problem}",
        field="data.cache",
        remedy="free space, or set data.cache to a folder that can be written",
    )


def open_tensor(entry: Path, *, verify: bool = True) -> PatientTensor:
    """Map a file's arrays copy-on-write: they may be written to without touching the file.

    Raises:
        IntegrityError: The file is not what was written.
    """
    try:
        with entry.open("rb") as stream:
            mapped = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_COPY)
        # safetensors: the length of the header in 8 bytes, the header as JSON, then the arrays.
        start = 8 + int.from_bytes(mapped[:8], "little")
        header = json.loads(mapped[8:start])
        about = json.loads(header.pop("__metadata__")[_ABOUT])
        crop: Crop = about["crop"]
        if crop not in get_args(Crop):
            raise ValueError("unknown crop")
        measured: str = about["quantities"]
        arrays = {name: _view(mapped, start, spec) for name, spec in header.items()}
        if verify and _digest(arrays, crop, measured) != about["sha256"]:
            raise ValueError("checksum")
        quantities = Quantities.from_json(json.loads(measured))
        return PatientTensor(**arrays, crop=crop, quantities=quantities)
    except (
        OSError,
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        OverflowError,
        RecursionError,
    ) as error:
        raise IntegrityError(
            "a cached tensor is damaged", remedy="delete the file; it is made anew"
        ) from error


def _view(mapped: mmap.mmap, start: int, spec: dict[str, Any]) -> NDArray[Any]:
    begin, end = spec["data_offsets"]
    dtype = np.dtype(_DTYPES[spec["dtype"]])
    flat = np.frombuffer(mapped, dtype, (end - begin) // dtype.itemsize, start + begin)
    return flat.reshape(spec["shape"])


def _digest(arrays: Mapping[str, NDArray[Any]], crop: str, measured: str) -> str:
    """SHA-256 over everything that an entry says."""
    digest = hashlib.sha256(f"{crop}|{measured}".encode())
    for name in _ARRAYS:
        array = arrays[name]
        digest.update(f"|{name} {array.dtype.str} {array.shape}|".encode())
        digest.update(np.ascontiguousarray(array).data.cast("B"))
    return digest.hexdigest()

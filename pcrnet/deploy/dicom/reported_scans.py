"""What a DICOM report says of the images behind it: whose they are, and which were looked at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pcrnet.cohort.table import Patient
from pcrnet.deploy.dicom.one_person import require_one_identity
from pcrnet.imaging.dicom.series import open_series
from pcrnet.imaging.dicom.tags import quiet, word
from pcrnet.imaging.digests import DigestMemo
from pcrnet.imaging.reader import is_dicom

if TYPE_CHECKING:
    from pydicom import Dataset

_WHOSE = (
    "SpecificCharacterSet",
    "PatientName",
    "PatientID",
    "IssuerOfPatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyInstanceUID",
    "StudyDate",
    "StudyTime",
    "StudyID",
    "StudyDescription",
    "AccessionNumber",
    "ReferringPhysicianName",
    "PatientIdentityRemoved",
    "DeidentificationMethod",
)
"""What a report inherits, so that an archive files it with the images."""
_TYPE_2 = (
    "PatientName",
    "PatientBirthDate",
    "PatientSex",
    "StudyDate",
    "StudyTime",
    "StudyID",
    "AccessionNumber",
    "ReferringPhysicianName",
)
"""Of patient and study: they may be empty, but highdicom wants them to be there."""


@dataclass(frozen=True, eq=False)
class ReportedScan:
    """One file or series that a prediction rests on.

    Attributes:
        names: ``timepoint.channel`` that it was read for; the phases of a dynamic series share it.
        instances: One small data set an image: class and UIDs of instance, series and study. Empty
            for NIfTI.
        sha256: Of a NIfTI file; "" for DICOM, which names itself.
    """

    names: tuple[str, ...]
    instances: tuple[Dataset, ...]
    sha256: str


@dataclass(frozen=True, eq=False)
class ReportedPatient:
    """Whose report it is, and its scans.

    Attributes:
        identity: What the report inherits of patient and study.
        scans: In order of time.
        in_archive: Whether the identity is that of images; else it is made of the pseudonym.
    """

    identity: Dataset
    scans: tuple[ReportedScan, ...]
    in_archive: bool


def reported_patient(patient: Patient, used: Sequence[str]) -> ReportedPatient:
    """Look up in the files of a patient what a report has to say of them.

    The report belongs to the study of the last visit that was looked at.

    Args:
        patient: The patient.
        used: ``timepoint.channel`` of the scans that the model was shown.

    Raises:
        CohortError: The images are of several persons, as PatientID has it.
        ImageError: A file that was read before cannot be read any more.
    """
    by_path: dict[Path, list[str]] = {}
    for visit in patient.visits.values():
        for channel, path in visit.scans.items():
            if f"{visit.timepoint}.{channel}" in used:
                by_path.setdefault(path, []).append(f"{visit.timepoint}.{channel}")
    scans: list[ReportedScan] = []
    headers: list[Dataset] = []
    for path, names in by_path.items():
        if is_dicom(path):
            first, instances = _instances(path)
            headers.append(first)
            scans.append(ReportedScan(tuple(names), instances, ""))
        else:
            scans.append(ReportedScan(tuple(names), (), DigestMemo(None).digest(path)))
    require_one_identity(patient, (word(header, "PatientID") for header in headers))
    identity = _identity(headers[-1] if headers else None, patient.patient_id)
    return ReportedPatient(identity, tuple(scans), in_archive=bool(headers))


def add_type_2(dataset: Dataset) -> None:
    """Put in, empty, what is absent of the attributes of patient and study of type 2 in DICOM."""
    for keyword in _TYPE_2:
        if keyword not in dataset:
            setattr(dataset, keyword, "")


def _instances(path: Path) -> tuple[Dataset, tuple[Dataset, ...]]:
    """The first header of a series, and what names each of its images."""
    from pydicom import Dataset

    with quiet(), open_series(path) as series:
        found = []
        for image in series.objects:
            few = Dataset()
            for keyword in (
                "SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID",
            ):  # fmt: skip
                setattr(few, keyword, word(image.header, keyword))
            found.append(few)
        return series.objects[0].header, tuple(found)


def _identity(header: Dataset | None, pseudonym: str) -> Dataset:
    from pydicom import Dataset
    from pydicom.uid import generate_uid

    identity = Dataset()
    with quiet():
        for keyword in _WHOSE if header is not None else ():
            if header is not None and (element := header.get(keyword)) is not None:
                setattr(identity, keyword, element)
    add_type_2(identity)
    if not identity.get("PatientID"):
        identity.PatientID = pseudonym[:64]  # as many as the tag takes
    if not identity.get("StudyInstanceUID"):
        identity.StudyInstanceUID = generate_uid()
    return identity

"""Whether the scans of a patient are of one person, as far as their headers say."""

from __future__ import annotations

from collections.abc import Iterable

from pcrnet.cohort.table import Patient
from pcrnet.errors import CohortError
from pcrnet.imaging.dicom.series import open_series
from pcrnet.imaging.dicom.tags import quiet, word
from pcrnet.imaging.reader import is_dicom


def require_one_person(patient: Patient) -> None:
    """Refuse a patient whose DICOM series bear several PatientIDs.

    One series is known to be of one person when it is read. NIfTI files do not say whose they are.

    Raises:
        CohortError: They do; no tag is repeated.
        ImageError: A series that cannot be read.
    """
    seen = set()
    paths = dict.fromkeys(p for visit in patient.visits.values() for p in visit.scans.values())
    for path in filter(is_dicom, paths):
        with quiet(), open_series(path) as series:
            seen.add(word(series.objects[0].header, "PatientID"))
    require_one_identity(patient, seen)


def require_one_identity(patient: Patient, identities: Iterable[str]) -> None:
    """The same for PatientIDs that have been read already.

    Raises:
        CohortError: There are several.
    """
    if len(set(identities)) > 1:
        raise CohortError(
            "its DICOM series are of several persons",
            patient=patient.patient_id,
            file=patient.location,
            field="PatientID",
            remedy="give every patient the series of one person",
        )

"""Predictions as DICOM: one Comprehensive 3D SR a patient, by template TID 1500.

An archive files it with the images. It holds, for each outcome, the calibrated probability (with
its interval where the table has one), the threshold and the call; which algorithm said so, down to
the digest of the bundle; and the images that were looked at. What has no code in DICOM or SNOMED CT
is coded in a scheme of our own, 99PCRNET.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pcrnet import __version__
from pcrnet.cohort.outcome import Head
from pcrnet.cohort.table import Patient
from pcrnet.deploy.dicom.reported_scans import ReportedPatient, ReportedScan, reported_patient
from pcrnet.errors import PcrnetError, ProblemListError
from pcrnet.extras import require_extra
from pcrnet.imaging.dicom.tags import quiet
from pcrnet.processes import Progress, silent
from pcrnet.storage import atomic_path

if TYPE_CHECKING:
    from pydicom import Dataset

    from pcrnet.deploy.bundle import Bundle
    from pcrnet.deploy.prediction.predictor import PredictionTable
    from pcrnet.evaluation.tables.predictions import Predictions

SCHEME = "99PCRNET"
RESEARCH_ONLY = "RESEARCH ONLY. Not a medical device; must not guide treatment."
SIMULATED = "SIMULATED. The model was trained on a simulated trial; not for patients."
_MEANING: dict[Head, str] = {
    "yT0": "Complete response of the breast after therapy",
    "yN0": "Complete response of the axillary nodes after therapy",
    "yT0yN0": "Complete response of breast and axillary nodes after therapy",
}
_DOUBTS = ("near_threshold", "unlike_training")
_BREAST, _NODE = ("76752008", "Breast structure"), ("68171009", "Axillary lymph node structure")
_SITES: dict[Head, tuple[tuple[str, str], ...]] = {
    "yT0": (_BREAST,),
    "yN0": (_NODE,),
    "yT0yN0": (_BREAST, _NODE),
}


def require_highdicom() -> None:
    """Make sure that reports can be written.

    Raises:
        ConfigError: The library is not installed.
    """
    require_extra("sr", "highdicom", purpose="a structured report")


def write_reports(
    folder: Path,
    bundle: Bundle,
    patients: Sequence[Patient],
    table: PredictionTable,
    *,
    progress: Progress = silent,
) -> tuple[Path, ...]:
    """Write ``<patient>.dcm`` for every patient who was predicted.

    Args:
        folder: Where to; made if absent.
        bundle: What predicted them.
        patients: The patients of the table.
        table: Their predictions.
        progress: Called with reports done and all of them.

    Returns:
        The files, in the order of the table.

    Raises:
        ConfigError: highdicom is not installed.
        OutputError: A file cannot be written.
        ProblemListError: Patients whose report cannot be written, each with the reason; those of
            the others are there.
    """
    require_highdicom()
    predictions = table.predictions
    if predictions is None:
        return ()
    by_name = {patient.patient_id: patient for patient in patients}
    written: list[Path] = []
    problems: list[PcrnetError] = []
    for row, name in enumerate(predictions.patient_id):
        scans = predictions.scans[row] if predictions.scans is not None else ()
        try:
            reported = reported_patient(by_name[name], scans)
        except PcrnetError as error:
            problems.append(error.located(patient=name))
        else:
            path = _free_name(folder, name, written)
            with quiet():  # highdicom's warnings quote the name of a patient
                report = make_report(bundle, predictions, row, reported)
            with atomic_path(path) as temporary:
                report.save_as(temporary, enforce_file_format=True)
            written.append(path)
        progress(row + 1, len(predictions))
    if problems:
        raise ProblemListError("some reports could not be written; the others are there", problems)
    return tuple(written)


def make_report(
    bundle: Bundle, predictions: Predictions, row: int, reported: ReportedPatient
) -> Dataset:
    """The report of one patient.

    Args:
        bundle: What predicted.
        predictions: A table of predictions. Further columns ``low_<head>`` and ``high_<head>`` are
            the limits of a probability's interval, and ``near_threshold`` and ``unlike_training``
            are repeated as they stand.
        row: Of the patient in it.
        reported: Whose report it is, and the scans.
    """
    from highdicom import UID
    from highdicom.sr import Comprehensive3DSR, MeasurementReport
    from pydicom.sr.codedict import codes

    groups = [_group(bundle, predictions, row, head) for head in predictions.heads]
    content = MeasurementReport(
        observation_context=_observer(bundle),
        procedure_reported=_code("prediction", "Prediction of response to therapy"),
        imaging_measurements=groups,
        title=codes.DCM.ImagingMeasurementReport,
    )
    # TID 1500 has the library before the measurements.
    content[0].ContentSequence.insert(-1, _library(reported.scans))
    warnings = [RESEARCH_ONLY, *([SIMULATED] if bundle.manifest.simulated else [])]
    warnings += [
        f"{name.replace('_', ' ').capitalize()}: {predictions.other[name][row]}"
        for name in _DOUBTS
        if predictions.other.get(name, [""] * (row + 1))[row]
    ]
    content[0].ContentSequence.extend(_text(codes.DCM.Comment, warning) for warning in warnings)
    own = _own_evidence(reported)
    report = Comprehensive3DSR(
        evidence=[own, *(image for scan in reported.scans for image in scan.instances)],
        content=content[0],
        series_instance_uid=UID(),
        series_number=9000,
        sop_instance_uid=UID(),
        instance_number=1,
        manufacturer="pcrnet",
        manufacturer_model_name="pcrnet",
        software_versions=__version__,
        device_serial_number=bundle.sha256[:16] or "none",
        is_complete=True,
    )
    if not reported.in_archive:
        # highdicom takes the identity for evidence; no such image exists.
        del report.CurrentRequestedProcedureEvidenceSequence
    report.SeriesDescription = " ".join(
        ["pcrnet", *(["SIMULATED"] if bundle.manifest.simulated else []), "RESEARCH ONLY"]
    )
    return report  # type: ignore[no-any-return]  # highdicom's classes subclass what has no types


def _own_evidence(reported: ReportedPatient) -> Dataset:
    """The identity on the first image of the study that the report belongs to."""
    from copy import deepcopy

    from pydicom.uid import SecondaryCaptureImageStorage, generate_uid

    identity = deepcopy(reported.identity)
    study = identity.StudyInstanceUID
    images = [image for scan in reported.scans for image in scan.instances]
    image = next((each for each in images if each.StudyInstanceUID == study), None)
    identity.SOPClassUID = image.SOPClassUID if image else SecondaryCaptureImageStorage
    identity.SOPInstanceUID = image.SOPInstanceUID if image else generate_uid()
    identity.SeriesInstanceUID = image.SeriesInstanceUID if image else generate_uid()
    return identity


def _group(bundle: Bundle, predictions: Predictions, row: int, head: Head) -> Any:  # noqa: ANN401
    from highdicom import UID
    from highdicom.sr import (
        CodedConcept,
        FindingSite,
        Measurement,
        MeasurementsAndQualitativeEvaluations,
        QualitativeEvaluation,
        TrackingIdentifier,
    )
    from pydicom.sr.codedict import codes

    prob = float(predictions.prob[head][row])
    threshold = (
        float(predictions.threshold[head][row]) if head in predictions.threshold else math.nan
    )
    numbers = {"probability": ("Probability of complete response", prob)}
    for name, meaning in (
        ("low", "Lower limit of the interval of the probability"),
        ("high", "Upper limit of the interval of the probability"),
    ):
        numbers[name] = (meaning, _further(predictions.other, f"{name}_{head}", row))
    numbers["threshold"] = ("Threshold above which complete response is called", threshold)
    call = _code("not-called", "Not called: no threshold is locked")
    if not math.isnan(threshold):
        call = (
            _code("response", "Complete response is called")
            if prob > threshold
            else _code("residue", "Residual disease is called")
        )
    return MeasurementsAndQualitativeEvaluations(
        tracking_identifier=TrackingIdentifier(uid=UID(), identifier=head),
        finding_type=_code(head, _MEANING[head]),
        algorithm_id=_algorithm(bundle),
        finding_sites=[
            FindingSite(CodedConcept(value, "SCT", text)) for value, text in _SITES[head]
        ],
        measurements=[
            Measurement(name=_code(name, meaning), value=value, unit=codes.UCUM.NoUnits)
            for name, (meaning, value) in numbers.items()
            if not math.isnan(value)
        ],
        qualitative_evaluations=[
            QualitativeEvaluation(name=_code("call", "Call at the threshold"), value=call)
        ],
    )


def _further(other: Mapping[str, tuple[str, ...]], column: str, row: int) -> float:
    try:
        return float(other[column][row])
    except (KeyError, ValueError):
        return math.nan


def _algorithm(bundle: Bundle) -> Any:  # noqa: ANN401 - highdicom has no types of its own
    from highdicom.sr import AlgorithmIdentification

    manifest = bundle.manifest
    return AlgorithmIdentification(
        name="pcrnet",
        version=__version__,
        parameters=[
            f"bundle sha256: {bundle.sha256}",
            f"bundle name: {manifest.name}",
            f"bundle written by: pcrnet {manifest.pcrnet_version}",
            f"model: {manifest.model.kind}",
            f"complete response of the breast: {manifest.outcome.definition}",
            f"trained on a simulated trial: {'yes' if manifest.simulated else 'no'}",
        ],
    )


def _observer(bundle: Bundle) -> Any:  # noqa: ANN401
    from highdicom import UID
    from highdicom.sr import (
        DeviceObserverIdentifyingAttributes,
        ObservationContext,
        ObserverContext,
    )
    from pydicom.sr.codedict import codes

    device = DeviceObserverIdentifyingAttributes(
        uid=UID(),
        name="pcrnet",
        model_name=bundle.manifest.name,
        serial_number=bundle.sha256,
    )
    return ObservationContext(
        observer_device_context=ObserverContext(
            observer_type=codes.DCM.Device, observer_identifying_attributes=device
        )
    )


def _library(scans: Sequence[ReportedScan]) -> Any:  # noqa: ANN401
    """TID 1600: a group a scan, with what it was read for and the images that it consists of."""
    from highdicom.sr import (
        ContainerContentItem,
        ContentSequence,
        ImageContentItem,
        RelationshipTypeValues,
    )
    from pydicom.sr.codedict import codes

    contains = RelationshipTypeValues.CONTAINS
    library = ContainerContentItem(name=codes.DCM.ImageLibrary, relationship_type=contains)
    library.ContentSequence = ContentSequence()
    for scan in scans:
        group = ContainerContentItem(name=codes.DCM.ImageLibraryGroup, relationship_type=contains)
        group.ContentSequence = ContentSequence(_of_scan(scan))
        group.ContentSequence.extend(
            ImageContentItem(
                name=codes.SCT.Source,
                referenced_sop_class_uid=image.SOPClassUID,
                referenced_sop_instance_uid=image.SOPInstanceUID,
                relationship_type=contains,
            )
            for image in scan.instances
        )
        library.ContentSequence.append(group)
    return library


def _of_scan(scan: ReportedScan) -> Iterator[Any]:
    yield from (_text(_code("scan", "Scan used"), name) for name in scan.names)
    if scan.sha256:
        yield _text(_code("sha256", "SHA-256 of the NIfTI file"), scan.sha256)


def _text(name: Any, value: str) -> Any:  # noqa: ANN401
    from highdicom.sr import RelationshipTypeValues, TextContentItem

    return TextContentItem(
        name=name, value=value, relationship_type=RelationshipTypeValues.CONTAINS
    )


def _code(value: str, meaning: str) -> Any:  # noqa: ANN401
    from highdicom.sr import CodedConcept

    return CodedConcept(value, SCHEME, meaning)


def _free_name(folder: Path, patient: str, taken: Sequence[Path]) -> Path:
    """A file name that no system stumbles over; two patients never share one."""
    safe = re.sub(r"[^\w.-]", "_", patient, flags=re.ASCII).lstrip(".")[:100] or "patient"
    path, number = folder / f"{safe}.dcm", 2
    while path in taken:
        path, number = folder / f"{safe}-{number}.dcm", number + 1
    return path

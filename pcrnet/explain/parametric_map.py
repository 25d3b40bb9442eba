"""Attributions as DICOM: a Parametric Map for each scan, which viewers lay over it.

A map is one multi-frame object of floats on the grid of its scan, in the scan's study and frame of
reference, with every image of the series named as its source (DICOM PS3.3 A.75). What its numbers
are stands in its Real World Value Mapping: log-odds of the chosen head per millilitre.

NIfTI files have no study that a map could be filed with: of them there are NIfTI maps alone.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pcrnet import __version__
from pcrnet.cohort.outcome import Head
from pcrnet.deploy.bundle import Bundle
from pcrnet.deploy.dicom.reported_scans import add_type_2
from pcrnet.deploy.dicom.structured_report import SCHEME
from pcrnet.errors import PcrnetError, ProblemListError, SeriesError
from pcrnet.explain.maps import MapKind, NativeMap, native_maps
from pcrnet.explain.patient import Explanation
from pcrnet.extras import require_extra
from pcrnet.imaging.dicom.series import open_series
from pcrnet.imaging.dicom.tags import quiet, word
from pcrnet.imaging.reader import is_dicom
from pcrnet.imaging.volume import flip_lps_ras
from pcrnet.storage import atomic_path

if TYPE_CHECKING:
    from pydicom import Dataset

    from pcrnet.imaging.volume import Volume

_UNIT = ("{log-odds}/mL", "log-odds per milliliter")
"""UCUM; what stands in braces is an annotation of the unit 1/mL."""
_QUANTITY: dict[MapKind, tuple[str, str]] = {
    "occlusion": ("occlusion", "Log-odds that are lost where the content is hidden"),
    "gradients": ("gradients", "Integrated gradients of the log-odds"),
}
_NEEDED = ("PatientID", "StudyInstanceUID", "SOPInstanceUID", "FrameOfReferenceUID")
_FIRST_SERIES_NUMBER = 9100
_NARROWEST_WINDOW = 1e-6


def require_highdicom() -> None:
    """Make sure that maps can be written.

    Raises:
        ConfigError: The library is not installed.
    """
    require_extra("sr", "highdicom", purpose="a parametric map")


def write_parametric_maps(
    explanation: Explanation, bundle: Bundle, folder: Path
) -> tuple[Path, ...]:
    """Write ``<timepoint>_<channel>_<occlusion|gradients>.dcm`` for each scan that is DICOM.

    Args:
        explanation: As computed.
        bundle: What is explained: its digest is the serial number of the map's device.
        folder: Where to; made if absent.

    Returns:
        The files; none where no scan is DICOM.

    Raises:
        ConfigError: highdicom is not installed.
        OutputError: A file cannot be written.
        ProblemListError: Scans whose map cannot be written, each with the reason; the others are
            there.
    """
    require_highdicom()
    written: list[Path] = []
    problems: list[PcrnetError] = []
    for number, found in enumerate(native_maps(explanation, bundle), start=_FIRST_SERIES_NUMBER):
        path = explanation.patient.visits[found.timepoint].scans[found.channel]
        if not is_dicom(path):
            continue
        try:
            sources = _sources(path)
        except PcrnetError as error:
            column = f"{found.timepoint}.{found.channel}"
            problems.append(error.located(patient=explanation.patient.patient_id, field=column))
            continue
        with quiet():  # highdicom's warnings quote the name of a patient
            made = make_parametric_map(found, explanation.head, sources, bundle, number)
        out = folder / f"{found.name}.dcm"
        with atomic_path(out) as temporary:
            made.save_as(temporary, enforce_file_format=True)
        written.append(out)
    if problems:
        raise ProblemListError("some maps could not be written; the others are there", problems)
    return tuple(written)


def make_parametric_map(
    found: NativeMap, head: Head, sources: list[Dataset], bundle: Bundle, number: int
) -> Dataset:
    """One map as a DICOM data set.

    Args:
        found: (column, row, slice) values on the grid of the scan.
        head: Whose log-odds they are.
        sources: The headers of the scan's images.
        bundle: What is explained.
        number: Of the series.
    """
    from highdicom import UID, VOILUTTransformation
    from highdicom import Volume as Stack
    from highdicom.pm import DerivedPixelContrastValues, ParametricMap
    from pydicom.sr.coding import Code

    values, affine = _in_dicom_order(found.volume)
    strongest = float(np.abs(values).max(initial=0.0))
    simulated = " SIMULATED" if bundle.manifest.simulated else ""
    made = ParametricMap(
        source_images=sources,
        pixel_array=Stack(
            values,
            affine,
            coordinate_system="PATIENT",
            frame_of_reference_uid=sources[0].FrameOfReferenceUID,
        ),
        series_instance_uid=UID(),
        series_number=number,
        sop_instance_uid=UID(),
        instance_number=1,
        manufacturer="pcrnet",
        manufacturer_model_name="pcrnet",
        software_versions=__version__,
        device_serial_number=bundle.sha256,
        contains_recognizable_visual_features=False,
        real_world_value_mappings=[_mapping(found.kind, head, values)],
        voi_lut_transformations=[
            VOILUTTransformation(
                window_center=0.0, window_width=max(2.0 * strongest, _NARROWEST_WINDOW)
            )
        ],
        content_label=found.kind.upper(),
        content_description=f"Log-odds of {head} per mL: {found.kind}",
        derived_pixel_contrast=DerivedPixelContrastValues.QUANTITY,
        derivation=Code(f"{found.kind}-map", SCHEME, f"Attribution by {found.kind}"),
    )
    made.SeriesDescription = f"pcrnet {found.kind} of {head}{simulated} RESEARCH ONLY"
    return made  # type: ignore[no-any-return]  # highdicom's classes subclass what has no types


def _in_dicom_order(volume: Volume) -> tuple[np.ndarray, np.ndarray]:
    """Values (slice, row, column), and the affine (4, 4) from such an index to LPS millimetres."""
    values = np.ascontiguousarray(volume.array.transpose(2, 1, 0), dtype=np.float32)
    return values, flip_lps_ras(volume.affine)[:, [2, 1, 0, 3]]


def _mapping(kind: MapKind, head: Head, values: np.ndarray) -> Any:  # noqa: ANN401 - highdicom has no types
    from highdicom.pm import RealWorldValueMapping
    from pydicom.sr.coding import Code

    code, meaning = _QUANTITY[kind]
    return RealWorldValueMapping(
        lut_label=head,
        lut_explanation=f"log-odds of {head} per mL",
        unit=Code(_UNIT[0], "UCUM", _UNIT[1]),
        value_range=(float(values.min()), float(values.max())),
        slope=1.0,
        intercept=0.0,
        quantity_definition=Code(code, SCHEME, meaning),
    )


def _sources(path: Path) -> list[Dataset]:
    """The headers of a series, with what a map inherits of them.

    Raises:
        SeriesError: An image lacks what a map cannot be filed or laid over the scan without.
    """
    with open_series(path) as series:
        headers = [image.header for image in series.objects]
    for header in headers:
        for keyword in _NEEDED:
            if not word(header, keyword):
                raise SeriesError(
                    "an image of the series lacks it, so no map can be filed with the series",
                    field=keyword,
                    remedy="export the series again; the NIfTI map is there",
                )
        add_type_2(header)
    return headers

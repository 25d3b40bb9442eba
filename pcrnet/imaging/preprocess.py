"""One patient's files as the tensor that the network sees.

Training, ``pcrnet predict`` and the golden cases of a bundle all come through
:func:`preprocess_patient`. Shapes: T timepoints and C channels in the order of the configuration;
X, Y, Z voxels along left-to-right, back-to-front and foot-to-head (RAS).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pcrnet.cohort.table import Patient, Visit
from pcrnet.config.data import DataConfig
from pcrnet.config.imaging import ChannelKind, ImagingConfig
from pcrnet.errors import GeometryError, ImageError, InsufficientScansError, PcrnetError
from pcrnet.imaging.alignment import align_visits
from pcrnet.imaging.framing import Crop, find_centre, mask_centre
from pcrnet.imaging.grid import Grid, resample
from pcrnet.imaging.intensity import visit_scalings
from pcrnet.imaging.nifti import read_nifti_header
from pcrnet.imaging.reader import MASK, read_scan
from pcrnet.imaging.registration import Alignment
from pcrnet.imaging.scan import Scan
from pcrnet.imaging.volume import Volume, same_grid


@dataclass(frozen=True, eq=False)
class PatientTensor:
    """What the network sees of one patient.

    Attributes:
        image: float16, shape (T, C, X, Y, Z). SUV, 10⁻³ mm²/s, DCE relative to the pre-contrast
            body, or z-scores; 0 throughout a channel that is not present.
        present: bool, shape (T, C).
        days: float32, shape (T,); days from the start of therapy, NaN where unknown.
        centre_mm: float64, shape (3,); middle of the crop in RAS of the first visit.
        crop: What the crop was centred on.
    """

    image: NDArray[np.float16]
    present: NDArray[np.bool_]
    days: NDArray[np.float32]
    centre_mm: NDArray[np.float64]
    crop: Crop


@dataclass(frozen=True, eq=False)
class PatientScans:
    """All scans of a patient as acquired, in physical units, and where they are looked at.

    Attributes:
        volumes: Timepoint to channel to volume, in order of time, visits with scans only.
        masks: Timepoint to lesion mask, None where there is none.
        alignments: Timepoint to its registration; visits left as they came are absent.
        centre_mm: float64, shape (3,); middle of the crop in RAS of the first visit.
        crop: What the crop was centred on.
    """

    volumes: Mapping[str, Mapping[str, Volume]]
    masks: Mapping[str, Volume | None]
    alignments: Mapping[str, Alignment]
    centre_mm: NDArray[np.float64]
    crop: Crop

    def transform(self, timepoint: str) -> NDArray[np.float64]:
        """Rigid 4×4 from RAS millimetres of the first visit to those of a visit."""
        return _transform(self.alignments, timepoint)


def preprocess_patient(patient: Patient, data: DataConfig, imaging: ImagingConfig) -> PatientTensor:
    """Read all scans of a patient and bring them onto one grid in true units.

    Raises:
        PcrnetError: As :func:`read_patient`; a GeometryError also for a scan beside the crop.
    """
    scans = read_patient(patient, data, imaging)
    try:
        return on_one_grid(scans, patient, data, imaging)
    except PcrnetError as error:
        raise error.located(patient=patient.patient_id, file=patient.location) from None


def read_patient(patient: Patient, data: DataConfig, imaging: ImagingConfig) -> PatientScans:
    """Read all scans of a patient, register the visits if asked to, and find the crop.

    Raises:
        InsufficientScansError: Fewer scans than ``data.minimum_scans``.
        ImageError: A file that cannot be used; its subclasses GeometryError (also: a mask on no
            channel's grid), RegistrationError and UnitError. Patient, row and column are named.
    """
    require_scans(patient, data)
    try:
        return _read_patient(patient, data, imaging)
    except PcrnetError as error:
        raise error.located(patient=patient.patient_id, file=patient.location) from None


def require_scans(patient: Patient, data: DataConfig) -> None:
    """Refuse a patient with fewer scans than ``data.minimum_scans``.

    Raises:
        InsufficientScansError: With the number there is and the number asked for.
    """
    scans = sum(len(patient.visits[timepoint].scans) for timepoint in data.timepoints)
    if scans < data.minimum_scans:
        raise InsufficientScansError(
            f"has {scans} of the scans asked for; data.minimum_scans is {data.minimum_scans}",
            patient=patient.patient_id,
            file=patient.location,
            remedy="add the missing scans, leave the patient out, or lower data.minimum_scans",
        )


def _read_patient(patient: Patient, data: DataConfig, imaging: ImagingConfig) -> PatientScans:
    visits = [patient.visits[timepoint] for timepoint in data.timepoints]
    volumes = {
        visit.timepoint: _read_scans(visit, data.channels, imaging)
        for visit in visits
        if visit.scans
    }
    masks = {
        visit.timepoint: _read_mask(visit, volumes.get(visit.timepoint, {}), imaging)
        for visit in visits
    }
    alignments = align_visits(volumes, imaging.alignment)
    centre, crop = _choose_centre(volumes, masks, alignments, _kinds(data, imaging))
    return PatientScans(volumes, masks, alignments, centre, crop)


def on_one_grid(
    scans: PatientScans, patient: Patient, data: DataConfig, imaging: ImagingConfig
) -> PatientTensor:
    """Bring a patient's scans onto the grid around the crop's centre, in network units.

    Raises:
        GeometryError: A scan that does not reach the crop.
        ImageError: A scan without contrast, or with values beyond half precision.
    """
    kinds = _kinds(data, imaging)
    grid = Grid.centred(scans.centre_mm, imaging.spacing_mm, imaging.size)
    shape = (len(data.timepoints), len(data.channels))
    image = np.zeros((*shape, *imaging.size), dtype=np.float16)
    present = np.zeros(shape, dtype=bool)
    for row, timepoint in enumerate(data.timepoints):
        if timepoint not in scans.volumes:
            continue
        moved = grid.moved(scans.transform(timepoint))
        on_grid = _visit_on_grid(timepoint, scans.volumes[timepoint], kinds, moved)
        for channel, values in on_grid.items():
            column = data.channels.index(channel)
            image[row, column] = values
            present[row, column] = True
    days = [patient.visits[timepoint].days for timepoint in data.timepoints]
    return PatientTensor(
        image=image,
        present=present,
        days=np.array([np.nan if day is None else day for day in days], dtype=np.float32),
        centre_mm=scans.centre_mm,
        crop=scans.crop,
    )


def _kinds(data: DataConfig, imaging: ImagingConfig) -> dict[str, ChannelKind]:
    return {channel: imaging.channel_kind(channel) for channel in data.channels}


def _read_scans(
    visit: Visit, channels: tuple[str, ...], imaging: ImagingConfig
) -> dict[str, Volume]:
    return {
        channel: read_cell(visit, channel, visit.scans[channel], imaging).volume
        for channel in channels
        if channel in visit.scans
    }


def read_cell(visit: Visit, column: str, path: Path, imaging: ImagingConfig) -> Scan:
    """Read the file of one cell; errors name the column, ``<timepoint>.<column>``.

    Raises:
        ImageError: As :func:`~pcrnet.imaging.reader.read_scan`.
    """
    try:
        return read_scan(path, column, imaging.channel_kind(column), settings=imaging.dicom)
    except PcrnetError as error:
        raise _in_column(error, visit.timepoint, column) from None


def _in_column(error: PcrnetError, timepoint: str, column: str) -> PcrnetError:
    """Name the column of the table, keeping the header field or tag in the text."""
    if error.field is not None and error.field != column:
        error.problem = f"{error.field}: {error.problem}"
    error.field = f"{timepoint}.{column}"
    return error


def _read_mask(
    visit: Visit, volumes: Mapping[str, Volume], imaging: ImagingConfig
) -> Volume | None:
    if visit.mask is None:
        return None
    mask = read_cell(visit, MASK, visit.mask, imaging).volume
    require_known_grid(mask, visit, list(volumes.values()))
    return mask


def require_known_grid(mask: Volume, visit: Visit, scans: Sequence[Volume]) -> None:
    """Refuse a mask that lies on the grid of no scan of its timepoint, used or not.

    Raises:
        GeometryError: With the column of the mask.
    """
    if not any(same_grid(mask.affine, mask.array.shape, *of) for of in _grids(visit, scans)):
        raise GeometryError(
            "the mask is not on the grid of any channel of its timepoint",
            field=f"{visit.timepoint}.{MASK}",
            remedy="resample the mask to the image that it was drawn on (nearest neighbour)",
        )


def _grids(
    visit: Visit, scans: Sequence[Volume]
) -> Iterator[tuple[NDArray[np.float64], tuple[int, ...]]]:
    for scan in scans:
        yield scan.affine, scan.array.shape
    for path in visit.other_scans.values():
        with contextlib.suppress(PcrnetError):  # what is not used need not be readable
            header = read_nifti_header(path)
            yield header.affine, header.shape


def _choose_centre(
    volumes: Mapping[str, Mapping[str, Volume]],
    masks: Mapping[str, Volume | None],
    alignments: Mapping[str, Alignment],
    kinds: Mapping[str, ChannelKind],
) -> tuple[NDArray[np.float64], Crop]:
    """The middle of the crop in RAS millimetres of the first visit."""
    for timepoint, mask in masks.items():
        if mask is not None:
            to_first = np.linalg.inv(_transform(alignments, timepoint))
            return to_first[:3, :3] @ mask_centre(mask) + to_first[:3, 3], "mask"
    return find_centre(next(iter(volumes.values())), kinds)


def _transform(alignments: Mapping[str, Alignment], timepoint: str) -> NDArray[np.float64]:
    return alignments[timepoint].transform if timepoint in alignments else np.eye(4)


def _visit_on_grid(
    timepoint: str, volumes: Mapping[str, Volume], kinds: Mapping[str, ChannelKind], grid: Grid
) -> dict[str, NDArray[np.float16]]:
    try:
        scalings = visit_scalings(volumes, kinds)
    except ImageError as error:
        raise _in_column(error, timepoint, str(error.field)) from None
    result: dict[str, NDArray[np.float16]] = {}
    for channel, volume in volumes.items():
        values, coverage = resample(volume, grid)
        if not coverage.any():
            raise GeometryError(
                "the scan does not overlap the crop around the lesion",
                field=f"{timepoint}.{channel}",
                remedy="check that all scans of the patient share one frame of reference",
            )
        with np.errstate(over="ignore"):
            result[channel] = scalings[channel].apply(values, coverage).astype(np.float16)
        if not np.isfinite(result[channel]).all():
            raise ImageError(
                "holds values beyond ±65504 after scaling",
                field=f"{timepoint}.{channel}",
                remedy="look at the image: such values are no tissue",
            )
    return result

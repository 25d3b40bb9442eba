"""One patient's files as volumes in physical units, registered, and where the lesion lies."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pcrnet.cohort.table import Patient, Visit
from pcrnet.config.data import DataConfig
from pcrnet.config.imaging import ChannelKind, ImagingConfig, NoAlignment
from pcrnet.errors import GeometryError, InsufficientScansError, PcrnetError
from pcrnet.imaging.lesion.framing import Crop, Framing, find_centre, mask_centre
from pcrnet.imaging.lesion.location import LesionLocation, locate_lesion
from pcrnet.imaging.nifti.file import read_nifti_header
from pcrnet.imaging.reader import MASK, read_scan
from pcrnet.imaging.registration.rigid import Alignment
from pcrnet.imaging.registration.visits import align_visits, transform_of
from pcrnet.imaging.scan import Scan
from pcrnet.imaging.volume import Volume, same_grid


@dataclass(frozen=True, eq=False)
class PatientScans:
    """All scans of a patient as acquired, in physical units, and where they are looked at.

    Attributes:
        volumes: Timepoint to channel to volume, in order of time, visits with scans only.
        masks: Timepoint to lesion mask, None where there is none.
        alignments: Timepoint to its registration; visits left as they came are absent.
        centre_mm: float64, shape (3,); middle of the crop in RAS of the first visit.
        crop: What the crop was centred on.
        lesion: Where the lesion is, where that was looked for to register the visits.
    """

    volumes: Mapping[str, Mapping[str, Volume]]
    masks: Mapping[str, Volume | None]
    alignments: Mapping[str, Alignment]
    centre_mm: NDArray[np.float64]
    crop: Crop
    lesion: LesionLocation | None = None

    def transform(self, timepoint: str) -> NDArray[np.float64]:
        """Rigid (4, 4) from RAS millimetres of the first visit to those of a visit."""
        return transform_of(self.alignments, timepoint)


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
    kinds = channel_kinds(data, imaging)
    lesion = None
    if not isinstance(imaging.alignment, NoAlignment) and len(volumes) > 1:
        # A mask of a later visit lies a few millimetres off, which leaves out tissue that is sound.
        lesion = locate_lesion(volumes, masks, kinds)
    alignments = align_visits(volumes, imaging.alignment, None if lesion is None else lesion.mask)
    framing = _mask_centre(masks, alignments) or (
        (lesion and lesion.framing) or find_centre(next(iter(volumes.values())), kinds)
    )
    return PatientScans(volumes, masks, alignments, framing.centre_mm, framing.crop, lesion)


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
        raise in_column(error, visit.timepoint, column) from None


def in_column(error: PcrnetError, timepoint: str, column: str) -> PcrnetError:
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


def _mask_centre(
    masks: Mapping[str, Volume | None], alignments: Mapping[str, Alignment]
) -> Framing | None:
    """The middle of the first mask there is, in RAS millimetres of the first visit."""
    for timepoint, mask in masks.items():
        if mask is not None:
            to_first = np.linalg.inv(transform_of(alignments, timepoint))
            return Framing(to_first[:3, :3] @ mask_centre(mask) + to_first[:3, 3], "mask")
    return None


def channel_kinds(data: DataConfig, imaging: ImagingConfig) -> dict[str, ChannelKind]:
    """Channel to its intensity rule."""
    return {channel: imaging.channel_kind(channel) for channel in data.channels}

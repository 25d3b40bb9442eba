"""One patient's files as what a model sees: a tensor, and what was measured.

Training, ``pcrnet predict`` and the golden cases of a bundle all come through
:func:`preprocess_patient`. Shapes: T timepoints and C channels in the order of the configuration;
X, Y, Z voxels along left-to-right, back-to-front and foot-to-head (RAS).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from pcrnet.cohort.table import Patient
from pcrnet.config.data import DataConfig
from pcrnet.config.imaging import ChannelKind, ImagingConfig
from pcrnet.errors import GeometryError, ImageError, PcrnetError
from pcrnet.imaging.facts.patient import facts_of_patient
from pcrnet.imaging.grid import Grid, resample
from pcrnet.imaging.intensity import visit_scalings
from pcrnet.imaging.lesion.framing import Crop
from pcrnet.imaging.patient_scans import PatientScans, channel_kinds, in_column, read_patient
from pcrnet.imaging.quantify.measure import measure_scans
from pcrnet.imaging.quantify.record import Quantities
from pcrnet.imaging.volume import Volume


@dataclass(frozen=True, eq=False)
class PatientTensor:
    """What a model sees of one patient.

    Attributes:
        image: float16, shape (T, C, X, Y, Z). SUV, 10⁻³ mm²/s, DCE relative to the pre-contrast
            body, or z-scores; 0 throughout a channel that is not present.
        present: bool, shape (T, C).
        days: float32, shape (T,); days from the start of therapy, NaN where unknown.
        centre_mm: float64, shape (3,); middle of the crop in RAS of the first visit.
        crop: What the crop was centred on.
        quantities: What was measured of the lesion and its surroundings.
        facts: float32, shape (T, C, F); what is cheaply said of each scan as it came
            (:func:`~pcrnet.imaging.facts.patient.fact_names`). Empty where nothing was looked at.
    """

    image: NDArray[np.float16]
    present: NDArray[np.bool_]
    days: NDArray[np.float32]
    centre_mm: NDArray[np.float64]
    crop: Crop
    quantities: Quantities
    facts: NDArray[np.float32] = field(
        default_factory=lambda: np.zeros((0, 0, 0), dtype=np.float32), kw_only=True
    )


def preprocess_patient(
    patient: Patient, data: DataConfig, imaging: ImagingConfig, *, measured: bool = True
) -> PatientTensor:
    """Read all scans of a patient and bring them onto one grid in true units, and measure.

    Arguments as :func:`on_one_grid`.

    Raises:
        PcrnetError: As :func:`read_patient`; a GeometryError also for a scan beside the crop.
    """
    scans = read_patient(patient, data, imaging)
    try:
        return on_one_grid(scans, patient, data, imaging, measured=measured)
    except PcrnetError as error:
        raise error.located(patient=patient.patient_id, file=patient.location) from None


def on_one_grid(
    scans: PatientScans,
    patient: Patient,
    data: DataConfig,
    imaging: ImagingConfig,
    *,
    measured: bool = True,
) -> PatientTensor:
    """Bring a patient's scans onto the grid around the crop's centre, in network units.

    Args:
        scans: As :func:`read_patient` returns them.
        patient: For the days.
        data: Which channels and visits.
        imaging: Grid and intensity rules.
        measured: Whether quantities and facts are wanted too; a picture shows none of them.

    Raises:
        GeometryError: A scan that does not reach the crop.
        ImageError: A scan without contrast, or with values beyond half precision.
    """
    kinds = channel_kinds(data, imaging)
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
    tensor = PatientTensor(
        image=image,
        present=present,
        days=np.array([np.nan if day is None else day for day in days], dtype=np.float32),
        centre_mm=scans.centre_mm,
        crop=scans.crop,
        quantities=Quantities.nothing(),
    )
    if not measured:
        return tensor
    return replace(
        tensor,
        quantities=measure_scans(scans, patient, data, imaging),
        facts=facts_of_patient(scans, data.timepoints, data.channels, kinds),
    )


def _visit_on_grid(
    timepoint: str, volumes: Mapping[str, Volume], kinds: Mapping[str, ChannelKind], grid: Grid
) -> dict[str, NDArray[np.float16]]:
    try:
        scalings = visit_scalings(volumes, kinds)
    except ImageError as error:
        raise in_column(error, timepoint, str(error.field)) from None
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


def scans_present(
    tensor: PatientTensor, timepoints: tuple[str, ...], channels: tuple[str, ...]
) -> tuple[str, ...]:
    """``timepoint.channel`` of every scan that the network was shown."""
    return tuple(
        f"{timepoint}.{channel}"
        for timepoint, row in zip(timepoints, tensor.present, strict=True)
        for channel, present in zip(channels, row, strict=True)
        if present
    )

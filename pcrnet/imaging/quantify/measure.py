"""A patient's scans as quantities.

The lesion comes from the first mask there is, else it is found on the first visit; later visits
are registered to the first with the lesion left out. What a quantity rests on is missing, or shows
less than half of the bed: it is NaN. Nothing that is absent is ever looked at.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from pcrnet.cohort.table import Patient
from pcrnet.config.data import DataConfig
from pcrnet.config.imaging import ImagingConfig, NoAlignment, RigidAlignment
from pcrnet.imaging.alignment import align_visits, transform_of
from pcrnet.imaging.patient_scans import PatientScans, read_patient
from pcrnet.imaging.quantify.location import locate_lesion
from pcrnet.imaging.quantify.place import lay_region, place_mask
from pcrnet.imaging.quantify.record import Quantities, QuantityFlags, VisitRegistration
from pcrnet.imaging.quantify.specs import LESION_VOLUME, Channels, quantity_specs
from pcrnet.imaging.quantify.visit import measure_change, measure_visit, sample_visit
from pcrnet.imaging.registration import Alignment
from pcrnet.imaging.volume import Volume

_KEPT = RigidAlignment(on_failure="keep")


def measure_patient(patient: Patient, data: DataConfig, imaging: ImagingConfig) -> Quantities:
    """Read all scans of a patient and measure them.

    Raises:
        PcrnetError: As :func:`~pcrnet.imaging.patient_scans.read_patient`.
    """
    return measure_scans(read_patient(patient, data, imaging), patient, data, imaging)


def measure_scans(
    scans: PatientScans, patient: Patient, data: DataConfig, imaging: ImagingConfig
) -> Quantities:
    """Measure scans that have been read already; refuses nothing.

    Args:
        scans: As :func:`~pcrnet.imaging.patient_scans.read_patient` returns them. Where
            ``imaging.alignment`` registers the visits, its result is used; elsewhere they are
            registered here.
        patient: For the days.
        data: Which channels and visits.
        imaging: What kind each channel is of.
    """
    measured = measurements(scans, data, imaging)
    values = dict.fromkeys((spec.name for spec in quantity_specs(data, imaging)), math.nan)
    for timepoint in data.timepoints:
        days = patient.visits[timepoint].days
        values[f"{timepoint}.days"] = math.nan if days is None else float(days)
    values.update(measured.values)
    return Quantities(values=values, flags=measured.flags)


def measurements(scans: PatientScans, data: DataConfig, imaging: ImagingConfig) -> Quantities:
    """What could be measured on the scans alone; names of what could not are absent."""
    kinds = {channel: imaging.channel_kind(channel) for channel in data.channels}
    lesion = locate_lesion(scans.volumes, scans.masks, kinds)
    alignments = scans.alignments
    if isinstance(imaging.alignment, NoAlignment):
        alignments = align_visits(scans.volumes, _KEPT, lesion.mask)
    values: dict[str, float] = {}
    first = data.timepoints[0]
    given = scans.masks.get(first)
    if given is not None:
        voxel_ml = abs(float(np.linalg.det(given.affine[:3, :3]))) / 1000.0
        values[LESION_VOLUME] = math.log(int((given.array > 0).sum()) * voxel_ml)
    to_visit = transform_of(alignments, lesion.timepoint)
    mask = lesion.in_first_frame(to_visit)
    if mask is not None:
        values |= _measure_visits(scans.volumes, mask, alignments, data, imaging)
    return Quantities(
        values={
            name: value if math.isfinite(value) else math.nan for name, value in values.items()
        },
        flags=QuantityFlags(
            lesion=lesion.source,
            lesion_of=lesion.timepoint,
            lesion_quality=lesion.quality,
            registrations={t: _registration(a) for t, a in alignments.items()},
            present=tuple(f"{t}.{c}" for t, volumes in scans.volumes.items() for c in volumes),
        ),
    )


def _measure_visits(
    volumes: Mapping[str, Mapping[str, Volume]],
    mask: Volume,
    alignments: Mapping[str, Alignment],
    data: DataConfig,
    imaging: ImagingConfig,
) -> dict[str, float]:
    place = place_mask(mask)
    region = lay_region(place, list(next(iter(volumes.values())).values()))
    channels = Channels.of(data, imaging)
    fields = {
        timepoint: sample_visit(scans, transform_of(alignments, timepoint), place, region, channels)
        for timepoint, scans in volumes.items()
    }
    found = {t: measure_visit(visit, place, channels) for t, visit in fields.items()}
    values = {f"{t}.{name}": value for t, of in found.items() for name, value in of.items()}
    first = data.timepoints[0]
    for timepoint in fields:
        if first in fields and timepoint != first:
            pair = ((fields[t], found[t]) for t in (first, timepoint))
            changes = measure_change(*pair, place, channels)
            values |= {f"{timepoint}_vs_{first}.{name}": v for name, v in changes.items()}
    return values


def _registration(alignment: Alignment) -> VisitRegistration:
    return VisitRegistration(
        accepted=alignment.accepted,
        similarity_before=alignment.similarity_before,
        similarity_after=alignment.similarity_after,
        shift_mm=alignment.shift_mm,
        rotation_degrees=alignment.rotation_degrees,
        problem=alignment.problem,
    )

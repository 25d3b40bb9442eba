"""A patient's scans as quantities.

The lesion comes from the first mask there is, else it is found on the first visit; later visits
are registered to the first with the lesion left out. What a quantity rests on is missing, or shows
less than half of the bed: it is NaN. Nothing that is absent is ever looked at.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from pcrnet.cohort.table import Patient
from pcrnet.config.data import DataConfig
from pcrnet.config.imaging import ImagingConfig, NoAlignment, RigidAlignment
from pcrnet.imaging.lesion.location import LesionLocation, locate_lesion
from pcrnet.imaging.patient_scans import PatientScans
from pcrnet.imaging.quantify.place import Place, Region, lay_region, place_mask
from pcrnet.imaging.quantify.record import Quantities, QuantityFlags, VisitRegistration
from pcrnet.imaging.quantify.specs import LESION_VOLUME, Channels, quantity_specs
from pcrnet.imaging.quantify.visit import VisitFields, measure_change, measure_visit, sample_visit
from pcrnet.imaging.registration.rigid import Alignment
from pcrnet.imaging.registration.visits import align_visits, transform_of
from pcrnet.imaging.volume import Volume

_KEPT = RigidAlignment(on_failure="keep")


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
    survey = survey_scans(scans, data, imaging)
    values = dict.fromkeys((spec.name for spec in quantity_specs(data, imaging)), math.nan)
    for timepoint in data.timepoints:
        days = patient.visits[timepoint].days
        values[f"{timepoint}.days"] = math.nan if days is None else float(days)
    values[LESION_VOLUME] = _mask_volume_ln_ml(scans.masks.get(data.timepoints[0]))
    values |= measure_survey(survey, data, imaging)
    return Quantities(
        values=values,
        flags=QuantityFlags(
            lesion=survey.lesion.source,
            lesion_of=survey.lesion.timepoint,
            lesion_quality=survey.lesion.quality,
            registrations={t: _registration(a) for t, a in survey.alignments.items()},
            present=tuple(f"{t}.{c}" for t, volumes in scans.volumes.items() for c in volumes),
        ),
    )


@dataclass(frozen=True, eq=False)
class Survey:
    """A patient's scans where they are measured.

    Attributes:
        lesion: Where the lesion is said to be, and by whom.
        alignments: Later visit to how it lies against the first.
        place: The lesion and what lies close to it; None without a lesion.
        region: The body around it; None without a lesion.
        visits: Timepoint to its fields, in order of time; none without a lesion.
    """

    lesion: LesionLocation
    alignments: Mapping[str, Alignment]
    place: Place | None = None
    region: Region | None = None
    visits: Mapping[str, VisitFields] = field(default_factory=dict)


def survey_scans(scans: PatientScans, data: DataConfig, imaging: ImagingConfig) -> Survey:
    """Locate the lesion, register the visits, and bring all scans to where they are measured."""
    kinds = {channel: imaging.channel_kind(channel) for channel in data.channels}
    lesion = scans.lesion or locate_lesion(scans.volumes, scans.masks, kinds)
    alignments = scans.alignments
    if isinstance(imaging.alignment, NoAlignment):
        alignments = align_visits(scans.volumes, _KEPT, lesion.mask)
    mask = lesion.in_first_frame(transform_of(alignments, lesion.timepoint))
    if mask is None or not scans.volumes:
        return Survey(lesion, alignments)
    place = place_mask(mask)
    region = lay_region(place, list(next(iter(scans.volumes.values())).values()))
    channels = Channels.of(data, imaging)
    visits = {
        timepoint: sample_visit(
            volumes, transform_of(alignments, timepoint), place, region, channels
        )
        for timepoint, volumes in scans.volumes.items()
    }
    return Survey(lesion, alignments, place, region, visits)


def measure_survey(
    survey: Survey,
    data: DataConfig,
    imaging: ImagingConfig,
    known: Mapping[str, Mapping[str, float]] | None = None,
) -> dict[str, float]:
    """Name to value of what could be measured on the scans; the rest is absent.

    Args:
        survey: Where they lie.
        data: Which channels and visits.
        imaging: What kind each channel is of.
        known: Visit to what :func:`measure_visit` found there, where it need not be found again.
    """
    if survey.place is None:
        return {}
    place, channels = survey.place, Channels.of(data, imaging)
    known = known or {}
    found = {
        t: known[t] if t in known else measure_visit(visit, place, channels)
        for t, visit in survey.visits.items()
    }
    values = {f"{t}.{name}": value for t, of in found.items() for name, value in of.items()}
    first = data.timepoints[0]
    for timepoint in survey.visits:
        if first in survey.visits and timepoint != first:
            then, now = ((survey.visits[t], found[t]) for t in (first, timepoint))
            changes = measure_change(then, now, place, channels)
            values |= {f"{timepoint}_vs_{first}.{name}": v for name, v in changes.items()}
    return {name: value if math.isfinite(value) else math.nan for name, value in values.items()}


def _mask_volume_ln_ml(mask: Volume | None) -> float:
    if mask is None or not (mask.array > 0).any():
        return math.nan
    voxel_ml = abs(float(np.linalg.det(mask.affine[:3, :3]))) / 1000.0
    return math.log(int((mask.array > 0).sum()) * voxel_ml)


def _registration(alignment: Alignment) -> VisitRegistration:
    return VisitRegistration(
        accepted=alignment.accepted,
        similarity_before=alignment.similarity_before,
        similarity_after=alignment.similarity_after,
        shift_mm=alignment.shift_mm,
        rotation_degrees=alignment.rotation_degrees,
        problem=alignment.problem or alignment.doubt,
    )

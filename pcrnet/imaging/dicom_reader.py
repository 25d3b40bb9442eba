"""One DICOM series as a volume in true millimetres and true units, or a reason why not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pcrnet.config.imaging import ChannelKind, DicomConfig
from pcrnet.errors import MissingTagError, SeriesError
from pcrnet.imaging.dicom.frames import Frame, read_frames
from pcrnet.imaging.dicom.geometry import sort_slices, stack_affine
from pcrnet.imaging.dicom.groups import frame_groups
from pcrnet.imaging.dicom.image_types import check_types
from pcrnet.imaging.dicom.series import DicomSeries, open_series
from pcrnet.imaging.dicom.tags import missing, word
from pcrnet.imaging.dicom.values import linear_values, rescaling, stored_values, thinned_values
from pcrnet.imaging.finite import require_finite
from pcrnet.imaging.mr.adc import adc_map, adc_scale
from pcrnet.imaging.mr.phase_choice import Choice, pick_phase
from pcrnet.imaging.mr.phases import Phase, split_phases
from pcrnet.imaging.pet.suv import suv_factor
from pcrnet.imaging.pet.suv_tags import SuvTags
from pcrnet.imaging.pet.tracers import check_tracer
from pcrnet.imaging.scan import Provenance, Scan
from pcrnet.imaging.series_mark import series_mark
from pcrnet.imaging.units import ADC_UNIT
from pcrnet.imaging.volume import Posture, Unit, Volume

_MODALITIES: dict[ChannelKind, frozenset[str]] = {
    "suv": frozenset({"PT"}),
    "adc": frozenset({"MR"}),
    "dce": frozenset({"MR"}),
    "hu": frozenset({"CT"}),
}
"""What z-scored channels show is for their user to say."""
_RESCALED = "value = RescaleSlope × stored + RescaleIntercept, slice by slice"
_MAPPED = "value = RealWorldValueSlope × stored + RealWorldValueIntercept, slice by slice"
_AIR_HU = -1000.0
_CODED_TERMS = frozenset({"BQML", "CNTS", "GML", "CM2ML", "START", "ADMIN", "NONE"})


def read_dicom_series(
    path: Path, kind: ChannelKind, *, channel: str = "", settings: DicomConfig | None = None
) -> Scan:
    """Read one DICOM series as one volume.

    Args:
        path: A folder or zip archive that holds one image series, or a single (multi-frame) file.
        kind: What the values mean: ``suv`` gives SUVbw (or what the settings ask for), ``adc``
            10⁻³ mm²/s, ``hu`` Hounsfield units, anything else the rescaled
            values.
        channel: Name of the channel: of a time or diffusion series it says which volume.
        settings: Tracers, norm of the SUV, tolerance and windows; the defaults if None.

    Returns:
        float32 (column, row, slice) with an affine to RAS millimetres, and its provenance.

    Raises:
        DicomFileError: A damaged, truncated or over-large file.
        SeriesError: No series, several, or one of another modality.
        MissingTagError: A tag without which a number would have to be invented.
        GeometryError: Slices that are no regular volume; its subclasses say why.
        PhaseError: No single volume fits the channel.
        UnitError: Values that cannot be brought to the unit; TracerError for another tracer.
    """
    settings = settings or DicomConfig()
    with open_series(path) as series:
        _check_modality(series, kind)
        phases = split_phases(read_frames(series.objects))
        choice = pick_phase(
            phases, channel, settings, lambda n: thinned_values(series, phases[n].frames)
        )
        frames = sort_slices(phases[choice.index].frames, settings.slice_gap_tolerance)
        affine = stack_affine(frames)
        for types in {frame.types for frame in frames}:
            check_types(types, kind)
        values, unit, provenance = _to_unit(series, frames, kind, settings, path)
    require_finite(values)
    notes = (*series.notes, *choice.notes, *_remarks(series, frames), *provenance.warnings)
    numbers = (*_phase_numbers(phases, choice), *provenance.numbers)
    return Scan(
        volume=Volume(array=values, affine=affine, unit=unit, posture=_posture(series, frames)),
        provenance=replace(provenance, numbers=numbers, warnings=notes),
    )


def _check_modality(series: DicomSeries, kind: ChannelKind) -> None:
    expected = _MODALITIES.get(kind)
    if expected is not None and series.modality not in expected:
        raise SeriesError(
            f"is a series of modality {series.modality}; expected {' or '.join(expected)}",
            field="Modality",
            remedy="name the right series in this column",
        )


def _to_unit(
    series: DicomSeries,
    frames: Sequence[Frame],
    kind: ChannelKind,
    settings: DicomConfig,
    path: Path,
) -> tuple[NDArray[np.float32], Unit, Provenance]:
    stored = stored_values(series, frames)
    match kind:
        case "suv":
            return _to_suv(series, frames, stored, settings, path)
        case "adc":
            return _to_adc(frames, stored)
        case "hu":
            values = linear_values(stored, rescaling(frames), padding=_AIR_HU)
            return values, "HU", Provenance(_RESCALED)
    return linear_values(stored, rescaling(frames)), "arbitrary", Provenance(_RESCALED)


def _to_suv(
    series: DicomSeries,
    frames: Sequence[Frame],
    stored: NDArray[np.float32],
    settings: DicomConfig,
    path: Path,
) -> tuple[NDArray[np.float32], Unit, Provenance]:
    groups = [frame_groups(image.header) for image in series.objects]
    tags = SuvTags.from_groups(groups[frame.image][frame.number] for frame in frames)
    if not tags.tracer.is_named:
        tags = _named_by_mark(tags, settings, path)
    factor = suv_factor(tags, settings)
    scales = [
        (slope * value, intercept * value)
        for (slope, intercept), value in zip(_scales(tags), factor.values, strict=True)
    ]
    coded = (("Units", tags.units), ("DecayCorrection", tags.decay_correction))
    return (
        linear_values(stored, scales),
        factor.unit,
        Provenance(
            formula=f"{factor.formula}; {_MAPPED if tags.mapped else _RESCALED}",
            reference_time=factor.reference_time,
            numbers=factor.numbers,
            words=tuple((keyword, term) for keyword, term in coded if term in _CODED_TERMS),
            warnings=factor.warnings,
        ),
    )


def _named_by_mark(tags: SuvTags, settings: DicomConfig, path: Path) -> SuvTags:
    """A series that names no drug holds the tracer that the settings say, if they mark it.

    Raises:
        MissingTagError: They do not, and nothing else rules it out; with its mark.
    """
    mark = series_mark(path)
    if mark in settings.unnamed_series:
        tracer = replace(tags.tracer, names=frozenset({settings.tracers[0].upper()}))
        note = f"no tag names the tracer: it is {settings.tracers[0]} as the settings say"
        return replace(tags, tracer=tracer, notes=(*tags.notes, note))
    try:
        check_tracer(tags.tracer, settings.tracers)
    except MissingTagError as error:
        error.remedy = (
            "correct the tag from the injection record; or, if the record says that it is "
            f"{settings.tracers[0]}, let this series in: imaging.dicom.unnamed_series=[{mark}]"
        )
        raise
    return tags


def _scales(tags: SuvTags) -> list[tuple[float, float]]:
    """To the units of the series; a PET without RescaleSlope may be stored in any."""
    scales = [frame.scale for frame in tags.frames if frame.scale is not None]
    if len(scales) < len(tags.frames):
        raise missing("RescaleSlope")
    return scales


def _to_adc(
    frames: Sequence[Frame], stored: NDArray[np.float32]
) -> tuple[NDArray[np.float32], Unit, Provenance]:
    maps = [adc_map(frame) for frame in frames]
    if all(real is not None for real in maps):
        scales = [(real.slope, real.intercept) for real in maps if real is not None]
        rescaled = _MAPPED
    else:
        scales, rescaled = rescaling(frames), _RESCALED
    values = linear_values(stored, scales)
    scale = adc_scale(frames, values)
    values *= np.float32(scale.factor)
    provenance = Provenance(f"{scale.formula}; {rescaled}", warnings=scale.warnings)
    return values, ADC_UNIT, provenance


def _phase_numbers(phases: Sequence[Phase], choice: Choice) -> tuple[tuple[str, float], ...]:
    if len(phases) == 1:
        return ()
    weighted = len({phase.b_value for phase in phases}) > 1
    found = (
        ("volumes in the series", float(len(phases))),
        ("volume picked, from 1", choice.index + 1.0),
        ("seconds after injection", choice.seconds),
        ("DiffusionBValue", phases[choice.index].b_value if weighted else None),
    )
    return tuple((name, number) for name, number in found if number is not None)


def _posture(series: DicomSeries, frames: Sequence[Frame]) -> Posture | None:
    """From PatientPosition (PS3.3 C.7.3.1.1.2): the third letter of HFP, FFS and their like."""
    positions = {word(series.objects[frame.image].header, "PatientPosition") for frame in frames}
    postures: dict[str, Posture] = {
        "HFP": "prone",
        "FFP": "prone",
        "HFS": "supine",
        "FFS": "supine",
    }
    return postures.get(positions.pop()) if len(positions) == 1 else None


def _remarks(series: DicomSeries, frames: Sequence[Frame]) -> tuple[str, ...]:
    """What a reader of the volume should know, and what changes none of its numbers."""
    header = series.objects[frames[0].image].header
    remarks = []
    if len(frames) == 1:
        remarks.append("the series is a single slice")
    if word(header, "LossyImageCompression") == "01":
        remarks.append("the images were compressed with loss before they came here")
    return tuple(remarks)

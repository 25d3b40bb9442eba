"""A dynamic contrast series whole: every phase, in seconds after injection."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pcrnet.config.imaging import DicomConfig
from pcrnet.errors import PhaseError, SeriesError
from pcrnet.imaging.dicom.frames import read_frames
from pcrnet.imaging.dicom.geometry import sort_slices, stack_affine
from pcrnet.imaging.dicom.groups import FrameGroups, frame_groups
from pcrnet.imaging.dicom.image_types import check_types
from pcrnet.imaging.dicom.series import DicomSeries, open_series
from pcrnet.imaging.dicom.tags import number
from pcrnet.imaging.dicom.values import (
    linear_values,
    rescaling,
    stored_values,
    thinned_values,
)
from pcrnet.imaging.finite import require_finite
from pcrnet.imaging.mr.phase_choice import seconds_after_injection, untimed
from pcrnet.imaging.mr.phases import split_phases


@dataclass(frozen=True, eq=False)
class DynamicSeries:
    """All phases of one scan.

    Attributes:
        signal: float32 (t, i, j, k), phases in the order of time.
        affine: float64 (4, 4), voxel index to RAS millimetres.
        seconds: (t,) time of each phase after injection.
        repetition_s: TR; None where it is not stated.
        flip_degrees: Flip angle; None where it is not stated.
        notes: What was assumed, and what was passed over.
        untimed: Whether the phases state no duration: then ``seconds`` are those of their starts.
    """

    signal: NDArray[np.float32]
    affine: NDArray[np.float64]
    seconds: tuple[float, ...]
    repetition_s: float | None
    flip_degrees: float | None
    notes: tuple[str, ...]
    untimed: bool = False


def read_dynamic_series(path: Path, settings: DicomConfig | None = None) -> DynamicSeries:
    """Read a DICOM time series.

    Args:
        path: A folder or zip archive that holds one series, or a single multi-frame file.
        settings: Tolerance of slice gaps; the defaults if None.

    Raises:
        SeriesError: No MR series.
        PhaseError: Fewer than two phases, other diffusion weightings, or times not recorded.
        ImageError: As :func:`~pcrnet.imaging.dicom_reader.read_dicom_series`.
    """
    settings = settings or DicomConfig()
    with open_series(path) as series:
        if series.modality != "MR":
            raise SeriesError(
                f"is a series of modality {series.modality}; expected MR",
                field="Modality",
                remedy="name the dynamic contrast series",
            )
        phases = split_phases(read_frames(series.objects))
        if len(phases) < 2 or len({phase.b_value for phase in phases}) > 1:
            raise PhaseError(
                f"expected phases before and after contrast; found volumes: {len(phases)}"
                + (", of several b-values" if len(phases) > 1 else ""),
                remedy="name the dynamic contrast series",
            )
        seconds, notes = seconds_after_injection(
            phases, lambda n: thinned_values(series, phases[n].frames)
        )
        for frame in (frame for phase in phases for frame in phase.frames):
            check_types(frame.types, "dce")
        stacks = [sort_slices(phase.frames, settings.slice_gap_tolerance) for phase in phases]
        affine = stack_affine(stacks[0])
        signal = np.stack(
            [linear_values(stored_values(series, stack), rescaling(stack)) for stack in stacks]
        )
        require_finite(signal)
        repetition_s, flip_degrees = _timing(series)
    return DynamicSeries(
        signal,
        affine,
        tuple(seconds),
        repetition_s,
        flip_degrees,
        (*series.notes, *notes),
        untimed=untimed(phases),
    )


def _timing(series: DicomSeries) -> tuple[float | None, float | None]:
    """TR in seconds and flip angle in degrees; None where images differ or do not say."""
    groups = [group for image in series.objects for group in frame_groups(image.header)]
    repetition_ms = _same(groups, "RepetitionTime")
    return (
        None if repetition_ms is None else repetition_ms / 1000.0,
        _same(groups, "FlipAngle"),
    )


def _same(groups: list[FrameGroups], keyword: str) -> float | None:
    found = {
        number(group.find("MRTimingAndRelatedParametersSequence"), keyword) for group in groups
    }
    return found.pop() if len(found) == 1 else None

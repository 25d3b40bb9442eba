"""Image planes: one record a slice, whether it came as a file or as a frame of a multi-frame file.

DICOM PS3.3: C.7.6.2 (image plane), C.7.6.16 (functional groups), C.8.13.5.9 (MR diffusion).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pcrnet.errors import GeometryError, LocalizerError, NotAVolumeError, UnitError
from pcrnet.imaging.dicom.clock import Clock, clock_of, one_night_s, time_s
from pcrnet.imaging.dicom.groups import FrameGroups, RealWorldMap, frame_groups, real_world_maps
from pcrnet.imaging.dicom.image_types import frame_types
from pcrnet.imaging.dicom.series import ImageObject, stored_shape
from pcrnet.imaging.dicom.tags import (
    PrivateTag,
    items,
    missing,
    number,
    numbers,
    private_number,
    word,
    words,
)

if TYPE_CHECKING:
    from pydicom import Dataset

Vector = tuple[float, float, float]

_NO_VOLUME = frozenset({"LOCALIZER", "PROJECTION IMAGE", "MIP", "MAX_IP", "MINIP", "MIN_IP"})
_GE_DURATION_US = PrivateTag(0x0019, "GEMS_ACQU_01", 0x5A)
_PRIVATE_B_VALUES = (
    PrivateTag(0x0019, "SIEMENS MR HEADER", 0x0C),
    PrivateTag(0x2001, "Philips Imaging DD 001", 0x03),
    PrivateTag(0x0043, "GEMS_PARM_01", 0x39),
)
_GE_B_VALUE_OFFSET = 1_000_000_000
_MAX_B_VALUE = 20_000.0


@dataclass(frozen=True)
class Frame:
    """One slice.

    Attributes:
        image: Which object of the series holds it.
        number: Which frame of that object, from 0.
        shape: Rows and columns.
        position_mm: Centre of the first pixel, in LPS.
        row: Direction in which the column index grows, in LPS.
        column: Direction in which the row index grows, in LPS.
        spacing_mm: Between rows, and between columns.
        thickness_mm: Between slices as stated, else of the slice; None where neither is.
        slope: Value = slope × stored + intercept.
        intercept: See ``slope``.
        rescale_unit: RescaleType, in capitals; "" where it is not stated.
        real_world: Linear mappings of stored values to physical quantities.
        acquired_s: Start of the acquisition on the data set's clock; None: not stated.
        content_s: When the image was made, on the same clock; None: not stated.
        offset_s: Further seconds into the acquisition (trigger or temporal position); None: none.
        temporal_index: Number of the temporal position; None: not stated.
        duration_s: Duration of the acquisition; None: not stated.
        injected_s: Start of the contrast bolus, in seconds since midnight; None: not stated.
        b_value: Diffusion weighting in s/mm²; None: not stated.
        gradient: Diffusion direction, rounded; None: none, or isotropic.
        echo_ms: Echo time; None: not stated.
        types: Terms of ImageType or FrameType. Free text: never to be shown.
    """

    image: int
    number: int
    shape: tuple[int, int]
    position_mm: Vector
    row: Vector
    column: Vector
    spacing_mm: tuple[float, float]
    thickness_mm: float | None
    slope: float
    intercept: float
    rescale_unit: str
    real_world: tuple[RealWorldMap, ...]
    acquired_s: float | None
    offset_s: float | None
    temporal_index: float | None
    duration_s: float | None
    injected_s: float | None
    b_value: float | None
    gradient: Vector | None
    content_s: float | None = None
    echo_ms: float | None = None
    types: frozenset[str] = frozenset()


def read_frames(images: Iterable[ImageObject]) -> tuple[Frame, ...]:
    """All slices of a series.

    Raises:
        LocalizerError: Localizers or projections.
        MissingTagError: A slice without position, orientation or pixel spacing.
        UnitError: Values behind a look-up table.
        DicomFileError: A tag or functional group that is damaged.
    """
    frames: list[Frame] = []
    for index, image in enumerate(images):
        _check_type(image.header)
        groups = frame_groups(image.header)
        clock = clock_of(image.header, (of.find("FrameContentSequence") for of in groups))
        frames += [_read_frame(of, index, n, clock) for n, of in enumerate(groups)]
    return _past_midnight(frames)


def _past_midnight(frames: list[Frame]) -> tuple[Frame, ...]:
    """Times whose dates were removed, on one clock."""
    acquired = _one_night([frame.acquired_s for frame in frames])
    content = _one_night([frame.content_s for frame in frames])
    return tuple(
        replace(frame, acquired_s=acquired_s, content_s=content_s)
        for frame, acquired_s, content_s in zip(frames, acquired, content, strict=True)
    )


def _one_night(times: list[float | None]) -> list[float | None]:
    placed = iter(one_night_s([time for time in times if time is not None]))
    return [None if time is None else next(placed) for time in times]


def _check_type(header: Dataset) -> None:
    types = {part for text in words(header, "ImageType") for part in text.split("\\")}
    if types & _NO_VOLUME or "REPROJECTION" in words(header, "SeriesType"):
        raise LocalizerError(
            "the series holds localizers or projections",
            field="ImageType",
            remedy="name the series of the scan itself",
        )
    if "MOSAIC" in types:
        raise NotAVolumeError(
            "each image of the series is a mosaic of slices",
            field="ImageType",
            remedy="export the series as enhanced DICOM, or as one image a slice",
        )
    if items(header, "ModalityLUTSequence"):
        raise UnitError(
            "the values are stored behind a look-up table, which has no unit",
            field="ModalityLUTSequence",
            remedy="export the original series",
        )


def _read_frame(groups: FrameGroups, image: int, index: int, clock: Clock) -> Frame:
    header = groups.header
    measures = groups.find("PixelMeasuresSequence")
    rescale = groups.find("PixelValueTransformationSequence")
    content = groups.find("FrameContentSequence")
    orientation = _required(groups.find("PlaneOrientationSequence"), "ImageOrientationPatient", 6)
    first, second, third = _required(
        groups.find("PlanePositionSequence"), "ImagePositionPatient", 3
    )
    row_mm, column_mm = _required(measures, "PixelSpacing", 2)
    if min(row_mm, column_mm) <= 0:
        raise GeometryError(
            "the pixel spacing is not positive", field="PixelSpacing", remedy="export again"
        )
    _, rows, columns = stored_shape(header)
    slope = number(rescale, "RescaleSlope")
    b_value, gradient = _diffusion(groups)
    return Frame(
        image=image,
        number=index,
        shape=(rows, columns),
        position_mm=(first, second, third),
        row=(orientation[0], orientation[1], orientation[2]),
        column=(orientation[3], orientation[4], orientation[5]),
        spacing_mm=(row_mm, column_mm),
        thickness_mm=number(measures, "SpacingBetweenSlices") or number(measures, "SliceThickness"),
        slope=1.0 if slope is None else slope,
        intercept=number(rescale, "RescaleIntercept") or 0.0,
        rescale_unit=word(rescale, "RescaleType"),
        real_world=real_world_maps(groups),
        acquired_s=_acquired_s(content, header, clock),
        content_s=_moment_s(header, "Content", clock),
        offset_s=_offset_s(groups, header),
        temporal_index=number(content, "TemporalPositionIndex")
        or number(header, "TemporalPositionIdentifier"),
        duration_s=_duration_s(content, header),
        injected_s=_injected_s(header, clock),
        b_value=b_value,
        gradient=gradient,
        echo_ms=_echo_ms(groups),
        types=frame_types(groups),
    )


def _required(dataset: Dataset, keyword: str, count: int) -> tuple[float, ...]:
    found = numbers(dataset, keyword, count)
    if found is None:
        raise missing(keyword)
    return found


def _acquired_s(content: Dataset, header: Dataset, clock: Clock) -> float | None:
    of_frame = clock.datetime_s(content, "FrameAcquisitionDateTime")
    return _moment_s(header, "Acquisition", clock) if of_frame is None else of_frame


def _moment_s(header: Dataset, stem: str, clock: Clock) -> float | None:
    moment = clock.moment_s(header, stem)
    # Where de-identification removed the date, the time alone still orders phases.
    return time_s(header, f"{stem}Time") if moment is None else moment


def _echo_ms(groups: FrameGroups) -> float | None:
    of_frame = number(groups.find("MREchoSequence"), "EffectiveEchoTime")
    return number(groups.header, "EchoTime") if of_frame is None else of_frame


def _offset_s(groups: FrameGroups, header: Dataset) -> float | None:
    """Seconds into the acquisition: temporal position (enhanced) or trigger time (GE, Philips)."""
    of_frame = number(groups.find("TemporalPositionSequence"), "TemporalPositionTimeOffset")
    if of_frame is not None:
        return of_frame
    trigger_ms = number(header, "TriggerTime")
    if trigger_ms is not None:
        return trigger_ms / 1000.0
    position = number(header, "TemporalPositionIdentifier")
    resolution_ms = number(header, "TemporalResolution")
    return (position - 1) * resolution_ms / 1000.0 if position and resolution_ms else None


def _duration_s(content: Dataset, header: Dataset) -> float | None:
    frame_ms = number(content, "FrameAcquisitionDuration")
    if frame_ms is not None:
        return frame_ms / 1000.0
    stated = number(header, "AcquisitionDuration")
    if stated is not None:
        return stated
    ge_us = private_number(header, _GE_DURATION_US)
    return None if ge_us is None else ge_us / 1e6


def _injected_s(header: Dataset, clock: Clock) -> float | None:
    """Start of the bolus: in the header, or in the profile of an enhanced object's agent."""
    of_agent = [
        clock.of_day_s(profile, "ContrastBolusStartTime")
        for agent in items(header, "ContrastBolusAgentSequence")
        for profile in items(agent, "ContrastAdministrationProfileSequence")
    ]
    stated = [clock.of_day_s(header, "ContrastBolusStartTime"), *of_agent]
    return min((start for start in stated if start is not None), default=None)


def _diffusion(groups: FrameGroups) -> tuple[float | None, Vector | None]:
    holder = groups.find("MRDiffusionSequence")
    b_value = number(holder, "DiffusionBValue")
    if b_value is None:
        b_value = _private_b_value(groups.header)
    directions = items(holder, "DiffusionGradientDirectionSequence")
    found = numbers(directions[0] if directions else holder, "DiffusionGradientOrientation", 3)
    if found is None or not b_value:
        return b_value, None
    x, y, z = (round(part, 3) + 0.0 for part in found)
    return b_value, (x, y, z)


def _private_b_value(header: Dataset) -> float | None:
    for tag in _PRIVATE_B_VALUES:
        b_value = private_number(header, tag)
        if b_value is not None:
            b_value %= _GE_B_VALUE_OFFSET  # GE adds 10⁹ to say that several directions follow
            return b_value if b_value <= _MAX_B_VALUE else None
    return None

"""Where the attributes of one frame are: in the file's header, or in its functional groups.

DICOM PS3.3: C.7.6.16 (multi-frame functional groups), C.7.6.16.2.11 (real world value mapping),
C.7.6.16.2.28 and C.7.6.16.2.29 (attributes of the single slices that a converted file was made of).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pcrnet.errors import DicomFileError
from pcrnet.imaging.dicom.series import stored_shape
from pcrnet.imaging.dicom.tags import items, number, word

if TYPE_CHECKING:
    from pydicom import Dataset


@dataclass(frozen=True, eq=False)
class FrameGroups:
    """The functional groups of one frame.

    Attributes:
        header: Attributes of the file; of a legacy converted file, overlaid with those of the
            slice that the frame once was.
        shared: Functional groups that all frames share; None where there are none.
        own: Functional groups of this frame; None for a single slice.
    """

    header: Dataset
    shared: Dataset | None = None
    own: Dataset | None = None

    def items_of(self, sequence: str) -> tuple[Dataset, ...]:
        """The items of a functional group: the frame's own, else the shared, else the file's."""
        for holder in (self.own, self.shared, self.header):
            if found := items(holder, sequence):
                return tuple(found)
        return ()

    def find(self, sequence: str) -> Dataset:
        """The first item of a group, or the file's header where the object has no such groups."""
        return next(iter(self.items_of(sequence)), self.header)


@dataclass(frozen=True)
class RealWorldMap:
    """A linear mapping of stored values to a physical quantity.

    Attributes:
        slope: Value = slope × stored + intercept.
        intercept: See ``slope``.
        unit: Code of the unit (UCUM), in capitals; "" where it is not stated.
    """

    slope: float
    intercept: float
    unit: str


def frame_groups(header: Dataset) -> tuple[FrameGroups, ...]:
    """The functional groups of each frame of a file, in stored order; one for a single slice.

    Raises:
        DicomFileError: Groups for another number of frames than the file states.
    """
    count, *_ = stored_shape(header)
    per_frame = items(header, "PerFrameFunctionalGroupsSequence")
    if not per_frame and count == 1:
        return (FrameGroups(header),)
    if len(per_frame) != count:
        raise DicomFileError(
            f"{count} frames, but functional groups for {len(per_frame)}",
            field="PerFrameFunctionalGroupsSequence",
            remedy="export the series again, as single-frame or enhanced multi-frame DICOM",
        )
    shared = next(iter(items(header, "SharedFunctionalGroupsSequence")), None)
    common = _overlaid(header, shared, "UnassignedSharedConvertedAttributesSequence")
    return tuple(
        FrameGroups(
            _overlaid(common, own, "UnassignedPerFrameConvertedAttributesSequence"), shared, own
        )
        for own in per_frame
    )


def real_world_maps(groups: FrameGroups) -> tuple[RealWorldMap, ...]:
    """The linear mappings of a frame; look-up tables are none."""
    maps = []
    for item in groups.items_of("RealWorldValueMappingSequence"):
        slope = number(item, "RealWorldValueSlope")
        codes = items(item, "MeasurementUnitsCodeSequence")
        unit = next((word(code, "CodeValue") or word(code, "LongCodeValue") for code in codes), "")
        if slope is not None:
            maps.append(RealWorldMap(slope, number(item, "RealWorldValueIntercept") or 0.0, unit))
    return tuple(maps)


def _overlaid(header: Dataset, group: Dataset | None, sequence: str) -> Dataset:
    """The header with the converted attributes of a legacy file laid over it."""
    from pydicom import Dataset

    converted = items(group, sequence)
    if not converted:
        return header
    merged = Dataset()
    merged.update(header)
    merged.update(converted[0])
    return merged

"""Time and diffusion series, split into volumes by what the headers say.

The order of files or instance numbers is never used. The time of a phase is the middle of its
acquisition where the duration is known (the centre of k-space, as UCSF and I-SPY 2 count it), else
its start.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from pcrnet.errors import DuplicateSliceError
from pcrnet.imaging.dicom.frames import Frame, Vector
from pcrnet.imaging.dicom.geometry import check_same_plane, slice_positions


@dataclass(frozen=True)
class Phase:
    """One volume of a series.

    Attributes:
        frames: Its slices, one a position, in no meaningful order.
        start_s: Start of its acquisition, on a clock shared by the phases of the series; None
            where it is not recorded.
        duration_s: Duration of its acquisition; None where it is unknown.
        b_value: Diffusion weighting in s/mm²; None where it is not stated.
        gradient: Diffusion direction; None: none, or isotropic.
        timed_by: The tag that tells the phases of the series apart.
        of_day: Whether ``start_s`` is a time of day, and not only seconds into the series.
    """

    frames: tuple[Frame, ...]
    start_s: float | None
    duration_s: float | None
    b_value: float | None
    gradient: Vector | None
    timed_by: str = "AcquisitionTime"
    of_day: bool = True

    @property
    def middle_s(self) -> float | None:
        """Middle of the acquisition where its duration is known, else its start."""
        return None if self.start_s is None else self.start_s + (self.duration_s or 0.0) / 2


def split_phases(frames: Sequence[Frame]) -> tuple[Phase, ...]:
    """Split a series into volumes, by b-value and direction first and by acquisition time then.

    Raises:
        OrientationError, GeometryError, NotAVolumeError: The slices are no stack.
        DuplicateSliceError: Images at one position that nothing tells apart (echoes, or magnitude
            and phase images in one series), or positions with more images than others.
    """
    check_same_plane(frames)
    ordinals = slice_positions(frames)
    kinds: dict[tuple[float, Vector | None], list[tuple[int, Frame]]] = defaultdict(list)
    for ordinal, frame in zip(ordinals.tolist(), frames, strict=True):
        kinds[frame.b_value or 0.0, frame.gradient].append((ordinal, frame))
    volumes = [
        (start_s, volume, clock)
        for _, group in sorted(kinds.items(), key=lambda pair: (pair[0][0], pair[0][1] or ()))
        for start_s, volume, clock in _split_times(group)
    ]
    # The stated duration may be that of the whole dynamic series, which is none of a phase.
    starts = sorted(start_s for start_s, *_ in volumes if start_s is not None)
    limit_s = float(min(np.diff(starts), default=np.inf))
    return tuple(
        Phase(
            frames=volume,
            start_s=start_s,
            duration_s=_duration_s(volume, limit_s),
            b_value=volume[0].b_value,
            gradient=volume[0].gradient,
            timed_by=clock.tag,
            of_day=clock.of_day,
        )
        for start_s, volume, clock in volumes
    )


@dataclass(frozen=True)
class _Clock:
    """What can tell volumes at one position apart.

    Attributes:
        tag: Where it comes from.
        read: Its reading of a slice; None where it does not say.
        start: When a volume that it tells apart began; None where it does not say.
        of_day: Whether that is a time of day.
        surely_time: Whether different readings can only be different times, and not two echoes or
            reconstructions of one.
    """

    tag: str
    read: Callable[[Frame], float | None]
    start: Callable[[Frame], float | None]
    of_day: bool = True
    surely_time: bool = False


_Volume = tuple[float | None, tuple[Frame, ...], _Clock]
"""Start of the acquisition, the slices, and what told them from others."""


def _split_times(group: Sequence[tuple[int, Frame]]) -> list[_Volume]:
    """The volumes among slices of one diffusion weighting, in the order of time."""
    stacks: dict[int, list[Frame]] = defaultdict(list)
    for ordinal, frame in group:
        stacks[ordinal].append(frame)
    counts = Counter(map(len, stacks.values()))
    if len(counts) > 1:
        raise DuplicateSliceError(
            f"some slice positions hold {max(counts)} images and others {min(counts)}: slices "
            "are doubled or missing",
            field="ImagePositionPatient",
            remedy="export the whole series again, one series a folder",
        )
    for clock in _CLOCKS:
        times = [[clock.read(frame) for frame in stack] for stack in stacks.values()]
        if len(times[0]) == 1 or all(None not in at and len({*at}) == len(at) for at in times):
            if len(times[0]) > 1 and not clock.surely_time:
                _check_one_kind(stacks.values())
            ranked = [_ranked(stack, at) for stack, at in zip(stacks.values(), times, strict=True)]
            volumes = [tuple(stack[n] for stack in ranked) for n in range(len(times[0]))]
            return [(_earliest(map(clock.start, volume)), volume, clock) for volume in volumes]
    raise DuplicateSliceError(
        f"{max(counts)} images at each slice position that no time (of acquisition, trigger or "
        "content) and no b-value tells apart",
        field="AcquisitionTime",
        remedy="keep one echo, contrast or reconstruction a folder",
    )


def _check_one_kind(stacks: Iterable[Sequence[Frame]]) -> None:
    """Two echoes, or magnitude and phase, are no two phases though they were made one by one.

    Raises:
        DuplicateSliceError: Images at one position differ in echo time or image type.
    """
    for stack in stacks:
        for keyword, kinds in (
            ("EchoTime", {frame.echo_ms for frame in stack}),
            ("ImageType", {frame.types for frame in stack}),
        ):
            if len(kinds) > 1:
                raise DuplicateSliceError(
                    f"the {len(stack)} images at each slice position differ in {keyword}",
                    field=keyword,
                    remedy="keep one echo, contrast or reconstruction a folder",
                )


def _ranked(stack: Sequence[Frame], times: Sequence[float | None]) -> list[Frame]:
    order = sorted(range(len(stack)), key=lambda n: times[n] or 0.0)
    return [stack[n] for n in order]


def _offset_start_s(frame: Frame) -> float | None:
    if frame.acquired_s is None or frame.offset_s is None:
        return None
    return frame.acquired_s + frame.offset_s


_CLOCKS = (
    _Clock(
        "AcquisitionTime",
        lambda frame: frame.acquired_s,
        lambda frame: frame.acquired_s,
        surely_time=True,
    ),
    _Clock(
        "TriggerTime",
        lambda frame: None if frame.acquired_s is None else frame.offset_s,
        _offset_start_s,
    ),
    # Without a time of day the differences still suffice.
    _Clock(
        "TriggerTime",
        lambda frame: frame.offset_s if frame.acquired_s is None else None,
        lambda frame: frame.offset_s,
        of_day=False,
    ),
    _Clock("ContentTime", lambda frame: frame.content_s, lambda frame: frame.content_s),
    _Clock("TemporalPositionIdentifier", lambda frame: frame.temporal_index, lambda _frame: None),
)
"""The nearest to the acquisition first."""


def _earliest(starts: Iterable[float | None]) -> float | None:
    known = list(starts)
    return None if None in known else min(start for start in known if start is not None)


def _duration_s(volume: Sequence[Frame], limit_s: float) -> float | None:
    durations = {frame.duration_s for frame in volume}
    duration = durations.pop() if len(durations) == 1 else None
    return duration if duration is not None and 0 < duration <= limit_s else None

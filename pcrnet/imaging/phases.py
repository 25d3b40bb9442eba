"""Time and diffusion series: split into volumes by what the headers say, one of them picked.

The order of files or instance numbers is never used. The time of a phase is the middle of its
acquisition where the duration is known (the centre of k-space, as UCSF and I-SPY 2 count it), else
its start. Where the injection time is not recorded, injection is taken to be simultaneous with the
start of the first enhanced phase (UCSF's convention), and that is noted.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pcrnet.config import DicomConfig
from pcrnet.errors import DuplicateSliceError, PhaseError
from pcrnet.imaging.dicom_frames import Frame, Vector
from pcrnet.imaging.dicom_geometry import check_same_plane, slice_positions

_DAY_S = 86_400.0
_ENHANCED_FRACTION = 0.3
_LEAST_ENHANCEMENT = 0.2
_ENHANCING_VOXELS = 0.005
_B_CHANNEL = re.compile(r".*_b(\d+)")


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
    """

    frames: tuple[Frame, ...]
    start_s: float | None
    duration_s: float | None
    b_value: float | None
    gradient: Vector | None

    @property
    def middle_s(self) -> float | None:
        """Middle of the acquisition where its duration is known, else its start."""
        return None if self.start_s is None else self.start_s + (self.duration_s or 0.0) / 2


@dataclass(frozen=True)
class Choice:
    """The phase picked for a channel.

    Attributes:
        index: Which of the phases.
        seconds: Its time after injection; None where it plays no part.
        notes: What was assumed.
    """

    index: int
    seconds: float | None = None
    notes: tuple[str, ...] = ()


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
        (start_s, volume)
        for _, group in sorted(kinds.items(), key=lambda pair: (pair[0][0], pair[0][1] or ()))
        for start_s, volume in _split_times(group)
    ]
    # The stated duration may be that of the whole dynamic series, which is none of a phase.
    starts = sorted(start_s for start_s, _ in volumes if start_s is not None)
    limit_s = float(min(np.diff(starts), default=np.inf))
    return tuple(
        Phase(
            frames=volume,
            start_s=start_s,
            duration_s=_duration_s(volume, limit_s),
            b_value=volume[0].b_value,
            gradient=volume[0].gradient,
        )
        for start_s, volume in volumes
    )


def pick_phase(
    phases: Sequence[Phase],
    channel: str,
    settings: DicomConfig,
    read_phase: Callable[[int], NDArray[np.float32]],
) -> Choice:
    """Pick the volume that a channel asks for.

    A series of one volume is that volume. Of a dynamic series, ``dce_pre`` is the last phase
    before injection, ``dce_early`` and ``dce_late`` are the phases nearest to the middle of their
    windows; of a diffusion series, ``…_b800`` is the volume of that b-value.

    Args:
        phases: As :func:`split_phases` returns them.
        channel: Name of the channel.
        settings: The windows, in seconds after injection.
        read_phase: Values of a phase, thinned at will but alike for all; used only where the
            injection time is not recorded.

    Raises:
        PhaseError: No phase fits, or several do.
    """
    if len(phases) == 1:
        return Choice(0)
    if match := _B_CHANNEL.fullmatch(channel):
        return _pick_b_value(phases, float(match[1]))
    windows = {
        "dce_pre": (-np.inf, 0.0),
        "dce_early": settings.dce_early_s,
        "dce_late": settings.dce_late_s,
    }
    if channel not in windows:
        raise PhaseError(
            f"the series holds {len(phases)} volumes ({_describe(phases)}), and channel "
            f"{channel!r} does not say which",
            remedy="name the channel dce_pre, dce_early or dce_late, or end it in _b and the "
            "b-value; or keep one volume a folder",
        )
    seconds, notes = _seconds_after_injection(phases, read_phase)
    low, high = windows[channel]
    target = 0.0 if channel == "dce_pre" else (low + high) / 2
    fitting = [n for n, at in enumerate(seconds) if low <= at <= high and (high or at < 0)]
    if not fitting:
        expected = "before injection" if high == 0 else f"{low:g} to {high:g} s after injection"
        raise PhaseError(
            f"no phase fits {channel}: expected {expected}, found "
            f"{', '.join(f'{at:.0f}' for at in seconds)} s",
            remedy="name another series, leave the cell empty, or widen the window "
            "(imaging.dicom.dce_early_s, dce_late_s)",
        )
    index = min(fitting, key=lambda n: abs(seconds[n] - target))
    return Choice(index, seconds[index], notes)


_Volume = tuple[float | None, tuple[Frame, ...]]
"""Start of the acquisition, and the slices."""


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
    for clock, start in _CLOCKS:
        times = [[clock(frame) for frame in stack] for stack in stacks.values()]
        if len(times[0]) == 1 or all(None not in at and len({*at}) == len(at) for at in times):
            ranked = [_ranked(stack, at) for stack, at in zip(stacks.values(), times, strict=True)]
            volumes = [tuple(stack[n] for stack in ranked) for n in range(len(times[0]))]
            return [(_earliest(map(start, volume)), volume) for volume in volumes]
    raise DuplicateSliceError(
        f"{max(counts)} images at each slice position that neither acquisition time nor b-value "
        "tells apart",
        field="AcquisitionTime",
        remedy="keep one echo, contrast or reconstruction a folder",
    )


def _ranked(stack: Sequence[Frame], times: Sequence[float | None]) -> list[Frame]:
    order = sorted(range(len(stack)), key=lambda n: times[n] or 0.0)
    return [stack[n] for n in order]


def _offset_start_s(frame: Frame) -> float | None:
    if frame.acquired_s is None or frame.offset_s is None:
        return None
    return frame.acquired_s + frame.offset_s


_Clock = Callable[[Frame], float | None]
_CLOCKS: tuple[tuple[_Clock, _Clock], ...] = (
    (lambda frame: frame.acquired_s, lambda frame: frame.acquired_s),
    (lambda frame: frame.offset_s, _offset_start_s),
    (lambda frame: frame.temporal_index, lambda _frame: None),
)
"""What tells volumes at one position apart, and when a volume that it tells apart began."""


def _earliest(starts: Iterable[float | None]) -> float | None:
    known = list(starts)
    return None if None in known else min(start for start in known if start is not None)


def _duration_s(volume: Sequence[Frame], limit_s: float) -> float | None:
    durations = {frame.duration_s for frame in volume}
    duration = durations.pop() if len(durations) == 1 else None
    return duration if duration is not None and 0 < duration <= limit_s else None


def _pick_b_value(phases: Sequence[Phase], wanted: float) -> Choice:
    fitting = [n for n, phase in enumerate(phases) if abs((phase.b_value or 0.0) - wanted) < 1]
    if len(fitting) != 1:
        raise PhaseError(
            f"{len(fitting)} volumes have b = {wanted:g} s/mm²; the series holds "
            f"{_describe(phases)}",
            remedy="name a b-value that one volume has, or the series of trace images",
        )
    return Choice(fitting[0])


def _describe(phases: Sequence[Phase]) -> str:
    """Times and b-values, as far as they differ."""
    b_values = sorted({phase.b_value or 0.0 for phase in phases})
    if len(b_values) > 1:
        return f"b = {', '.join(f'{b:g}' for b in b_values)} s/mm²"
    starts = [phase.start_s for phase in phases if phase.start_s is not None]
    if len(starts) < len(phases):
        return "times not recorded"
    return f"starting {', '.join(f'{start - starts[0]:.0f}' for start in starts)} s after the first"


def _seconds_after_injection(
    phases: Sequence[Phase], read_phase: Callable[[int], NDArray[np.float32]]
) -> tuple[list[float], tuple[str, ...]]:
    middles = [phase.middle_s for phase in phases]
    starts = [phase.start_s for phase in phases]
    if None in starts or len(set(starts)) < len(starts):
        raise PhaseError(
            "the phases can be told apart, but their times are not recorded",
            field="AcquisitionTime",
            remedy="split the series and name one folder a phase",
        )
    known = [start for start in starts if start is not None]
    recorded = {frame.injected_s for phase in phases for frame in phase.frames} - {None}
    if len(recorded) > 1:
        raise PhaseError(
            "the phases state several injection times",
            field="ContrastBolusStartTime",
            remedy="split the series and name one folder a phase",
        )
    notes: tuple[str, ...] = ()
    injection = recorded.pop() if recorded else None
    if injection is not None:
        # A time of day: the one nearest to the first phase, whatever side of midnight.
        injection += _DAY_S * round((known[0] - injection) / _DAY_S)
    else:
        first = _first_enhanced([read_phase(n) for n in range(len(phases))])
        injection = known[first]
        notes = (
            "ContrastBolusStartTime is not recorded: injection is taken to be simultaneous with "
            f"the start of the first enhanced phase (number {first + 1} of {len(phases)})",
        )
    return [middle - injection for middle in middles if middle is not None], notes


def _first_enhanced(volumes: Sequence[NDArray[np.float32]]) -> int:
    """The first phase whose vessels and lesions are brighter than before.

    The voxels are the 0.5 % that gain most between the first phase and any other; a phase counts
    as enhanced once it shows 30 % of their largest mean gain.
    """
    gain = np.max([volume - volumes[0] for volume in volumes[1:]], axis=0)
    chosen = gain >= np.quantile(gain, 1.0 - _ENHANCING_VOXELS)
    means = np.array([float(volume[chosen].mean(dtype=np.float64)) for volume in volumes])
    largest = float(means.max() - means[0])
    if not largest > _LEAST_ENHANCEMENT * max(float(means[0]), 0.0):
        raise PhaseError(
            "the injection time is not recorded, and no phase is brighter than the first",
            field="ContrastBolusStartTime",
            remedy="split the series and name one folder a phase",
        )
    return int(np.argmax(means - means[0] > _ENHANCED_FRACTION * largest))

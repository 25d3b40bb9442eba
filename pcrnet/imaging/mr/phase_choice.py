"""Which volume of a time or diffusion series a channel asks for: by seconds, or by b-value.

Where the injection time is not recorded, or the images contradict it, injection is taken to be
simultaneous with the start of the first enhanced phase (UCSF's convention), and that is noted.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pcrnet.config.imaging import DicomConfig
from pcrnet.errors import PhaseError
from pcrnet.imaging.dicom.clock import nearest_day_s
from pcrnet.imaging.mr.phases import Phase

_ENHANCED_FRACTION = 0.3
_LEAST_ENHANCEMENT = 0.2
_SURE_ENHANCEMENT = 0.6
"""Above it the first phase was surely before contrast: slow tissue alone gains less."""
_ARRIVAL_S = 60.0
"""By then contrast has reached vessels and lesions."""
_ENHANCING_VOXELS = 0.005
_B_CHANNEL = re.compile(r".*_b(\d+)")


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
        read_phase: Values (i, j, k) of a phase, thinned at will but alike for all.

    Raises:
        PhaseError: No phase fits, or several do.
    """
    if len(phases) == 1:
        return Choice(0)
    if match := _B_CHANNEL.fullmatch(channel):
        return _pick_b_value(phases, float(match[1]))
    if channel not in _windows(settings):
        raise PhaseError(
            f"the series holds {len(phases)} volumes ({_describe(phases)}), and channel "
            f"{channel!r} does not say which",
            remedy="name the channel dce_pre, dce_early or dce_late, or end it in _b and the "
            "b-value; or keep one volume a folder",
        )
    seconds, notes = seconds_after_injection(phases, read_phase)
    index, note = _phase_at(seconds, channel, settings, untimed=untimed(phases))
    return Choice(index, seconds[index], (*notes, note) if note else notes)


def phase_at(
    seconds: Sequence[float], channel: str, settings: DicomConfig, *, untimed: bool = False
) -> int:
    """The phase of ``dce_pre``, ``dce_early`` or ``dce_late``.

    Args:
        seconds: Time of each phase after injection.
        channel: One of the three.
        settings: The windows.
        untimed: Whether the seconds are those of the starts, the durations not being stated.

    Raises:
        PhaseError: No phase lies in the window.
    """
    return _phase_at(seconds, channel, settings, untimed=untimed)[0]


def _phase_at(
    seconds: Sequence[float], channel: str, settings: DicomConfig, *, untimed: bool
) -> tuple[int, str]:
    """The phase, and what was concluded."""
    low, high = _windows(settings)[channel]
    target = 0.0 if channel == "dce_pre" else (low + high) / 2
    fitting = [n for n, at in enumerate(seconds) if low <= at <= high and (high or at < 0)]
    if fitting:
        return min(fitting, key=lambda n: abs(seconds[n] - target)), ""
    expected = "before injection" if high == 0 else f"{low:g} to {high:g} s after injection"
    if untimed and high > 0:
        # A phase lasts no longer than until the next, so its middle lies in the half before that.
        latest = _latest_middles(seconds)
        fitting = [n for n, at in enumerate(seconds) if 0 <= at <= high and latest[n] >= low]
        if len(fitting) == 1:
            (index,) = fitting
            return index, (
                "how long a phase took is not stated: the middle of that from "
                f"{seconds[index]:.0f} s on can lie up to {latest[index]:.0f} s after injection, "
                f"and is the only one that can lie in the window ({expected})"
            )
    raise PhaseError(
        f"no phase fits {channel}: expected {expected}, found "
        f"{', '.join(f'{at:.0f}' for at in seconds)} s",
        remedy="name another series, leave the cell empty, or widen the window "
        "(imaging.dicom.dce_early_s, dce_late_s)",
    )


def untimed(phases: Sequence[Phase]) -> bool:
    """Whether no phase states its duration, so that only the starts are known."""
    return all(phase.duration_s is None for phase in phases)


def _latest_middles(seconds: Sequence[float]) -> list[float]:
    """Of phases known by their starts: when at the latest the middle of each was acquired."""
    ends = sorted(seconds)
    shortest = float(min(np.diff(ends), default=0.0))
    following = [min((end for end in ends if end > at), default=at + shortest) for at in seconds]
    return [(at + end) / 2 for at, end in zip(seconds, following, strict=True)]


def _windows(settings: DicomConfig) -> dict[str, tuple[float, float]]:
    return {
        "dce_pre": (-np.inf, 0.0),
        "dce_early": settings.dce_early_s,
        "dce_late": settings.dce_late_s,
    }


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


def seconds_after_injection(
    phases: Sequence[Phase], read_phase: Callable[[int], NDArray[np.float32]]
) -> tuple[list[float], tuple[str, ...]]:
    """Time of each phase after injection, and what was assumed.

    Args:
        phases: As :func:`split_phases` returns them; several.
        read_phase: Values (i, j, k) of a phase, as for :func:`pick_phase`.

    Raises:
        PhaseError: Times are not recorded, or several injections are.
    """
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
    stated = recorded.pop() if recorded else None
    of_day = all(phase.of_day for phase in phases)
    if stated is not None and of_day:
        # A time of day: the one nearest to the first phase, whatever side of midnight.
        stated = nearest_day_s(stated, known[0])
    comparable = stated if of_day else None
    volumes = [read_phase(n) for n in range(len(phases))]
    injection, notes = _believed(comparable, known, volumes, _temporal_positions(phases))
    if stated is not None and not of_day:
        notes = (*notes, "ContrastBolusStartTime is of no use: the phases state no time of day")
    if phases[0].timed_by == "ContentTime":
        notes = (*notes, "the phases are told apart by ContentTime, for want of AcquisitionTime")
    return [middle - injection for middle in middles if middle is not None], notes


def _temporal_positions(phases: Sequence[Phase]) -> tuple[float, ...]:
    """The number of each phase in its scan; empty where they do not number the phases."""
    stated = [{frame.temporal_index for frame in phase.frames} for phase in phases]
    numbers = tuple(next(iter(of)) for of in stated)
    known = tuple(number for number in numbers if number is not None)
    steps = np.diff(known)
    # Some scanners number the slices, or count in steps of their own.
    usable = len(known) == len(phases) and all(len(of) == 1 for of in stated) and steps.min() == 1
    return known if usable else ()


def _check_beginning(positions: Sequence[float], first: int) -> None:
    """Images tell the injection only where no phase is lost before contrast shows.

    Raises:
        PhaseError: The phases up to the first enhanced one are not numbered without a gap from 1
            (or 0, as some count).
    """
    begun = positions[: first + 1]
    if begun and (begun[0] > 1 or any(np.diff(begun) != 1)):
        raise PhaseError(
            "the injection time is to be told by the images, and phases are missing before "
            "contrast shows: those up to the first enhanced one are temporal positions "
            f"{', '.join(f'{number:g}' for number in begun)}",
            field="TemporalPositionIdentifier",
            remedy="export the dynamic series with all its phases, or name one folder a phase",
        )


def _believed(
    stated_s: float | None,
    starts_s: Sequence[float],
    volumes: Sequence[NDArray[np.float32]],
    positions: Sequence[float],
) -> tuple[float, tuple[str, ...]]:
    """The injection as stated, else, or where the images contradict it, as these tell.

    Raises:
        PhaseError: Nothing enhances, or a phase is missing before something does.
    """
    first, gain = _first_enhanced(volumes)
    if stated_s is None:
        if not gain > _LEAST_ENHANCEMENT:
            raise PhaseError(
                "the injection time is not recorded, and no phase is brighter than the first",
                field="ContrastBolusStartTime",
                remedy="split the series and name one folder a phase",
            )
        problem = "is not recorded"
    elif gain > _SURE_ENHANCEMENT and not _possible(stated_s, starts_s, first):
        problem = "cannot be true, for the images show otherwise"
    else:
        return stated_s, ()
    _check_beginning(positions, first)
    return starts_s[first], (
        f"ContrastBolusStartTime {problem}: injection is taken to be simultaneous with the start "
        f"of the first enhanced phase (number {first + 1} of {len(starts_s)})",
    )


def _possible(stated_s: float, starts_s: Sequence[float], first: int) -> bool:
    """Whether an injection can have enhanced the phase ``first`` and none before it.

    It lies before the phase ends, after the first phase begins, and not so early that contrast
    had arrived before the last phase that shows none of it.
    """
    gap_s = float(min(np.diff(starts_s)))
    end_s = starts_s[first + 1] if first + 1 < len(starts_s) else starts_s[first] + gap_s
    return max(starts_s[0], starts_s[first - 1] - _ARRIVAL_S) < stated_s <= end_s


def _first_enhanced(volumes: Sequence[NDArray[np.float32]]) -> tuple[int, float]:
    """The first phase whose vessels and lesions are brighter than before, and by how much at most.

    The voxels are the 0.5 % that gain most between the first phase and any other; a phase counts
    as enhanced once it shows 30 % of their largest mean gain. The gain is a fraction of the first
    phase.
    """
    gain = np.max([volume - volumes[0] for volume in volumes[1:]], axis=0)
    chosen = gain >= np.quantile(gain, 1.0 - _ENHANCING_VOXELS)
    means = np.array([float(volume[chosen].mean(dtype=np.float64)) for volume in volumes])
    largest = float(means.max() - means[0])
    before = max(float(means[0]), 0.0)
    relative = largest / before if before > 0 else (np.inf if largest > 0 else 0.0)
    return int(np.argmax(means - means[0] > _ENHANCED_FRACTION * largest)), relative

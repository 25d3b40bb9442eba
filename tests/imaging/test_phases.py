"""Dynamic and diffusion series are split by their headers, and one volume is picked by seconds."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest

from pcrnet.config import DicomConfig
from pcrnet.errors import DuplicateSliceError, NotAVolumeError, PhaseError
from pcrnet.imaging.dicom_frames import Frame
from pcrnet.imaging.phases import Phase, pick_phase, split_phases

SLICES = 5
NOON_S = 12 * 3600.0


def frame(k: int, **fields: object) -> Frame:
    plain = Frame(
        image=0, number=0, shape=(4, 4), position_mm=(0.0, 0.0, 3.0 * k), row=(1.0, 0.0, 0.0),
        column=(0.0, 1.0, 0.0), spacing_mm=(1.0, 1.0), thickness_mm=3.0, slope=1.0, intercept=0.0,
        rescale_unit="", real_world=(), acquired_s=NOON_S, offset_s=None, temporal_index=None,
        duration_s=None, injected_s=None, b_value=None, gradient=None,
    )  # fmt: skip
    return replace(plain, **fields)


def shuffled(frames: list[Frame]) -> list[Frame]:
    return [frames[n] for n in np.random.default_rng(1).permutation(len(frames))]


def dynamic(starts_s: Sequence[float], **fields: object) -> tuple[Phase, ...]:
    """A series of phases that begin so many seconds after noon, its slices shuffled."""
    frames = [
        frame(k, acquired_s=NOON_S + start, number=n, **fields)
        for (n, start), k in itertools.product(enumerate(starts_s), range(SLICES))
    ]
    return split_phases(shuffled(frames))


def unread(_: int) -> np.ndarray:
    raise AssertionError("values are not needed where the times are recorded")


def pick(phases: Sequence[Phase], channel: str, read: Callable[[int], np.ndarray] = unread) -> int:
    return pick_phase(phases, channel, DicomConfig(), read).index


def test_phases_are_volumes_in_the_order_of_time() -> None:
    phases = dynamic([200.0, 0.0, 100.0])
    assert [len(phase.frames) for phase in phases] == [SLICES] * 3
    assert [{f.number for f in phase.frames} for phase in phases] == [{1}, {2}, {0}]
    assert [phase.start_s for phase in phases] == [NOON_S, NOON_S + 100, NOON_S + 200]


def test_interleaved_slices_are_split_by_their_rank_at_each_position() -> None:
    """2D scans acquire slice by slice: no two slices of a phase share their time."""
    frames = [
        frame(k, acquired_s=NOON_S + 60 * n + 7 * (k % 2) + k, number=n)
        for n, k in itertools.product(range(3), range(SLICES))
    ]
    phases = split_phases(shuffled(frames))
    assert [{f.number for f in phase.frames} for phase in phases] == [{0}, {1}, {2}]


@pytest.mark.parametrize(
    ("field", "unit"), [("offset_s", 60.0), ("temporal_index", 1.0)], ids=["trigger", "index"]
)
def test_trigger_times_and_temporal_positions_split_what_one_time_does_not(
    field: str, unit: float
) -> None:
    frames = [
        frame(k, number=n, **{field: unit * n}) for n, k in itertools.product(range(3), range(4))
    ]
    phases = split_phases(frames[::-1])
    assert [{f.number for f in phase.frames} for phase in phases] == [{0}, {1}, {2}]
    if field == "offset_s":
        assert [phase.start_s for phase in phases] == [NOON_S, NOON_S + 60, NOON_S + 120]
    else:
        with pytest.raises(PhaseError, match="times are not recorded"):
            pick(phases, "dce_pre")


def test_b_values_and_directions_split_diffusion() -> None:
    x, y = (1.0, 0.0, 0.0), (0.0, 1.0, 0.0)
    kinds = [(0.0, None), (800.0, x), (800.0, y), (50.0, None)]
    frames = [frame(k, b_value=b, gradient=g) for (b, g), k in itertools.product(kinds, range(4))]
    phases = split_phases(frames[::-1])
    assert [phase.b_value for phase in phases] == [0.0, 50.0, 800.0, 800.0]
    assert pick(phases, "dwi_b50") == 1
    with pytest.raises(PhaseError, match="2 volumes have b = 800"):
        pick(phases, "dwi_b800")
    with pytest.raises(PhaseError, match="b = 0, 50, 800"):
        pick(phases, "t2")


def test_images_that_nothing_tells_apart_are_refused() -> None:
    with pytest.raises(DuplicateSliceError, match="2 images at each"):
        split_phases([frame(k) for k in [0, 1, 2] * 2])


def test_a_phase_that_lacks_a_slice_is_refused() -> None:
    frames = [
        frame(k, acquired_s=NOON_S + 60 * n) for n, k in itertools.product(range(2), range(4))
    ]
    with pytest.raises(DuplicateSliceError, match="hold 2 images and others 1"):
        split_phases(frames[:-1])


def test_images_at_one_position_are_no_series_of_phases() -> None:
    with pytest.raises(NotAVolumeError):
        split_phases([frame(0, acquired_s=NOON_S + n) for n in range(4)])


@pytest.mark.parametrize(
    ("channel", "expected"), [("dce_pre", 1), ("dce_early", 3), ("dce_late", 8)]
)
def test_phases_are_picked_by_seconds_after_injection(channel: str, expected: int) -> None:
    starts = [-120.0, -60.0, 20.0, 90.0, 160.0, 230.0, 300.0, 370.0, 430.0, 900.0]
    assert pick(dynamic(starts, injected_s=NOON_S), channel) == expected


def test_the_time_of_a_phase_is_its_middle_where_the_duration_is_known() -> None:
    """Phases of 80 s from 10 s on: their centres of k-space lie at 50, 130, 210 … s."""
    starts = [-90.0, 10.0, 90.0, 170.0, 250.0, 330.0, 410.0]
    phases = dynamic(starts, injected_s=NOON_S, duration_s=80.0)
    choice = pick_phase(phases, "dce_early", DicomConfig(), unread)
    assert (choice.index, choice.seconds) == (2, 130.0)


def test_a_duration_longer_than_the_gaps_is_that_of_the_whole_series() -> None:
    phases = dynamic([0.0, 60.0, 120.0], duration_s=180.0)
    assert [phase.duration_s for phase in phases] == [None] * 3


def test_an_injection_across_midnight_is_the_nearest_one() -> None:
    day_s = 86_400.0
    phases = dynamic([day_s / 2 - 30, day_s / 2 + 130], injected_s=day_s - 10.0)
    choice = pick_phase(phases, "dce_early", DicomConfig(), unread)
    assert (choice.index, choice.seconds) == (1, 140.0)


def test_no_phase_in_the_window_is_an_error_that_lists_the_seconds() -> None:
    phases = dynamic([-60.0, 200.0, 300.0], injected_s=NOON_S)
    with pytest.raises(PhaseError, match=r"60 to 150 s after injection, found -60, 200, 300 s"):
        pick(phases, "dce_early")
    with pytest.raises(PhaseError, match="before injection"):
        pick(dynamic([10.0, 100.0], injected_s=NOON_S), "dce_pre")


def test_a_dynamic_series_needs_a_channel_that_says_which_phase() -> None:
    with pytest.raises(PhaseError, match="channel 'dce' does not say which"):
        pick(dynamic([0.0, 60.0], injected_s=NOON_S), "dce")


def test_a_series_of_one_volume_is_that_volume_whatever_its_channel() -> None:
    assert pick(dynamic([500.0]), "dce_early") == 0


def test_several_injection_times_are_refused() -> None:
    first, second = dynamic([0.0, 60.0], injected_s=NOON_S)
    other = replace(second, frames=tuple(replace(f, injected_s=0.0) for f in second.frames))
    with pytest.raises(PhaseError, match="several injection times"):
        pick((first, other), "dce_pre")


def signals(*lesion: float) -> Callable[[int], np.ndarray]:
    """Volumes with noise, tissue that barely enhances, and a lesion of these brightnesses."""
    rng = np.random.default_rng(3)
    volumes = []
    for level in lesion:
        volume = 100.0 + rng.normal(0, 4, (40, 40, 10))
        volume[18:24, 18:24, 3:7] = level + rng.normal(0, 4, (6, 6, 4))
        volumes.append(volume.astype(np.float32))
    return lambda n: volumes[n]


def test_an_unrecorded_injection_is_the_start_of_the_first_enhanced_phase() -> None:
    phases = dynamic([0.0, 60.0, 200.0, 290.0, 380.0, 470.0, 600.0])
    read = signals(120, 122, 260, 300, 310, 300, 290)
    picked = {
        channel: pick_phase(phases, channel, DicomConfig(), read)
        for channel in ("dce_pre", "dce_early", "dce_late")
    }
    assert {channel: choice.index for channel, choice in picked.items()} == {
        "dce_pre": 1, "dce_early": 3, "dce_late": 6,
    }  # fmt: skip
    assert picked["dce_early"].seconds == 90.0
    assert "not recorded" in picked["dce_early"].notes[0]


def test_a_series_in_which_nothing_enhances_is_refused() -> None:
    with pytest.raises(PhaseError, match="no phase is brighter"):
        pick(dynamic([0.0, 60.0, 120.0]), "dce_early", signals(120, 120, 120))

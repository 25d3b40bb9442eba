from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import zip_longest
from types import SimpleNamespace

import numpy as np
import pytest

from pcrnet.config.imaging import DicomConfig
from pcrnet.errors import PhaseError
from pcrnet.imaging.mr.phase_choice import pick_phase, seconds_after_injection
from pcrnet.imaging.mr.phases import Phase

NOON_S = 12 * 3600.0


def dynamic(
    starts_s: Sequence[float],
    *,
    injected_s: float | None = None,
    duration_s: float | None = None,
    positions: Sequence[float] = (),
) -> tuple[Phase, ...]:
    """Phases that begin so many seconds after noon, with the numbers that their scan gave them."""
    return tuple(
        Phase(
            (SimpleNamespace(injected_s=injected_s, temporal_index=number),),
            NOON_S + start,
            duration_s,
            None,
            None,
        )
        for start, number in zip_longest(starts_s, positions)
    )


def flat(_: int) -> np.ndarray:
    """Nothing enhances, so that nothing contradicts the recorded times."""
    return np.ones((4, 4, 4), dtype=np.float32)


def pick(phases: Sequence[Phase], channel: str, read: Callable[[int], np.ndarray] = flat) -> int:
    return pick_phase(phases, channel, DicomConfig(), read).index


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
    choice = pick_phase(phases, "dce_early", DicomConfig(), flat)
    assert (choice.index, choice.seconds) == (2, 130.0)


def test_an_injection_across_midnight_is_the_nearest_one() -> None:
    day_s = 86_400.0
    phases = dynamic([day_s / 2 - 30, day_s / 2 + 130], injected_s=day_s - 10.0)
    choice = pick_phase(phases, "dce_early", DicomConfig(), flat)
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
    first, _ = dynamic([0.0, 60.0], injected_s=NOON_S)
    _, other = dynamic([0.0, 60.0], injected_s=0.0)
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


@pytest.mark.parametrize("injected", [-600.0, 0.0, 1800.0])
def test_a_recorded_injection_that_the_images_contradict_is_not_believed(injected: float) -> None:
    """Before the first phase, as it begins, and after enhancement that began at 200 s."""
    phases = dynamic([0.0, 100.0, 200.0, 300.0, 500.0], injected_s=NOON_S + injected)
    read = signals(100, 102, 260, 300, 310)
    choice = pick_phase(phases, "dce_early", DicomConfig(), read)
    assert (choice.index, choice.seconds) == (3, 100.0)
    assert "ContrastBolusStartTime cannot be true" in choice.notes[0]
    assert pick(phases, "dce_pre", read) == 1


@pytest.mark.parametrize("injected", [110.0, 150.0, 199.0, 240.0])
def test_a_recorded_injection_that_the_images_allow_is_believed(injected: float) -> None:
    starts = [0.0, 100.0, 200.0, 300.0, 500.0]
    phases = dynamic(starts, injected_s=NOON_S + injected)
    seconds, notes = seconds_after_injection(phases, signals(100, 102, 260, 300, 310))
    assert seconds == [start - injected for start in starts]
    assert notes == ()


def test_phases_after_contrast_alone_do_not_contradict_the_injection() -> None:
    phases = dynamic([90.0, 180.0, 270.0], injected_s=NOON_S)
    assert pick(phases, "dce_early", signals(200, 240, 250)) == 0


def test_the_only_phase_that_can_lie_in_the_window_is_picked_where_no_duration_is_stated() -> None:
    phases = dynamic([0.0, 354.0, 708.0])
    read = signals(100, 260, 280)
    assert pick(phases, "dce_pre", read) == 0
    early = pick_phase(phases, "dce_early", DicomConfig(), read)
    assert early.index == 1
    assert "is not stated" in early.notes[-1]
    assert pick(phases, "dce_late", read) == 2
    timed = dynamic([0.0, 354.0, 708.0], duration_s=354.0)
    with pytest.raises(PhaseError, match="no phase fits dce_early"):
        pick(timed, "dce_early", read)


def test_phases_at_0_and_354_s_are_before_and_early() -> None:
    phases, read = dynamic([0.0, 354.0]), signals(100, 260)
    assert pick(phases, "dce_pre", read) == 0
    assert pick(phases, "dce_early", read) == 1
    with pytest.raises(PhaseError, match="no phase fits dce_late"):
        pick(phases, "dce_late", read)


def test_a_series_in_which_nothing_enhances_is_refused() -> None:
    with pytest.raises(PhaseError, match="no phase is brighter"):
        pick(dynamic([0.0, 60.0, 120.0]), "dce_early", signals(120, 120, 120))


@pytest.mark.parametrize(
    "lost",
    [
        pytest.param({1, 2}, id="the phases before contrast are in another folder"),
        pytest.param({3}, id="the first enhanced phase is lost"),
    ],
)
def test_images_do_not_tell_the_injection_where_phases_before_contrast_shows_are_lost(lost) -> None:
    """A scan of seven phases, of which contrast shows in the third and rises further."""
    levels = dict(zip(range(1, 8), (120, 122, 200, 290, 310, 300, 290), strict=True))
    kept = [number for number in levels if number not in lost]
    starts = [60.0 * number for number in kept]
    read = signals(*(levels[number] for number in kept))
    with pytest.raises(PhaseError, match="phases are missing before contrast shows"):
        pick(dynamic(starts, positions=kept), "dce_pre", read)
    stated = dynamic(starts, injected_s=NOON_S + 170.0, positions=kept)
    assert pick(stated, "dce_early", read) == kept.index(5)  # 130 s


@pytest.mark.parametrize("positions", [range(1, 6), range(5), (7,) * 5, (11, 21, 31, 41, 51)])
def test_numbers_that_count_every_phase_or_no_phase_stand_in_nobodys_way(positions) -> None:
    read = signals(120, 122, 260, 300, 310)
    assert pick(dynamic(np.arange(5) * 60.0, positions=positions), "dce_pre", read) == 1


def test_phases_without_times_cannot_be_picked_by_time() -> None:
    phases = [Phase((SimpleNamespace(injected_s=None),), None, None, None, None)] * 3
    with pytest.raises(PhaseError, match="times are not recorded"):
        pick(phases, "dce_pre")


def test_a_b_value_picks_the_one_volume_that_has_it() -> None:
    frames = (SimpleNamespace(injected_s=None),)
    phases = [Phase(frames, NOON_S, None, b, None) for b in (0.0, 50.0, 800.0, 800.0)]
    assert pick(phases, "dwi_b50") == 1
    with pytest.raises(PhaseError, match="2 volumes have b = 800"):
        pick(phases, "dwi_b800")
    with pytest.raises(PhaseError, match="b = 0, 50, 800"):
        pick(phases, "t2")

"""Dynamic and diffusion series are split by their headers, and one volume is picked by seconds."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from pcrnet.errors import DuplicateSliceError, NotAVolumeError
from pcrnet.imaging.dicom.frames import Frame
from pcrnet.imaging.mr.phases import Phase, split_phases

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
        assert [phase.start_s for phase in phases] == [None] * 3


def test_b_values_and_directions_split_diffusion() -> None:
    x, y = (1.0, 0.0, 0.0), (0.0, 1.0, 0.0)
    kinds = [(0.0, None), (800.0, x), (800.0, y), (50.0, None)]
    frames = [frame(k, b_value=b, gradient=g) for (b, g), k in itertools.product(kinds, range(4))]
    phases = split_phases(frames[::-1])
    assert [phase.b_value for phase in phases] == [0.0, 50.0, 800.0, 800.0]


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


def test_a_duration_longer_than_the_gaps_is_that_of_the_whole_series() -> None:
    phases = dynamic([0.0, 60.0, 120.0], duration_s=180.0)
    assert [phase.duration_s for phase in phases] == [None] * 3

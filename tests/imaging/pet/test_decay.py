"""To what time a PET is corrected, on the timings of real makers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from pydicom import Dataset
from scipy.integrate import quad

from pcrnet.errors import MissingTagError, UnitError
from pcrnet.imaging.dicom.groups import FrameGroups
from pcrnet.imaging.pet.decay import (
    decay_since,
    injection,
    mean_after_s,
    reference_time,
    undecayed_s,
)
from pcrnet.imaging.pet.suv_tags import SuvFrame, SuvTags

HALF_LIFE_S = 6586.2


@pytest.fixture
def tags(make_slice: Callable[..., Dataset]) -> SuvTags:
    """One slice at 10:00, injected at 09:00."""
    return SuvTags.from_groups([FrameGroups(make_slice(0, "PT"))])


def beds(tags: SuvTags, *timings: tuple[float, float, float]) -> SuvTags:
    """Slices acquired, referred and lasting so many seconds after (and from) SeriesTime."""
    assert tags.series_s is not None
    frames = [SuvFrame(tags.series_s + at, reference, length) for at, reference, length in timings]
    return replace(tags, frames=tuple(frames))


def late(tags: SuvTags, seconds: float) -> SuvTags:
    """The same series, made anew so many seconds after."""
    assert tags.series_s is not None
    return replace(tags, series_s=tags.series_s + seconds)


def test_series_time_is_the_reference_of_siemens_beds(tags: SuvTags) -> None:
    siemens = beds(tags, (1.35, 38.5, 74.3), (677.0, 714.7, 75.7))
    assert reference_time(siemens).seconds == tags.series_s
    assert reference_time(siemens).source == "SeriesTime"


def test_series_time_is_the_reference_of_philips_whatever_the_frames_say(tags: SuvTags) -> None:
    assert reference_time(beds(tags, (1.0, 1328.7, 120.7))).seconds == tags.series_s


def test_siemens_beds_tell_the_start_back_when_the_series_was_made_anew(tags: SuvTags) -> None:
    siemens = late(beds(tags, (1.35, 38.5, 74.3), (677.0, 714.7, 75.7)), 7200.0)
    found = reference_time(siemens)
    assert found.seconds == pytest.approx(tags.series_s, abs=1.0)
    assert "later" in found.note


def test_a_constant_ge_acquisition_time_is_the_start_of_the_scan(tags: SuvTags) -> None:
    """FrameReferenceTime runs on while AcquisitionTime stays: slices cannot agree."""
    ge = late(beds(tags, (0.0, 0.0, 240.0), (0.0, 243.0, 240.0), (0.0, 486.0, 240.0)), 7200.0)
    assert reference_time(ge).seconds == tags.series_s
    assert reference_time(ge).source == "earliest AcquisitionTime"


def test_a_ge_frame_counted_from_its_start_is_not_taken_back_to_its_middle(tags: SuvTags) -> None:
    ge = late(beds(tags, (0.0, 0.0, 240.0)), 7200.0)
    assert reference_time(ge).seconds == tags.series_s


def test_what_the_maker_states_comes_first_unless_it_is_days_away(tags: SuvTags) -> None:
    assert tags.series_s is not None
    stated = replace(tags, declared=(("GE (0009,xx0d)", tags.series_s - 60.0),))
    assert reference_time(stated).seconds == tags.series_s - 60.0
    shifted = replace(tags, declared=(("GE (0009,xx0d)", tags.series_s - 9e6),))
    assert reference_time(shifted).source == "SeriesTime"


def test_an_injection_time_alone_is_the_last_before_the_scan(tags: SuvTags) -> None:
    assert tags.series_s is not None
    alone = replace(tags, injected_s=None, injected_time_s=9 * 3600.0)
    assert injection(alone, tags.series_s).value == tags.series_s - 3600.0
    midnight = tags.series_s - 10 * 3600.0
    eve = replace(alone, injected_time_s=23.5 * 3600.0)
    assert injection(eve, midnight + 1800.0).value == midnight - 1800.0


def test_a_contradicting_injection_time_is_noted(tags: SuvTags) -> None:
    assert tags.series_s is not None
    found = injection(replace(tags, injected_time_s=9 * 3600.0 + 300), tags.series_s)
    assert found.value == tags.injected_s
    assert "300 s" in found.note


def test_an_injection_after_the_scan_or_the_day_before_is_refused(tags: SuvTags) -> None:
    assert tags.series_s is not None
    for of_day_s in (10 * 3600.0 + 60.0, 10.5 * 3600.0):
        with pytest.raises(UnitError, match="h after the injection"):
            injection(replace(tags, injected_s=None, injected_time_s=of_day_s), tags.series_s)
    with pytest.raises(MissingTagError):
        injection(replace(tags, injected_s=None, injected_time_s=None), tags.series_s)


def test_an_evening_with_the_date_of_the_scan_after_midnight_is_the_one_before(
    tags: SuvTags,
) -> None:
    assert tags.series_s is not None
    midnight = tags.series_s - 10 * 3600.0
    scan = midnight + 1800.0
    found = injection(replace(tags, injected_s=midnight + 23.5 * 3600.0), scan)
    assert found.value == midnight - 1800.0
    assert "evening before" in found.note
    for of_day_h in (1.0, 12.0, 20.0, 47.5):  # not after midnight, too long before, another date
        with pytest.raises(UnitError, match="h after the injection"):
            injection(replace(tags, injected_s=midnight + of_day_h * 3600.0), scan)


def test_a_stated_moment_goes_before_that_of_the_mean_activity(tags: SuvTags) -> None:
    (frame,) = tags.frames
    assert frame.acquired_s is not None
    (mean,), _ = undecayed_s(tags)
    assert mean == pytest.approx(frame.acquired_s + mean_after_s(300.0, HALF_LIFE_S))
    stated = replace(frame, stands_for_s=frame.acquired_s + 7.0, acquired_s=None)
    moments, source = undecayed_s(replace(tags, frames=(stated,)))
    assert moments == (frame.acquired_s + 7.0,)
    assert "FrameReferenceDateTime" in source


@pytest.mark.parametrize("duration_s", [1e-3, 60.0, 300.0, 7200.0])
def test_the_activity_equals_its_mean_at_that_moment_of_the_frame(duration_s: float) -> None:
    rate = np.log(2) / HALF_LIFE_S
    mean = quad(lambda t: np.exp(-rate * t), 0, duration_s)[0] / duration_s
    assert np.exp(-rate * mean_after_s(duration_s, HALF_LIFE_S)) == pytest.approx(mean, rel=1e-9)


def test_a_half_life_halves() -> None:
    assert decay_since(HALF_LIFE_S, HALF_LIFE_S) == 2.0

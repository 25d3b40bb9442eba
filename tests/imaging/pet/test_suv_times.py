"""Times of a PET on one clock."""

import pytest

from pcrnet.errors import UnitError
from pcrnet.imaging.dicom.groups import FrameGroups
from pcrnet.imaging.pet.suv_times import read_suv_times


@pytest.fixture
def times(make_slice):
    """Reads the times of slices with these tags; those of the injection by ``dose``."""

    def read(*slices, dose=None):
        made = [make_slice(n, "PT", **tags) for n, tags in enumerate(slices or ({},))]
        for header in made:
            for keyword, value in (dose or {}).items():
                item = header.RadiopharmaceuticalInformationSequence[0]
                if value is None:
                    delattr(item, keyword)
                else:
                    setattr(item, keyword, value)
        of = [FrameGroups(header) for header in made]
        return read_suv_times(of, made[0].RadiopharmaceuticalInformationSequence[0])

    return read


def test_midnight_between_injection_and_scan_is_an_hour_like_any_other(times):
    found = times(
        {"SeriesDate": "20240103", "SeriesTime": "003000", "AcquisitionDate": "20240103",
         "AcquisitionTime": "003000"},
        dose={"RadiopharmaceuticalStartDateTime": "20240102233000"},
    )  # fmt: skip
    assert found.series_s - found.injected_s == 3600.0


def test_slices_are_in_the_order_given(times):
    found = times({"AcquisitionTime": "100500"}, {"AcquisitionTime": "100000"})
    first, second = found.acquired_s
    assert first - second == 300.0


def test_slices_of_two_series_times_are_refused(times):
    with pytest.raises(UnitError) as caught:
        times({"SeriesTime": "100000"}, {"SeriesTime": "100001"})
    assert caught.value.field == "SeriesTime"


def test_slices_of_two_zones_are_refused(times):
    with pytest.raises(UnitError) as caught:
        times({"TimezoneOffsetFromUTC": "+0100"}, {"TimezoneOffsetFromUTC": "+0200"})
    assert caught.value.field == "TimezoneOffsetFromUTC"


def test_a_zone_of_the_injection_is_taken_into_account(times):
    local, utc = (
        times(
            {"TimezoneOffsetFromUTC": "+0100"},
            dose={"RadiopharmaceuticalStartDateTime": text},
        )
        for text in ("20240102090000+0100", "20240102080000+0000")
    )
    assert local.injected_s - local.series_s == utc.injected_s - utc.series_s


def test_without_dates_only_times_of_day_count_and_that_is_said(times):
    found = times({"SeriesDate": None, "AcquisitionDate": None})
    assert any("is missing" in note for note in found.notes)
    with_dates = times()
    elapsed = with_dates.series_s - with_dates.injected_time_s
    assert (found.series_s - found.injected_time_s - elapsed) % 86400.0 == 0.0


def test_a_reference_time_that_the_maker_states_is_kept_with_its_tag(times):
    found = times({"DecayCorrectionDateTime": "20240102100000"})
    ((name, seconds),) = found.declared
    assert name == "DecayCorrectionDateTime"
    assert seconds == found.series_s

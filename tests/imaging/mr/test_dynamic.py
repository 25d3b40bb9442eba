from __future__ import annotations

import numpy as np
import pytest

from pcrnet.errors import PhaseError, SeriesError
from pcrnet.imaging.dicom_reader import read_dicom_series
from pcrnet.imaging.mr.dynamic import read_dynamic_series

SLICES = 3
STARTS_S = (0, 60, 120, 300)


@pytest.fixture
def series(make_slice, save_series):
    """Four phases; the injection is recorded at 10:00:45."""

    def build(**tags):
        return save_series(
            [
                make_slice(
                    k,
                    AcquisitionTime=f"10{start // 60:02d}{start % 60:02d}",
                    SOPInstanceUID=f"1.2.3.{k}.{start}",
                    pixels=np.arange(24).reshape(4, 6) + 100 * k + 1000 * n,
                    **{"ContrastBolusStartTime": "100045", **tags},
                )
                for n, start in enumerate(STARTS_S)
                for k in range(SLICES)
            ]
        )

    return build


def test_phases_stand_in_the_order_of_time_with_seconds_after_injection(series) -> None:
    found = read_dynamic_series(series())
    assert found.seconds == (-45.0, 15.0, 75.0, 255.0)
    assert found.signal.shape == (4, 6, 4, SLICES)
    np.testing.assert_array_equal(
        found.signal - found.signal[0],
        np.ones_like(found.signal) * [[[[0]]], [[[1000]]], [[[2000]]], [[[3000]]]],
    )


def test_a_phase_is_the_volume_that_the_reader_picks_for_its_channel(series) -> None:
    path = series()
    found = read_dynamic_series(path)
    early = read_dicom_series(path, "dce", channel="dce_early").volume
    np.testing.assert_array_equal(found.signal[2], early.array)
    np.testing.assert_array_equal(found.affine, early.affine)


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ({"RepetitionTime": 4.5, "FlipAngle": 12}, (0.0045, 12.0)),
        ({"FlipAngle": 12}, (None, 12.0)),
        ({}, (None, None)),
    ],
)
def test_repetition_time_and_flip_angle_are_read_and_never_invented(series, tags, expected) -> None:
    found = read_dynamic_series(series(**tags))
    assert (found.repetition_s, found.flip_degrees) == expected


def test_one_volume_and_other_modalities_are_no_dynamic_series(make_slice, save_series) -> None:
    with pytest.raises(PhaseError, match="found volumes: 1"):
        read_dynamic_series(save_series([make_slice(k) for k in range(3)], "one"))
    with pytest.raises(SeriesError, match="expected MR"):
        read_dynamic_series(save_series([make_slice(k, "PT") for k in range(3)], "pet"))

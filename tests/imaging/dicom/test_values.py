"""Stored values of a series: where each pixel goes, and how it is rescaled."""

import dataclasses

import numpy as np
import pytest

from pcrnet.errors import DicomFileError
from pcrnet.imaging.dicom import values
from pcrnet.imaging.dicom.frames import read_frames
from pcrnet.imaging.dicom.series import open_series


@pytest.fixture
def series(make_slice, save_series):
    with open_series(save_series([make_slice(n) for n in range(3)])) as opened:
        yield opened, read_frames(opened.objects)


def test_an_array_is_column_row_slice_whatever_order_the_frames_come_in(series):
    opened, frames = series
    stored = values.stored_values(opened, frames)
    rows, columns = frames[0].shape
    assert stored.shape == (columns, rows, len(frames))
    np.testing.assert_array_equal(values.stored_values(opened, frames[::-1]), stored[:, :, ::-1])
    # Frames come as the files lie; the fixture's pixels tell the slices apart.
    for values_of_slice in np.moveaxis(stored, 2, 0):
        number = values_of_slice[0, 0] // 100
        np.testing.assert_array_equal(
            values_of_slice, (np.arange(24).reshape(4, 6) + 100 * number).T
        )
    assert len(np.unique(stored[0, 0])) == len(frames)


def test_each_slice_has_its_own_slope_and_intercept():
    stored = np.ones((3, 2, 2), np.float32)
    found = values.linear_values(stored, [(2.0, 0.5), (4.0, -1.0)])
    np.testing.assert_array_equal(found[0, 0], [2.5, 3.0])
    assert found.dtype == np.float32


def test_a_large_stored_value_keeps_its_digits_between():
    stored = np.full((1, 1, 1), 65535.0, np.float32)
    found = values.linear_values(stored, [(0.1, 1e-3)])
    assert found[0, 0, 0] == np.float32(65535.0 * 0.1 + 1e-3)


def test_the_sample_of_a_phase_is_the_rescaled_image_at_every_second_pixel(series):
    opened, frames = series
    frames = [dataclasses.replace(frame, slope=3.0, intercept=1.0) for frame in frames]
    whole = 3.0 * values.stored_values(opened, frames) + 1.0
    np.testing.assert_allclose(values.thinned_values(opened, frames), whole[::2, ::2])


def test_more_voxels_than_a_volume_may_have_are_refused_before_they_are_read(series, monkeypatch):
    opened, frames = series
    monkeypatch.setattr(values, "MAX_VOXELS", 10)
    with pytest.raises(DicomFileError, match="more than 10"):
        values.stored_values(opened, frames)

"""Pixels that stand for no image are empty space, whatever number marks them."""

from __future__ import annotations

import numpy as np
import pytest

from pcrnet.imaging.dicom_reader import read_dicom_series

IMAGE = np.arange(24).reshape(4, 6) + 900
CORNER = np.zeros((4, 6), bool)
CORNER[:2, :3] = True


@pytest.fixture
def padded(make_slice, save_series):
    """Three slices whose corner is padding of this value."""

    def build(value: int, *, signed: bool, modality: str = "MR", **tags):
        pixels = np.where(CORNER, value, IMAGE)
        slices = []
        for k in range(3):
            header = make_slice(k, modality, pixels=np.zeros_like(IMAGE), **tags)
            header.PixelRepresentation = int(signed)
            header.PixelData = pixels.astype("<i2" if signed else "<u2").tobytes()
            header.add_new("PixelPaddingValue", "SS" if signed else "US", value)
            slices.append(header)
        return save_series(slices)

    return build


@pytest.mark.parametrize(("value", "signed"), [(-2000, True), (65535, False), (0, False)])
def test_padding_of_an_mri_is_empty_whatever_its_value(padded, value: int, signed: bool) -> None:
    found = read_dicom_series(padded(value, signed=signed, RescaleIntercept=7.0), "zscore").volume
    expected = np.where(CORNER, 0.0, IMAGE + 7.0).T
    for k in range(3):
        np.testing.assert_allclose(found.array[:, :, k], expected)


def test_padding_of_an_adc_map_is_no_negative_diffusion(padded) -> None:
    found = read_dicom_series(padded(-2000, signed=True), "adc").volume
    np.testing.assert_allclose(found.array[:, :, 1], np.where(CORNER, 0.0, IMAGE / 1000).T)


def test_padding_of_a_ct_is_air(padded) -> None:
    series = padded(-2000, signed=True, modality="CT", RescaleIntercept=-1000.0)
    found = read_dicom_series(series, "hu").volume
    np.testing.assert_allclose(found.array[:, :, 1], np.where(CORNER, -1000.0, IMAGE - 1000.0).T)


def test_padding_is_a_range_where_the_header_states_its_limit(padded) -> None:
    series = padded(60000, signed=False, PixelPaddingRangeLimit=65535)
    found = read_dicom_series(series, "zscore").volume
    assert found.array.max() == IMAGE.max()


def test_a_pad_written_as_signed_marks_the_same_bits_of_unsigned_pixels(
    make_slice, save_series
) -> None:
    """-1 and 65535 are the same 16 bits."""
    slices = []
    for k in range(3):
        header = make_slice(k, pixels=np.where(CORNER, 65535, IMAGE))
        header.add_new("PixelPaddingValue", "SS", -1)
        slices.append(header)
    found = read_dicom_series(save_series(slices), "zscore").volume
    np.testing.assert_allclose(found.array[:, :, 1], np.where(CORNER, 0.0, IMAGE).T)

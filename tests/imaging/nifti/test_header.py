"""What is believed of a NIfTI header."""

import struct

import nibabel as nib
import numpy as np
import pytest

from pcrnet.errors import GeometryError, ImageError
from pcrnet.imaging.nifti.header import MAX_VOXELS, header_block, parse_header
from pcrnet.imaging.volume import Volume

_AFFINE = np.array([[-1.5, 0, 0, 30], [0, 0, 3, -12], [0, 2, 0, 7], [0, 0, 0, 1.0]])
_HEADER = header_block(
    Volume(np.zeros((5, 6, 7), np.float32), _AFFINE, "arbitrary"), np.dtype("<f4")
)


def _patched(offset: int, form: str, *values) -> bytes:
    packed = struct.pack(f"<{form}", *values)
    return _HEADER[:offset] + packed + _HEADER[offset + len(packed) :] + bytes(200)


def test_a_written_header_is_what_nibabel_understands():
    header = nib.Nifti1Header(_HEADER[:348])
    assert header.get_data_shape() == (5, 6, 7)
    assert header.get_data_dtype() == np.float32
    assert header.get_xyzt_units()[0] == "mm"
    assert header["vox_offset"] == 352
    np.testing.assert_allclose(header.get_best_affine(), _AFFINE, atol=1e-5)
    np.testing.assert_allclose(header.get_qform(), _AFFINE, atol=1e-5)


@pytest.mark.parametrize("kind", [nib.Nifti1Header, nib.Nifti2Header])
@pytest.mark.parametrize("order", "<>")
def test_fields_are_found_in_both_versions_and_byte_orders(kind, order):
    theirs = kind(endianness=order)
    theirs.set_data_shape((9, 8, 7))
    theirs.set_data_dtype(np.int16)
    theirs.set_sform(_AFFINE, 1)
    theirs.set_slope_inter(0.5, -3.0)
    theirs.set_xyzt_units("mm", "sec")
    theirs["magic"] = theirs.single_magic
    theirs["vox_offset"] = theirs.single_vox_offset
    ours = parse_header(theirs.binaryblock + bytes(200))
    assert ours.shape == (9, 8, 7)
    assert ours.dtype == np.dtype(f"{order}i2")
    assert (ours.slope, ours.intercept) == (0.5, -3.0)
    assert ours.offset == theirs.single_vox_offset
    assert ours.implied_bytes == ours.offset + 9 * 8 * 7 * 2
    np.testing.assert_allclose(ours.affine, _AFFINE)


@pytest.mark.parametrize(
    ("offset", "form", "values", "field"),
    [
        (42, "h", [0], "dim[1]"),
        (44, "h", [-6], "dim[2]"),
        (42, "3h", [32767, 32767, 32767], "dim"),
        (42, "3h", [800, 800, 800], "dim"),
        (46, "h", [1], "dim"),
        (40, "h", [0], "dim[0]"),
        (40, "h", [9], "dim[0]"),
        (40, "8h", [5, 5, 6, 7, 1, 3, 1, 1], "dim"),
        (70, "h", [32], "datatype"),
        (70, "h", [128], "datatype"),
        (70, "h", [1], "datatype"),
        (70, "h", [77], "datatype"),
        (72, "h", [64], "bitpix"),
        (80, "f", [0.0], "pixdim[1]"),
        (84, "f", [np.nan], "pixdim[2]"),
        (88, "f", [-3.0], "pixdim[3]"),
        (108, "f", [1e30], "vox_offset"),
        (108, "f", [-352.0], "vox_offset"),
        (108, "f", [np.nan], "vox_offset"),
        (112, "f", [np.nan], "scl_slope"),
        (112, "ff", [1.0, np.inf], "scl_slope"),
        (123, "B", [7], "xyzt_units"),
        (123, "B", [1], "sform"),
        (252, "hh", [0, 0], "sform_code"),
        (280, "f", [np.nan], "sform"),
        (312, "4f", [0.0, 0.0, 0.0, 0.0], "sform"),
        (292, "f", [99.0], "sform"),
        (344, "3s", [b"ni1"], "magic"),
        (344, "3s", [b"\0\0\0"], "magic"),
        (344, "3s", [b"xyz"], "magic"),
    ],
)
def test_impossible_headers_are_refused_naming_the_field(offset, form, values, field):
    with pytest.raises(ImageError) as caught:
        parse_header(_patched(offset, form, *values))
    assert caught.value.field == field
    assert caught.value.remedy


def test_damage_by_text_mode_transfer_is_seen():
    theirs = nib.Nifti2Image(np.zeros((3, 3, 3)), _AFFINE).header
    theirs["magic"] = theirs.single_magic
    damaged = theirs.binaryblock.replace(b"\r\n\x1a\n", b"\n\n\x1a\n")
    with pytest.raises(ImageError, match="transfer"):
        parse_header(damaged)


def test_a_time_series_says_how_to_split_it():
    with pytest.raises(GeometryError, match=r"5 × 6 × 7 × 20") as caught:
        parse_header(_patched(40, "8h", 4, 5, 6, 7, 20, 1, 1, 1))
    assert "split" in caught.value.remedy


def test_further_dimensions_of_one_are_no_dimensions():
    assert parse_header(_patched(40, "8h", 5, 5, 6, 7, 1, 1, 1, 1)).shape == (5, 6, 7)


def test_dimensions_beyond_those_stated_do_not_matter():
    assert parse_header(_patched(40, "8h", 3, 5, 6, 7, 0, -3, 99, 0)).shape == (5, 6, 7)


def test_the_largest_image_is_stated():
    sides = (1000, 1000, MAX_VOXELS // 1_000_000)
    assert parse_header(_patched(42, "3h", *sides)).voxels == MAX_VOXELS
    with pytest.raises(GeometryError, match=str(MAX_VOXELS)):
        parse_header(_patched(42, "3h", sides[0], sides[1], sides[2] + 1))


def test_an_offset_that_is_left_out_is_that_of_a_single_file():
    assert parse_header(_patched(108, "f", 0.0)).offset == 352
    assert parse_header(_patched(108, "f", 1024.0)).offset == 1024


@pytest.mark.parametrize("size", [0, 2, 100, 347])
def test_too_few_bytes_are_no_header(size):
    with pytest.raises(ImageError, match="not a NIfTI"):
        parse_header(_HEADER[:size])

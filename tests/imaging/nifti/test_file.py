"""NIfTI files, good and bad."""

import gzip
import os
import struct
import subprocess
import sys
import tracemalloc
import zlib

import nibabel as nib
import numpy as np
import pytest
import SimpleITK
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from pcrnet.errors import GeometryError, ImageError
from pcrnet.imaging.nifti.file import read_nifti, write_nifti
from pcrnet.imaging.nifti.header import header_block
from pcrnet.imaging.volume import Volume, flip_lps_ras

_OBLIQUE = np.eye(4)
_OBLIQUE[:3, :3] = Rotation.from_euler("xyz", [10, 25, -15], degrees=True).as_matrix() * [1, 2, 3]
_OBLIQUE[:3, 3] = [-30.0, 12.0, 7.0]


def _values(shape=(5, 6, 7)):
    return np.random.default_rng(0).uniform(1.0, 100.0, shape).astype(np.float32)


@pytest.fixture
def good(tmp_path):
    """A sound .nii file as (path, bytes)."""
    path = tmp_path / "good.nii"
    write_nifti(Volume(_values(), _OBLIQUE, "arbitrary"), path)
    return path, path.read_bytes()


@pytest.fixture
def write(tmp_path):
    def write_bytes(content: bytes, name: str = "bad.nii"):
        path = tmp_path / name
        path.write_bytes(content)
        return path

    return write_bytes


def _patched(content: bytes, offset: int, form: str, *values) -> bytes:
    packed = struct.pack(f"<{form}", *values)
    return content[:offset] + packed + content[offset + len(packed) :]


# ---------------------------------------------------------------- agreement with other readers


@pytest.mark.parametrize(
    "name",
    [
        "nifti_edge_cases/anatomical.nii",
        "nifti_edge_cases/reoriented_anat_moved.nii",
        "sts001_petmr/ibsi_PET_image.nii.gz",
        "sts001_petmr/ibsi_MR_T1_mask.nii.gz",
        "sts_petmr_cohort/STS_002/MR_T1_image.nii.gz",
    ],
)
def test_real_files_read_as_nibabel_reads_them(test_data, name):
    array, affine = read_nifti(test_data / name)
    theirs = nib.load(test_data / name)
    np.testing.assert_array_equal(array, theirs.get_fdata(dtype=np.float32))
    np.testing.assert_allclose(affine, theirs.affine, atol=1e-6)


@pytest.mark.parametrize("name", ["example4d.nii.gz", "example_nifti2.nii.gz", "functional.nii"])
def test_time_series_are_refused_with_a_hint_and_read_once_split(test_data, tmp_path, name):
    path = test_data / "nifti_edge_cases" / name
    with pytest.raises(GeometryError, match="4 dimensions") as caught:
        read_nifti(path)
    assert "split" in caught.value.remedy
    theirs = nib.load(path)
    for phase, volume in enumerate(nib.funcs.four_to_three(theirs)):
        split = tmp_path / "phase.nii.gz"
        nib.save(volume, split)
        array, affine = read_nifti(split)
        np.testing.assert_array_equal(array, nib.load(split).get_fdata(dtype=np.float32))
        np.testing.assert_allclose(affine, theirs.affine, atol=1e-4)
        if phase == 1:
            break


@pytest.mark.parametrize(
    ("name", "voxels"),
    [("ACRIN-6698-102212", 42423), ("ACRIN-6698-104268", 36332), ("ISPY2-550421", 104785)],
)
def test_ispy2_masks_have_the_published_number_of_voxels(test_data, name, voxels):
    array, _ = read_nifti(test_data / "ispy2_clinical" / f"{name}_spy2_vis1_mask.nii.gz")
    assert np.count_nonzero(array) == voxels


def test_ibsi_tumour_is_as_published(test_data):
    pet, _ = read_nifti(test_data / "sts001_petmr" / "ibsi_PET_image.nii.gz")
    mask, _ = read_nifti(test_data / "sts001_petmr" / "ibsi_PET_mask.nii.gz")
    assert np.count_nonzero(mask) == 5095
    assert pet[mask > 0].mean(dtype=float) == pytest.approx(2.555134, rel=1e-4)
    assert pet[mask > 0].max() == pytest.approx(7.910674, rel=1e-4)


@pytest.mark.parametrize("image", [nib.Nifti1Image, nib.Nifti2Image])
@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("dtype", ["u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8"])
def test_every_scalar_type_and_byte_order(tmp_path, image, order, dtype):
    values = np.random.default_rng(1).integers(0, 100, (3, 4, 5)).astype(dtype)
    header = image.header_class(endianness=order)
    header.set_data_dtype(np.dtype(dtype).newbyteorder(order))
    path = tmp_path / "scan.nii.gz"
    nib.save(image(values, _OBLIQUE, header=header), path)
    array, affine = read_nifti(path)
    assert array.dtype == np.float32
    np.testing.assert_array_equal(array, values)
    np.testing.assert_allclose(affine, _OBLIQUE, atol=1e-5)


def test_scaling_is_applied(good, write):
    _, content = good
    array, _ = read_nifti(write(_patched(content, 112, "ff", 0.0754, 3100.76)))
    expected = _values().astype(float) * np.float32(0.0754) + np.float32(3100.76)
    np.testing.assert_allclose(array, expected, rtol=1e-7)
    unscaled, _ = read_nifti(write(_patched(content, 112, "ff", 0.0, 5.0)))
    np.testing.assert_array_equal(unscaled, _values())


@settings(max_examples=50, deadline=None)
@given(
    st.tuples(*[st.floats(-180, 180)] * 3),
    st.tuples(*[st.floats(0.2, 9.0)] * 3),
    st.sampled_from([-1.0, 1.0]),
    st.sampled_from([".nii", ".nii.gz"]),
)
def test_what_is_written_is_read_by_everyone(tmp_path_factory, euler, spacing, handedness, ending):
    affine = np.eye(4)
    turn = Rotation.from_euler("xyz", euler, degrees=True).as_matrix()
    affine[:3, :3] = turn * np.multiply(spacing, [1, 1, handedness])
    affine[:3, 3] = [100.0, -20.0, 3.0]
    values = _values((3, 4, 5))
    path = tmp_path_factory.mktemp("written") / f"scan{ending}"
    write_nifti(Volume(values, affine, "SUVbw"), path)
    array, ours = read_nifti(path)
    np.testing.assert_array_equal(array, values)
    np.testing.assert_allclose(ours, affine, atol=1e-4)
    theirs = nib.load(path)
    np.testing.assert_array_equal(theirs.get_fdata(dtype=np.float32), values)
    np.testing.assert_allclose(theirs.get_sform(), affine, atol=1e-4)
    # A qform keeps a rotation in three float32 numbers: near half a turn that is 1.5e-3 radians.
    np.testing.assert_allclose(theirs.get_qform(), affine, atol=2e-3 * max(spacing))
    if handedness > 0:
        image = SimpleITK.ReadImage(str(path))
        np.testing.assert_array_equal(SimpleITK.GetArrayFromImage(image).T, values)
        point = np.array([*image.TransformIndexToPhysicalPoint((2, 3, 4)), 1.0])
        np.testing.assert_allclose(point[:3], (flip_lps_ras(affine) @ [2, 3, 4, 1])[:3], atol=1e-3)


def test_a_sheared_affine_has_a_sform_alone(tmp_path):
    affine = np.eye(4)
    affine[0, 1] = 0.3
    write_nifti(Volume(_values(), affine, "arbitrary"), tmp_path / "scan.nii")
    assert nib.load(tmp_path / "scan.nii").get_qform(coded=True)[1] == 0
    np.testing.assert_allclose(read_nifti(tmp_path / "scan.nii")[1], affine, atol=1e-6)


@pytest.mark.parametrize(("largest", "dtype"), [(1, "u1"), (255, "u1"), (300, "i4")])
def test_labels_are_written_as_integers(tmp_path, largest, dtype):
    labels = np.zeros((3, 3, 3), dtype=np.float32)
    labels[1, 1, 1] = largest
    write_nifti(Volume(labels, np.eye(4), "label"), tmp_path / "mask.nii.gz")
    stored = nib.load(tmp_path / "mask.nii.gz")
    assert stored.get_data_dtype() == np.dtype(dtype)
    assert stored.get_fdata().max() == largest


def test_equal_volumes_give_equal_bytes(tmp_path):
    for name in ("a.nii.gz", "b.nii.gz"):
        write_nifti(Volume(_values(), _OBLIQUE, "arbitrary"), tmp_path / name)
    assert (tmp_path / "a.nii.gz").read_bytes() == (tmp_path / "b.nii.gz").read_bytes()


def test_the_name_does_not_matter(good, write):
    _, content = good
    for name, data in (("a.nii.gz", content), ("b.nii", gzip.compress(content)), ("c", content)):
        np.testing.assert_array_equal(read_nifti(write(data, name))[0], _values())


@pytest.mark.parametrize("content", [b"", b"\x1f\x8b", b"no image at all" * 50, b"\0" * 600])
def test_what_is_no_nifti_is_refused(write, content):
    with pytest.raises(ImageError):
        read_nifti(write(content))


def test_folders_and_pipes_are_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe", tmp_path / "nowhere.nii"):
        with pytest.raises(ImageError, match="not a file"):
            read_nifti(path)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_voxels_that_are_no_numbers_are_counted(tmp_path, bad):
    values = _values()
    values[0, 0, :3] = bad
    write_nifti(Volume(values, _OBLIQUE, "arbitrary"), tmp_path / "scan.nii.gz")
    with pytest.raises(ImageError, match="3 of 210 voxels"):
        read_nifti(tmp_path / "scan.nii.gz")


# ------------------------------------------------------------------------ damaged and hostile


def test_a_truncated_file_is_refused(good, write):
    _, content = good
    packed = gzip.compress(content)
    for data in (content[:-1], content[:400], content[:300], packed[:-9], packed[:200]):
        with pytest.raises(ImageError):
            read_nifti(write(data))


def test_a_wrong_checksum_is_refused(good, write):
    _, content = good
    packed = bytearray(gzip.compress(content))
    packed[-6] ^= 1
    with pytest.raises(ImageError, match="gzip stream"):
        read_nifti(write(bytes(packed)))


@pytest.mark.parametrize("position", range(30, 900, 29))
def test_a_flipped_byte_in_a_gzip_stream_is_refused(good, write, position):
    _, content = good
    packed = bytearray(gzip.compress(content))
    packed[position] ^= 0x10
    with pytest.raises(ImageError):
        read_nifti(write(bytes(packed)))


def test_rubbish_after_the_stream_is_refused(good, write):
    _, content = good
    with pytest.raises(ImageError):
        read_nifti(write(gzip.compress(content) + b"rubbish"))


def _refused_cheaply(path) -> None:
    tracemalloc.start()
    with pytest.raises(ImageError):
        read_nifti(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 50e6


def _member(content: bytes) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    return packer.compress(content) + packer.flush()


@pytest.mark.parametrize(
    "dims",
    [
        (3, 800, 800, 420, 1, 1, 1, 1),
        (3, 32767, 32767, 32767, 1, 1, 1, 1),
        (3, 5, 6, 7, 1, 1, 1, 1),
        (4, 512, 512, 100, 10, 1, 1, 1),
    ],
)
def test_a_gzip_bomb_is_refused_cheaply(good, write, dims):
    """1.07 GB in 1 MB: a header that matches it, one that boasts, one that hides it, and a 4D."""
    _, content = good
    header = _member(_patched(content[:352], 40, "8h", *dims))
    bomb = header + 64 * _member(bytes(1 << 24))
    assert len(bomb) < 1.2e6
    _refused_cheaply(write(bomb, "bomb.nii.gz"))


def test_a_tiny_file_cannot_claim_gigabytes(good, write):
    _, content = good
    lie = _patched(content[:352], 40, "8h", 3, 460, 460, 460, 1, 1, 1, 1)
    for data in (_member(lie), _member(lie)[:61], lie):
        _refused_cheaply(write(data, "lie.nii.gz"))


@pytest.mark.parametrize(("level", "refused"), [(0, "every voxel"), (1, "times its size")])
def test_a_hundred_million_equal_voxels_cost_little_memory(tmp_path, level, refused):
    """Run apart, so that the peak is its own."""
    path = tmp_path / "large.nii.gz"
    header = header_block(
        Volume(np.zeros((2, 2, 2), np.float32), np.eye(4), "label"), np.dtype("u1")
    )
    block = bytearray(header)
    struct.pack_into("<4h", block, 40, 3, 1000, 1000, 100)
    with gzip.open(path, "wb", compresslevel=1) as stream:
        stream.write(block)
        for _ in range(100):
            stream.write(bytes([level]) * 1_000_000)
    script = (
        "import resource, sys\n"
        "from pathlib import Path\n"
        "from pcrnet.errors import ImageError\n"
        "from pcrnet.imaging.reader import read_scan\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "try:\n"
        "    read_scan(Path(sys.argv[1]), 't2')\n"
        "except ImageError as error:\n"
        "    print(error.problem)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, path], capture_output=True, text=True, check=True
    )
    problem, kilobytes = done.stdout.splitlines()
    assert refused in problem
    assert int(kilobytes) < 300_000


@pytest.mark.parametrize(("rest", "read"), [(bytes(64), True), (b"\1" * 4, False)])
def test_only_padding_may_follow_the_voxels(tmp_path, rest, read):
    path = tmp_path / "scan.nii"
    write_nifti(Volume(_values(), np.eye(4), "arbitrary"), path)
    path.write_bytes(path.read_bytes() + rest)
    if read:
        assert np.array_equal(read_nifti(path)[0], _values())
    else:
        with pytest.raises(ImageError, match="more data than its header states"):
            read_nifti(path)

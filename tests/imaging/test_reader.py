"""Values in the unit that the channel promises."""

import subprocess
import sys
import zipfile

import numpy as np
import pytest

from pcrnet.errors import GeometryError, ImageError, UnitError
from pcrnet.imaging import read_volume
from pcrnet.imaging.nifti.file import write_nifti
from pcrnet.imaging.reader import is_dicom
from pcrnet.imaging.volume import Volume


@pytest.fixture
def write(tmp_path):
    def write_scan(array, name="scan.nii.gz"):
        path = tmp_path / name
        write_nifti(Volume(np.asarray(array, np.float32), np.eye(4), "arbitrary"), path)
        return path

    return write_scan


def _tissue(low=0.2, high=3.0, shape=(20, 20, 20)):
    """A body in air."""
    array = np.zeros(shape, np.float32)
    array[4:16, 4:16, 4:16] = np.random.default_rng(0).uniform(low, high, (12, 12, 12))
    return array


@pytest.mark.parametrize(
    ("channel", "unit"),
    [
        ("pet", "SUVbw"),
        ("adc", "1e-3 mm2/s"),
        ("dce_pre", "arbitrary"),
        ("t2", "arbitrary"),
        ("mask", "label"),
    ],
)
def test_the_name_of_the_channel_tells_the_unit(write, channel, unit):
    array = _tissue() > 0 if channel == "mask" else _tissue()
    assert read_volume(write(array), channel).unit == unit


def test_a_stated_kind_overrules_the_name(write):
    assert read_volume(write(_tissue()), "uptake", "suv").unit == "SUVbw"


@pytest.mark.parametrize(
    ("factor", "said"),
    [(1000.0, "multiply the image by 0.001"), (0.001, "multiply the image by 1000")],
)
def test_adc_in_another_unit_is_refused_with_the_factor(write, factor, said):
    with pytest.raises(UnitError, match="10⁻³") as caught:
        read_volume(write(_tissue() * factor), "adc")
    assert said in caught.value.remedy
    read_volume(write(_tissue()), "adc")


@pytest.mark.parametrize(
    ("factor", "problem"), [(20.0, "look like 10⁻⁵"), (8.0, "look like 10⁻⁴"), (0.02, "plausible")]
)
def test_adc_in_no_known_unit_is_refused(write, factor, problem):
    with pytest.raises(UnitError, match=problem):
        read_volume(write(_tissue() * factor), "adc")


def test_activity_in_becquerels_is_refused(write):
    with pytest.raises(UnitError, match="Bq/mL"):
        read_volume(write(_tissue() * 5000.0), "pet")


def test_pet_in_no_plausible_unit_is_refused(write):
    with pytest.raises(UnitError, match="not plausible"):
        read_volume(write(_tissue() * 1e-4), "pet")


def test_a_hot_bladder_is_no_reason_to_refuse(write):
    array = _tissue()
    array[10, 10, 10] = 180.0
    assert read_volume(write(array), "pet").array.max() == 180.0


def test_negative_pet_is_accepted_as_noise_only(write):
    noise = np.random.default_rng(0).normal(0, 0.02, (20, 20, 20))
    assert read_volume(write(_tissue() + noise), "pet").array.min() < 0
    standardised = (_tissue() - _tissue().mean()) / _tissue().std()
    for bad in (standardised, np.where(_tissue() == 0, -5.0, _tissue())):
        with pytest.raises(UnitError, match="negative"):
            read_volume(write(bad), "pet")


@pytest.mark.parametrize("channel", ["pet", "adc", "t2", "dce_pre"])
def test_an_image_without_contrast_is_refused(write, channel):
    with pytest.raises(ImageError, match="empty"):
        read_volume(write(np.full((5, 5, 5), 3.0)), channel)


def test_mr_may_have_any_values(write):
    for factor in (1e-6, 1e6, -1.0):
        read_volume(write(_tissue() * factor), "t2")


@pytest.mark.parametrize("bad", [0.5, -1.0])
def test_a_mask_holds_labels(write, bad):
    mask = (_tissue() > 0).astype(np.float32)
    mask[5, 5, 5] = bad
    with pytest.raises(ImageError, match="whole numbers"):
        read_volume(write(mask), "mask")


def test_an_empty_mask_is_refused(write):
    with pytest.raises(GeometryError, match="empty"):
        read_volume(write(np.zeros((5, 5, 5))), "mask")


def test_dicom_is_told_by_content(write, tmp_path):
    with zipfile.ZipFile(tmp_path / "series.nii", "w") as archive:
        archive.writestr("a", b"x")
    (tmp_path / "frames").write_bytes(bytes(128) + b"DICM")
    assert is_dicom(tmp_path)
    assert is_dicom(tmp_path / "series.nii")
    assert is_dicom(tmp_path / "frames")
    assert not is_dicom(write(_tissue()))


def test_a_mask_in_dicom_is_refused(tmp_path):
    with pytest.raises(ImageError, match="NIfTI"):
        read_volume(tmp_path, "mask")


def test_a_dicom_series_comes_with_its_unit(test_data):
    volume = read_volume(test_data / "ibsi_suv_dro" / "DRO_0_0.zip", "pet")
    assert volume.unit == "SUVbw"
    assert volume.array.max() == pytest.approx(4.0, abs=0.005)


def test_real_pet_and_mr_are_plausible(test_data):
    folder = test_data / "sts_petmr_cohort"
    for case in ("STS_002", "STS_019", "STS_041"):
        assert read_volume(folder / case / "PET_image.nii.gz", "pet").array.max() > 3.0
        assert read_volume(folder / case / "MR_T1_image.nii.gz", "t1").array.max() > 1000.0


def test_a_message_never_holds_the_path(tmp_path):
    path = tmp_path / "JaneSmith.nii.gz"
    path.write_bytes(b"rubbish")
    for target in (path, tmp_path / "JaneSmith2.nii"):
        with pytest.raises(ImageError) as caught:
            read_volume(target, "pet")
        assert "Jane" not in str(caught.value)
        assert caught.value.__cause__ is None


def test_importing_the_package_is_light():
    code = (
        "import sys, pcrnet.imaging, pcrnet.imaging.tensors.cache, pcrnet.review.checks;"
        "print([m for m in ('torch', 'SimpleITK', 'nibabel', 'scipy', 'matplotlib', 'pydicom')"
        " if m in sys.modules])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"


@pytest.fixture
def ct_series(tmp_path):
    """Three slices of pydicom's example CT, and what its own modality LUT makes of them."""
    import pydicom
    from pydicom.data import get_testdata_file
    from pydicom.pixels import apply_modality_lut

    example = pydicom.dcmread(get_testdata_file("CT_small.dcm"))
    folder = tmp_path / "ct"
    folder.mkdir()
    for number in range(3):
        example.ImagePositionPatient[2] = str(5.0 * number)
        example.SliceLocation = str(5.0 * number)
        example.InstanceNumber = number + 1
        uid = f"1.2.826.0.1.3680043.8.498.{number + 1}"
        example.SOPInstanceUID = example.file_meta.MediaStorageSOPInstanceUID = uid
        example.save_as(folder / f"{number}.dcm")
    return folder, apply_modality_lut(example.pixel_array, example)


def test_a_ct_is_read_in_hounsfield_units(ct_series):
    folder, expected = ct_series
    volume = read_volume(folder, "ct")
    assert volume.unit == "HU"
    np.testing.assert_allclose(np.sort(volume.array[:, :, 1].ravel()), np.sort(expected.ravel()))
    assert volume.array.min() < 0


def test_another_modality_is_no_ct(ct_series):
    import pydicom

    folder, _ = ct_series
    for path in folder.iterdir():
        dataset = pydicom.dcmread(path)
        dataset.Modality = "MR"
        dataset.save_as(path)
    with pytest.raises(Exception, match="expected CT"):
        read_volume(folder, "ct")


@pytest.mark.parametrize(
    ("offset", "reason"), [(0.0, "lowest value is 0"), (-1e5, "not plausible")]
)
def test_what_is_not_in_hounsfield_units_is_refused(write, offset, reason):
    array = _tissue(1000.0, 1100.0) if offset == 0 else _tissue(50_000.0, 60_000.0) - 10.0
    with pytest.raises(UnitError, match=reason):
        read_volume(write(array), "ct")

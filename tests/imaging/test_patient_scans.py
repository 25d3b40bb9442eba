"""A patient's files: what is read, where it is looked at, and what is refused by its cell."""

import numpy as np
import pytest

from pcrnet.cohort.outcome import Outcome
from pcrnet.cohort.table import Patient, Visit
from pcrnet.config.data import DataConfig
from pcrnet.config.imaging import ImagingConfig, NoAlignment
from pcrnet.errors import GeometryError, InsufficientScansError, PcrnetError
from pcrnet.imaging.nifti.file import write_nifti
from pcrnet.imaging.patient_scans import channel_kinds, in_column, read_patient
from pcrnet.imaging.volume import Volume

_DATA = DataConfig(branches={"pet": ("pet",), "mri": ("t2",)}, minimum_scans=2)
_IMAGING = ImagingConfig(alignment=NoAlignment())


@pytest.fixture
def patient(phantom, tmp_path):
    """Makes a patient with a PET and a T2 at baseline, and whatever is changed of the visit."""
    grid = phantom.grid(8.0, 160.0)
    hot = phantom.distance_mm(grid, (20.0, 10.0, 0.0)) < 15.0
    body = phantom.distance_mm(grid) < 70.0
    scans = {"pet": 6.0 * hot + body, "t2": 300.0 * body + 100.0 * hot}
    paths = {}
    for channel, values in scans.items():
        unit = "SUVbw" if channel == "pet" else "arbitrary"
        paths[channel] = tmp_path / f"{channel}.nii.gz"
        write_nifti(Volume(values.astype(np.float32), grid.affine, unit), paths[channel])

    def make(**changes):
        visit = Visit("baseline", changes.pop("scans", paths), **changes)
        visits = {"baseline": visit, "interim": Visit("interim", {})}
        return Patient("P7", 4, None, visits, Outcome(), {})

    make.paths, make.grid = paths, grid
    return make


def _mask(path, centre_mm, grid, phantom):
    inside = (phantom.distance_mm(grid, centre_mm) < 20.0).astype(np.float32)
    write_nifti(Volume(inside, grid.affine, "label"), path)
    return path


def test_without_a_mask_the_crop_lies_around_the_lesion_that_is_found(patient):
    found = read_patient(patient(), _DATA, _IMAGING)
    assert found.crop == "lesion"
    np.testing.assert_allclose(found.centre_mm, (20.0, 10.0, 0.0), atol=4.0)
    assert set(found.volumes) == {"baseline"}
    np.testing.assert_array_equal(found.transform("interim"), np.eye(4))


def test_a_mask_decides_where_the_crop_lies(patient, phantom, tmp_path):
    mask = _mask(tmp_path / "mask.nii.gz", (-30.0, 0.0, 20.0), patient.grid, phantom)
    found = read_patient(patient(mask=mask), _DATA, _IMAGING)
    assert found.crop == "mask"
    np.testing.assert_allclose(found.centre_mm, (-30.0, 0.0, 20.0), atol=1.0)


def test_a_mask_on_no_scans_grid_is_refused_by_its_column(patient, phantom, tmp_path):
    mask = _mask(tmp_path / "mask.nii.gz", (0.0, 0.0, 0.0), phantom.grid(7.0, 160.0), phantom)
    with pytest.raises(GeometryError) as caught:
        read_patient(patient(mask=mask), _DATA, _IMAGING)
    assert caught.value.field == "baseline.mask"
    assert caught.value.patient == "P7"


def test_the_mask_may_lie_on_a_scan_that_is_not_used(patient, phantom, tmp_path):
    grid = phantom.grid(7.0, 160.0)
    mask = _mask(tmp_path / "mask.nii.gz", (0.0, 0.0, 0.0), grid, phantom)
    other = {"dwi": _mask(tmp_path / "dwi.nii.gz", (0.0, 0.0, 0.0), grid, phantom)}
    assert read_patient(patient(mask=mask, other_scans=other), _DATA, _IMAGING).crop == "mask"


def test_too_few_scans_are_refused_with_both_numbers(patient):
    with pytest.raises(InsufficientScansError, match=r"has 1 of.*minimum_scans is 2"):
        read_patient(patient(scans={"pet": patient.paths["pet"]}), _DATA, _IMAGING)


def test_a_file_that_is_none_is_named_by_patient_and_column(patient, tmp_path):
    (tmp_path / "t2.nii.gz").write_bytes(b"no image")
    with pytest.raises(PcrnetError) as caught:
        read_patient(patient(), _DATA, _IMAGING)
    assert (caught.value.patient, caught.value.field) == ("P7", "baseline.t2")


def test_a_tag_stays_in_the_text_where_the_column_takes_its_place():
    error = in_column(GeometryError("is missing", field="PixelSpacing"), "interim", "adc")
    assert error.field == "interim.adc"
    assert error.problem == "PixelSpacing: is missing"


def test_each_channel_has_its_rule():
    assert channel_kinds(_DATA, _IMAGING) == {"pet": "suv", "t2": "zscore"}

"""The provenance of a scan enters what is written about it, and nothing else does."""

import json
from dataclasses import FrozenInstanceError, fields

import numpy as np
import pytest

from pcrnet.config.imaging import ImagingConfig
from pcrnet.imaging.convert import convert_series
from pcrnet.imaging.nifti.file import write_nifti
from pcrnet.imaging.reader import read_scan
from pcrnet.imaging.scan import Provenance
from pcrnet.imaging.volume import Volume


def test_what_is_known_of_a_scan_cannot_be_changed_afterwards():
    provenance = Provenance("SUV = value", numbers=(("PatientWeight", 71.0),))
    with pytest.raises(FrozenInstanceError):
        provenance.formula = "something else"
    assert provenance == Provenance("SUV = value", numbers=(("PatientWeight", 71.0),))


def test_a_converted_series_has_every_part_of_its_provenance_beside_it(
    make_slice, save_series, tmp_path
):
    series = save_series([make_slice(n, RescaleSlope=2.0) for n in range(3)])
    convert_series(series, tmp_path / "out.nii.gz", "t2", ImagingConfig())
    written = json.loads((tmp_path / "out.json").read_text())
    assert {field.name for field in fields(Provenance)} <= set(written)
    scan = read_scan(series, "t2", "zscore", settings=ImagingConfig().dicom)
    assert written["formula"] == scan.provenance.formula


def test_a_nifti_file_has_no_reference_time(tmp_path):
    volume = Volume(np.arange(64, dtype=np.float32).reshape(4, 4, 4) / 8, np.eye(4), "SUVbw")
    write_nifti(volume, tmp_path / "pet.nii.gz")
    scan = read_scan(tmp_path / "pet.nii.gz", "pet", "suv", settings=ImagingConfig().dicom)
    assert scan.provenance.reference_time == ""
    np.testing.assert_array_equal(scan.volume.array, volume.array)

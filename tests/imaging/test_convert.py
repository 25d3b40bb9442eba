"""A DICOM series becomes a NIfTI file and a sidecar that is enough to compute it again."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from pydicom import Dataset

from pcrnet.config.imaging import DicomConfig, ImagingConfig
from pcrnet.errors import ImageError, UnitError
from pcrnet.imaging.convert import convert_series
from pcrnet.imaging.dicom_reader import read_dicom_series
from pcrnet.imaging.reader import read_volume

MakeSlice = Callable[..., Dataset]
SaveSeries = Callable[..., Path]


@pytest.fixture
def pet(make_slice: MakeSlice, save_series: SaveSeries) -> Path:
    # Values that are a plausible SUV once converted.
    return save_series(
        [make_slice(k, "PT", pixels=np.arange(24).reshape(4, 6) * 500) for k in range(3)]
    )


@pytest.mark.parametrize("name", ["out.nii.gz", "out.nii"])
def test_the_written_volume_is_the_one_that_was_read(pet: Path, tmp_path: Path, name: str) -> None:
    convert_series(pet, tmp_path / name, "pet")
    direct = read_dicom_series(pet, "suv").volume
    written = nib.load(tmp_path / name)
    assert np.array_equal(written.get_fdata(dtype=np.float32), direct.array)
    assert np.allclose(written.affine, direct.affine, atol=1e-5)
    again = read_volume(tmp_path / name, "pet")
    assert np.array_equal(again.array, direct.array)
    assert sorted(file.name for file in tmp_path.iterdir()) == sorted([name, "out.json", "series"])


def test_the_sidecar_is_enough_to_compute_the_values_again(pet: Path, tmp_path: Path) -> None:
    returned = convert_series(pet, tmp_path / "out.nii.gz", "pet")
    sidecar = json.loads((tmp_path / "out.json").read_text())
    assert sidecar["unit"] == returned.unit == "SUVbw"
    assert sidecar["reference_time"] == "SeriesTime"
    assert sidecar["words"] == {"Units": "BQML", "DecayCorrection": "START"}
    assert "2^(elapsed / half-life)" in sidecar["formula"]
    numbers = sidecar["numbers"]
    factor = (
        numbers["PatientWeight"] * 1e3 / numbers["RadionuclideTotalDose"]
        * 2 ** (numbers["elapsed_s"] / numbers["RadionuclideHalfLife"])
    )  # fmt: skip
    brightest = nib.load(tmp_path / "out.nii.gz").get_fdata().max()
    assert brightest == pytest.approx(23 * 500 * factor, rel=1e-6)
    assert sidecar["shape"] == [6, 4, 3]
    assert sidecar["spacing_mm"] == [1.5, 2.0, 3.0]


def test_the_settings_reach_the_reader(pet: Path, tmp_path: Path) -> None:
    settings = ImagingConfig(channels={"uptake": "suv"}, dicom=DicomConfig(suv="bsa"))
    assert convert_series(pet, tmp_path / "out.nii", "uptake", settings).unit == "SUVbsa"
    assert convert_series(pet, tmp_path / "plain.nii", "uptake").unit == "arbitrary"


def test_a_refused_series_leaves_nothing_behind(
    make_slice: MakeSlice, save_series: SaveSeries, tmp_path: Path
) -> None:
    folder = save_series([make_slice(k, "PT", Units="PROPCNTS") for k in range(2)])
    with pytest.raises(UnitError):
        convert_series(folder, tmp_path / "out.nii.gz", "pet")
    assert [file.name for file in tmp_path.iterdir()] == ["series"]


def test_an_output_that_is_no_nifti_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    for name in ("out.mha", ".nii.gz"):
        with pytest.raises(ImageError, match="no NIfTI file"):
            convert_series(tmp_path / "absent", tmp_path / name, "pet")

"""All seventeen rows of the IBSI-SUV list, made from its default phantom by what each row varies.

The truth is the published one, SUV 0.20 / 1.00 / 4.00 inside the mask. The edits say in other tags
what the default phantom says in its own; factors come from closed forms written here.
"""

from __future__ import annotations

import csv
import gzip
import io
import zipfile
from collections.abc import Callable
from math import log
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
import pytest
from pydicom import Dataset

from pcrnet.config.imaging import DicomConfig
from pcrnet.imaging.dicom_reader import read_dicom_series

HALF_LIFE_S, HOUR_S = 6586.2, 3600.0
GALLIUM_S = 4062.6
WEIGHT_KG, HEIGHT_CM, DOSE_BQ = 70.0, 175.0, 368_080_000.0
TO_SUVBW = WEIGHT_KG * 1e3 / (DOSE_BQ * 0.5 ** (HOUR_S / HALF_LIFE_S))
"""Of the default phantom: g/Bq at 11:00, an hour after injection."""

Edit = Callable[[int, Dataset, Dataset], None]


def scaled(slice_: Dataset, factor: float) -> None:
    """Another scale for the stored values."""
    slice_.RescaleSlope = f"{float(slice_.RescaleSlope) * factor:.10g}"


def several_slopes(k: int, slice_: Dataset, _dose: Dataset) -> None:
    halved = (slice_.pixel_array // (2 if k % 2 else 1)).astype(slice_.pixel_array.dtype)
    slice_.PixelData = halved.tobytes()
    slice_.RescaleSlope = "2" if k % 2 else "1"


def stored_as(units: str, suv_type: str, mass_kg: float, sex: str = "O") -> Edit:
    """Values that the scanner normalised by a mass, or by a surface in cm² / 1000."""

    def edit(_k: int, slice_: Dataset, _dose: Dataset) -> None:
        scaled(slice_, TO_SUVBW * mass_kg / WEIGHT_KG)
        slice_.Units, slice_.SUVType, slice_.PatientSex = units, suv_type, sex

    return edit


def counts(element: int, factor: float) -> Edit:
    def edit(_k: int, slice_: Dataset, _dose: Dataset) -> None:
        slice_.Units, slice_.Manufacturer = "CNTS", "Philips Medical Systems"
        block = slice_.private_block(0x7053, "Philips PET Private Group", create=True)
        block.add_new(element, "DS", f"{factor:.9g}")

    return edit


def in_mbq(_k: int, _slice: Dataset, dose: Dataset) -> None:
    dose.RadionuclideTotalDose = DOSE_BQ / 1e6


def to_injection(_k: int, slice_: Dataset, _dose: Dataset) -> None:
    slice_.DecayCorrection = "ADMIN"
    scaled(slice_, 2 ** (HOUR_S / HALF_LIFE_S))


def late_series(_k: int, slice_: Dataset, _dose: Dataset) -> None:
    slice_.SeriesTime = "130000"


def ge_moment(_k: int, slice_: Dataset, _dose: Dataset) -> None:
    slice_.Manufacturer = "GE MEDICAL SYSTEMS"
    slice_.SeriesTime = slice_.AcquisitionTime = "130000"
    block = slice_.private_block(0x0009, "GEMS_PETD_01", create=True)
    block.add_new(0x0D, "DT", "20250101110000.00")


def undecayed(k: int, slice_: Dataset, _dose: Dataset) -> None:
    """Two beds of five minutes, ten minutes apart."""
    begun_s = HOUR_S + (600.0 if k >= 10 else 0.0)
    slice_.DecayCorrection = "NONE"
    slice_.CorrectedImage = ["NORM", "DTIM", "ATTN", "SCAT", "RAN"]
    slice_.AcquisitionTime = "111000" if k >= 10 else "110000"
    rate = log(2) / HALF_LIFE_S
    mean = (np.exp(-rate * begun_s) - np.exp(-rate * (begun_s + 300.0))) / (rate * 300.0)
    scaled(slice_, mean / 0.5 ** (HOUR_S / HALF_LIFE_S))


def datetime_alone(_k: int, _slice: Dataset, dose: Dataset) -> None:
    del dose.RadiopharmaceuticalStartTime


def time_alone(_k: int, _slice: Dataset, dose: Dataset) -> None:
    del dose.RadiopharmaceuticalStartDateTime


def after_midnight(_k: int, slice_: Dataset, dose: Dataset) -> None:
    slice_.SeriesDate = slice_.AcquisitionDate = "20250102"
    slice_.SeriesTime = slice_.AcquisitionTime = "003000"
    dose.RadiopharmaceuticalStartTime = "233000"
    dose.RadiopharmaceuticalStartDateTime = "20250101233000"


def after_midnight_by_time_alone(k: int, slice_: Dataset, dose: Dataset) -> None:
    after_midnight(k, slice_, dose)
    del dose.RadiopharmaceuticalStartDateTime


def after_midnight_with_the_date_of_the_scan(k: int, slice_: Dataset, dose: Dataset) -> None:
    after_midnight(k, slice_, dose)
    dose.RadiopharmaceuticalStartDateTime = "20250102233000"


def gallium(_k: int, slice_: Dataset, dose: Dataset) -> None:
    dose.RadionuclideHalfLife = GALLIUM_S
    (code,) = dose.RadionuclideCodeSequence
    code.CodeValue, code.CodeMeaning = "C-131A3", "^68^Gallium"
    scaled(slice_, 0.5 ** (HOUR_S / GALLIUM_S) / 0.5 ** (HOUR_S / HALF_LIFE_S))


def unchanged(_k: int, _slice: Dataset, _dose: Dataset) -> None:
    pass


IDEAL_KG = (48.0 + 1.06 * 23 + 45.5 + 0.91 * 23) / 2
SURFACE_CM2 = 71.84 * HEIGHT_CM**0.725 * WEIGHT_KG**0.425
LEAN_KG = 1.10 * WEIGHT_KG - 128 * (WEIGHT_KG / HEIGHT_CM) ** 2
TO_BQML = 2.5
VARIANTS: list[tuple[str, Edit]] = [
    ("DRO_0_0", unchanged),
    ("DRO_1_0", several_slopes),
    ("DRO_2_0", stored_as("GML", "BW", WEIGHT_KG)),
    ("DRO_2_1", stored_as("GML", "LBMJAMES128", LEAN_KG, "M")),
    ("DRO_2_2", stored_as("GML", "IBW", IDEAL_KG, "O")),
    ("DRO_2_3", stored_as("CM2ML", "BSA", SURFACE_CM2 / 1e3)),
    ("DRO_2_4", counts(0x00, TO_SUVBW)),
    ("DRO_2_5", counts(0x09, 1.0)),
    ("DRO_3_0", in_mbq),
    ("DRO_3_1", to_injection),
    ("DRO_3_2", late_series),
    ("DRO_3_3", ge_moment),
    ("DRO_3_4", undecayed),
    ("DRO_4_0", datetime_alone),
    ("DRO_4_1", time_alone),
    ("DRO_4_2", after_midnight),
    ("DRO_4_2", after_midnight_by_time_alone),
    ("DRO_4_2", after_midnight_with_the_date_of_the_scan),
    ("DRO_5_0", gallium),
]


@pytest.fixture(scope="module")
def phantom(test_data: Path) -> tuple[list[bytes], np.ndarray]:
    """The slices of the default phantom, in order of place, and its mask."""
    slices = []
    with zipfile.ZipFile(test_data / "ibsi_suv_dro" / "DRO_0_0.zip") as archive:
        for name in archive.namelist():
            stored = archive.read(name)
            if name.endswith(".nii.gz"):
                mask = nib.Nifti1Image.from_bytes(gzip.decompress(stored))
            elif stored[128:132] == b"DICM":
                header = pydicom.dcmread(io.BytesIO(stored))
                if header.Modality == "PT":
                    slices.append((float(header.ImagePositionPatient[2]), stored))
    return [stored for _, stored in sorted(slices)], np.asanyarray(mask.dataobj) > 0


def test_every_row_of_the_published_list_has_a_variant(test_data: Path) -> None:
    with (test_data / "ibsi_suv_dro" / "DRO_list_v1.csv").open(newline="") as stream:
        listed = [row["ID"] for row in csv.DictReader(stream)]
    assert list(dict.fromkeys(name for name, _ in VARIANTS)) == listed


@pytest.mark.parametrize(("name", "edit"), VARIANTS)
def test_the_published_suv_is_found_however_the_header_says_it(
    phantom: tuple[list[bytes], np.ndarray], tmp_path: Path, name: str, edit: Edit
) -> None:
    slices, mask = phantom
    for k, stored in enumerate(slices):
        header = pydicom.dcmread(io.BytesIO(stored))
        edit(k, header, header.RadiopharmaceuticalInformationSequence[0])
        header.save_as(tmp_path / f"{(7 * k) % 20:02d}.dcm")
    tracers = ("FDG", "Ga-68") if name == "DRO_5_0" else ("FDG",)
    volume = read_dicom_series(tmp_path, "suv", settings=DicomConfig(tracers=tracers)).volume
    inside = volume.array[mask]
    found = [inside.min(), np.median(inside), inside.max()]
    assert np.round(found, 2).tolist() == pytest.approx([0.20, 1.00, 4.00])

"""Whole DICOM series against NIfTI ground truth, makers' own maps and known refusals."""

from __future__ import annotations

import gzip
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from pydicom import Dataset
from pydicom.data import get_testdata_file

from pcrnet.config.imaging import DicomConfig
from pcrnet.errors import (
    DicomFileError,
    DuplicateSliceError,
    ImageError,
    MissingTagError,
    NotAVolumeError,
    OrientationError,
    PhaseError,
    SeriesError,
    SliceGapError,
    TracerError,
)
from pcrnet.imaging.dicom import values as dicom_values
from pcrnet.imaging.dicom.frames import read_frames
from pcrnet.imaging.dicom.geometry import sort_slices, stack_affine
from pcrnet.imaging.dicom.series import decode_frames, open_series
from pcrnet.imaging.dicom_reader import read_dicom_series
from pcrnet.imaging.mr.phases import split_phases
from pcrnet.imaging.scan import Scan

MakeSlice = Callable[..., Dataset]
SaveSeries = Callable[..., Path]


def ground_truth(path: Path) -> nib.Nifti1Image:
    """The NIfTI file that the archive holds beside its series, in RAS order."""
    with zipfile.ZipFile(path) as archive:
        member = next(m for m in archive.namelist() if m.endswith("ground_truth.nii.gz"))
        image = nib.Nifti1Image.from_bytes(gzip.decompress(archive.read(member)))
    return nib.as_closest_canonical(image)


def in_ras_order(array: np.ndarray, affine: np.ndarray) -> nib.Nifti1Image:
    return nib.as_closest_canonical(nib.Nifti1Image(array, affine))


@pytest.mark.parametrize(
    "name",
    [
        "compressed_j2k", "compressed_jpeg_lossless", "compressed_jpegls", "compressed_rle",
        "ge_oblique_anatomical", "rescale_nonisotropic",
    ],
)  # fmt: skip
def test_voxels_and_affine_equal_the_ground_truth(test_data: Path, name: str) -> None:
    path = test_data / "dicom_edge_cases" / f"{name}.zip"
    volume, truth = read_dicom_series(path, "zscore", channel="t2").volume, ground_truth(path)
    found = in_ras_order(volume.array, volume.affine)
    assert np.allclose(found.affine, truth.affine, atol=1e-3)
    wanted = truth.get_fdata()
    assert found.shape == wanted.shape
    # The rescaled series' truth was rounded to its scl_slope when it was written.
    atol = 0.01 if name == "rescale_nonisotropic" else 0.0
    assert np.allclose(found.get_fdata(), wanted, rtol=0, atol=atol)


@pytest.mark.parametrize(
    ("name", "filled"), [("philips_dti_bvalues", 4), ("philips_enhanced_dti", 1)]
)
def test_volumes_of_a_diffusion_series_equal_the_ground_truth(
    test_data: Path, name: str, filled: int
) -> None:
    """The truth of the enhanced file holds the last direction alone; the others are empty there."""
    path = test_data / "dicom_edge_cases" / f"{name}.zip"
    truth = ground_truth(path)
    found = []
    with open_series(path) as series:
        for phase in split_phases(read_frames(series.objects)):
            frames = sort_slices(phase.frames, 0.05)
            values = [
                decode_frames(series.objects[f.image])[f.number].T * f.slope + f.intercept
                for f in frames
            ]
            image = in_ras_order(np.stack(values, axis=-1), stack_affine(frames))
            assert np.allclose(image.affine, truth.affine, atol=1e-3)
            found.append(image.get_fdata())
    expected = [volume for volume in np.moveaxis(truth.get_fdata(), -1, 0) if volume.any()]
    assert len(found) == 4
    assert len(expected) == filled
    for volume in expected:
        assert sum(np.allclose(volume, other, rtol=1e-6) for other in found) == 1


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("failing_notavolume", NotAVolumeError),
        ("failing_sliceincrement_001", SliceGapError),
        ("failing_sliceorientation", OrientationError),
        ("philips_dti_bvalues", PhaseError),
        ("pydicom/MR_truncated.dcm", DicomFileError),
        ("pydicom/no_meta.dcm", DicomFileError),
        ("pydicom/meta_missing_tsyntax.dcm", DicomFileError),
        ("pydicom/badVR.dcm", SeriesError),
    ],
)
def test_each_failing_set_is_refused_with_its_own_error(
    test_data: Path, name: str, error: type[ImageError]
) -> None:
    path = test_data / "dicom_edge_cases" / name
    with pytest.raises(error) as caught:
        read_dicom_series(path if path.is_file() else path.with_suffix(".zip"), "zscore")
    assert type(caught.value) is error
    assert caught.value.remedy


def test_a_big_endian_slice_equals_its_little_endian_twin(test_data: Path) -> None:
    path = test_data / "dicom_edge_cases" / "pydicom" / "MR_small_bigendian.dcm"
    little = read_dicom_series(Path(str(get_testdata_file("MR_small.dcm"))), "zscore").volume
    big = read_dicom_series(path, "zscore").volume
    assert np.array_equal(big.array, little.array)
    assert np.array_equal(big.affine, little.affine)


@pytest.fixture(scope="module")
def ucsf(test_data: Path) -> dict[str, Scan]:
    path = test_data / "breast_dce_UCSF-BR-08" / "image_dce_3dfgre_orig.zip"
    return {
        channel: read_dicom_series(path, "dce", channel=channel)
        for channel in ("dce_pre", "dce_early", "dce_late")
    }


@pytest.mark.slow
def test_phases_of_a_breast_mri_give_the_maps_that_ucsf_made_of_them(
    test_data: Path, ucsf: dict[str, Scan]
) -> None:
    """PE1 is the floor of percent enhancement; SER is rounded to 0.001 and clipped to 3."""
    folder = test_data / "breast_dce_UCSF-BR-08"
    pe1 = read_dicom_series(folder / "image_dce_pe1.zip", "zscore", channel="pe").volume
    ser = read_dicom_series(folder / "image_dce_ser.zip", "zscore", channel="ser").volume
    pre, early, late = (found.volume.array.astype(np.float64) for found in ucsf.values())
    assert np.allclose(pe1.affine, ucsf["dce_pre"].volume.affine)
    shown = pe1.array > 0
    assert shown.sum() > 100_000
    ours = np.floor(100 * (early[shown] - pre[shown]) / pre[shown])
    assert np.abs(ours - pe1.array[shown]).max() <= 1.0
    shown = (ser.array > 0) & (late != pre)
    ours = np.clip((early - pre)[shown] / (late - pre)[shown], 0, 3)
    assert np.abs(ours - ser.array[shown]).max() < 0.00051


@pytest.mark.slow
def test_phases_of_a_breast_mri_are_timed_as_ucsf_timed_them(
    ucsf: dict[str, Scan],
) -> None:
    """(0117,1034) of UCSF's maps, in seconds after injection."""
    numbers = [dict(found.provenance.numbers) for found in ucsf.values()]
    seconds = [found["seconds after injection"] for found in numbers]
    assert seconds == pytest.approx([-234.0337524414, 137.9662475586, 475.9662475586], abs=1e-3)
    assert [found["volume picked, from 1"] for found in numbers] == [1, 2, 3]


@pytest.mark.parametrize(
    ("name", "kind", "shape", "spacing"),
    [
        ("SCAN_001_adc", "adc", (256, 288, 36), (1.5625, 1.5625, 7.0)),
        ("SCAN_002_adc", "adc", (256, 288, 45), (1.5625, 1.5625, 6.0)),
        ("SCAN_001_t2", "zscore", (584, 512, 33), (0.6836, 0.6836, 8.0)),
        ("SCAN_002_t2", "zscore", (536, 512, 37), (0.7813, 0.7813, 8.0)),
    ],
)
def test_the_series_of_two_visits_are_read(
    test_data: Path, name: str, kind: Any, shape: tuple[int, ...], spacing: tuple[float, ...]
) -> None:
    volume = read_dicom_series(
        test_data / "cmb_crc_two_timepoints" / f"{name}_image.zip", kind
    ).volume
    assert volume.array.shape == shape
    assert np.allclose(volume.spacing_mm, spacing, atol=1e-4)
    if kind == "adc":
        assert volume.unit == "1e-3 mm2/s"
        assert 0.8 < np.median(volume.array[volume.array > 0]) < 1.5  # tissue


def test_an_oblique_mr_has_its_spacing_and_no_shear(test_data: Path) -> None:
    path = test_data / "sts001_petmr" / "STS_001_MR_T2FS_raw_dicom.zip"
    volume = read_dicom_series(path, "zscore").volume
    axes = volume.affine[:3, :3] / volume.spacing_mm
    assert np.allclose(axes.T @ axes, np.eye(3), atol=1e-5)
    assert np.allclose(volume.spacing_mm, [0.5234375, 0.5234375, 5.2], atol=1e-5)


def test_an_l_in_millimetres_is_not_flipped(make_slice: MakeSlice, save_series: SaveSeries) -> None:
    """An L on the patient's left, foot toward the front, growing thicker to the head."""
    slices = []
    for k in range(5):
        pixels = np.zeros((9, 7))
        pixels[1:8, 1] = 100 * (k + 1)
        pixels[7, 1:5] = 100 * (k + 1)
        slices.append(make_slice(k, pixels=pixels))
    volume = read_dicom_series(save_series(slices[::-1]), "zscore").volume
    corner = volume.affine @ [1, 7, 4, 1]
    lps = np.array([10.0, -20.0, 30.0]) + np.array([1, 7, 4]) * [1.5, 2.0, 3.0]
    assert np.allclose(corner[:3], lps * [-1, -1, 1])
    assert volume.array[1, 7, 4] == volume.array[4, 7, 4] == volume.array[1, 1, 4] == 500
    assert volume.array[4, 1, 4] == 0


def test_per_slice_rescaling_is_applied_to_its_slice(
    make_slice: MakeSlice, save_series: SaveSeries
) -> None:
    slices = [
        make_slice(k, "PT", RescaleSlope=float(k + 1), pixels=np.full((4, 4), 5000 // (k + 1)))
        for k in range(3)
    ]
    suv = read_dicom_series(save_series(slices), "suv").volume
    assert suv.unit == "SUVbw"
    factor = 70e3 / (350e6 * 0.5 ** (3600 / 6586.2))
    for k in range(3):
        assert np.allclose(suv.array[:, :, k], (k + 1) * (5000 // (k + 1)) * factor, rtol=1e-6)


def test_slices_of_an_undecayed_pet_have_factors_of_their_own(
    make_slice: MakeSlice, save_series: SaveSeries
) -> None:
    slices = [
        make_slice(k, "PT", DecayCorrection="NONE", AcquisitionTime=f"10{5 * k:02d}00",
                   pixels=np.full((4, 4), 1000))
        for k in range(3)
    ]  # fmt: skip
    read = read_dicom_series(save_series(slices), "suv")
    ratio = read.volume.array[0, 0, 1:] / read.volume.array[0, 0, :-1]
    assert np.allclose(ratio, 2 ** (300 / 6586.2), rtol=1e-6)
    assert read.provenance.reference_time.startswith("AcquisitionTime of each slice")


def test_the_norm_of_the_suv_is_the_users(make_slice: MakeSlice, save_series: SaveSeries) -> None:
    folder = save_series([make_slice(k, "PT") for k in range(2)])
    lean = read_dicom_series(folder, "suv", settings=DicomConfig(suv="lbm-janmahasatian")).volume
    plain = read_dicom_series(folder, "suv").volume
    mass = 9270 * 70 / (8780 + 244 * 70 / 1.75**2)
    assert (lean.unit, plain.unit) == ("SUL", "SUVbw")
    assert np.allclose(lean.array, plain.array * mass / 70, rtol=1e-5)


def test_a_real_world_map_goes_before_the_rescaling(
    make_slice: MakeSlice, save_series: SaveSeries
) -> None:
    unit = Dataset()
    unit.CodeValue = "mm2/s"
    mapped = Dataset()
    mapped.RealWorldValueSlope, mapped.RealWorldValueIntercept = 1e-6, 0.0
    mapped.MeasurementUnitsCodeSequence = [unit]
    slices = [
        make_slice(k, RescaleSlope=7.0, RealWorldValueMappingSequence=[mapped],
                   pixels=np.full((4, 4), 1200))
        for k in range(2)
    ]  # fmt: skip
    volume = read_dicom_series(save_series(slices), "adc").volume
    assert np.allclose(volume.array, 1.2)


def test_a_series_of_another_modality_or_tracer_is_refused(
    make_slice: MakeSlice, save_series: SaveSeries
) -> None:
    with pytest.raises(SeriesError, match="modality MR; expected PT"):
        read_dicom_series(save_series([make_slice(0)], "mri"), "suv")
    slices = [make_slice(k, "PT") for k in range(2)]
    for header in slices:
        header.RadiopharmaceuticalInformationSequence[0].Radiopharmaceutical = "FES"
    folder = save_series(slices, "pet")
    with pytest.raises(TracerError):
        read_dicom_series(folder, "suv")
    assert (
        read_dicom_series(folder, "suv", settings=DicomConfig(tracers=("FES",))).volume.unit
        == "SUVbw"
    )


def test_copies_of_a_slice_are_refused(make_slice: MakeSlice, save_series: SaveSeries) -> None:
    with pytest.raises(DuplicateSliceError):
        read_dicom_series(save_series([make_slice(k) for k in (0, 1, 1, 2)]), "zscore")


def test_a_volume_of_too_many_voxels_is_refused_before_it_is_read(
    make_slice: MakeSlice, save_series: SaveSeries, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dicom_values, "MAX_VOXELS", 40)
    with pytest.raises(DicomFileError, match="6 × 4 × 2 voxels"):
        read_dicom_series(save_series([make_slice(k) for k in range(2)]), "zscore")


def test_provenance_says_what_was_passed_over_and_what_is_lossy(
    make_slice: MakeSlice, save_series: SaveSeries
) -> None:
    folder = save_series([make_slice(0, LossyImageCompression="01")])
    (folder / "notes.txt").write_text("")
    warnings = " ".join(read_dicom_series(folder, "zscore").provenance.warnings)
    for part in ("1 files that are not DICOM", "single slice", "compressed with loss"):
        assert part in warnings


def test_a_pet_without_a_scale_is_refused(make_slice: MakeSlice, save_series: SaveSeries) -> None:
    """MR values have no unit to lose; Bq/mL without a slope would be a guess."""
    slices = [make_slice(k, "PT", RescaleSlope=None) for k in range(3)]
    with pytest.raises(MissingTagError) as caught:
        read_dicom_series(save_series(slices), "suv")
    assert caught.value.field == "RescaleSlope"


@pytest.mark.parametrize(
    ("position", "posture"),
    [("HFP", "prone"), ("FFP", "prone"), ("HFS", "supine"), ("FFS", "supine"), ("HFDR", None)],
)
def test_how_the_patient_lay_is_read_where_the_header_says_so(
    make_slice: MakeSlice, save_series: SaveSeries, position: str, posture: str | None
) -> None:
    slices = [make_slice(k, PatientPosition=position) for k in range(3)]
    assert read_dicom_series(save_series(slices), "zscore").volume.posture == posture


def test_slices_that_disagree_or_say_nothing_leave_the_posture_open(
    make_slice: MakeSlice, save_series: SaveSeries
) -> None:
    plain = save_series([make_slice(k) for k in range(3)], "plain")
    assert read_dicom_series(plain, "zscore").volume.posture is None
    mixed = [make_slice(k, PatientPosition=("HFP", "HFS")[k % 2]) for k in range(3)]
    assert read_dicom_series(save_series(mixed, "mixed"), "zscore").volume.posture is None


def test_real_breast_mri_was_prone(test_data: Path) -> None:
    path = test_data / "breast_dce_UCSF-BR-08" / "image_dce_pe1.zip"
    assert read_dicom_series(path, "zscore").volume.posture == "prone"

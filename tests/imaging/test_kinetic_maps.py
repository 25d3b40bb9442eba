from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from pcrnet.cli import main
from pcrnet.errors import GeometryError, ImageError, MissingTagError, PhaseError
from pcrnet.imaging.dicom_reader import read_dicom_series
from pcrnet.imaging.kinetic_maps import TissueModel, write_kinetic_maps
from pcrnet.imaging.mr.kinetics import parker_plasma, spoiled_gradient_signal
from pcrnet.imaging.mr.tofts import tofts_concentration
from pcrnet.imaging.nifti.file import read_nifti, write_nifti
from pcrnet.imaging.volume import Volume

KTRANS, VE, VP = 0.25, 0.35, 0.04
T1_S, RELAXIVITY, REPETITION_S, FLIP = 1.4, 4.5, 0.005, 20.0
STARTS_S = np.arange(0, 420, 10)
INJECTED_S = 55


@pytest.fixture
def dynamic(make_slice, save_series):
    """A DICOM series of 42 phases whose upper half follows the extended Tofts model."""

    def build(**tags):
        elapsed = STARTS_S - INJECTED_S + 0.0
        plasma = parker_plasma(elapsed[-1] + 60.0, arrival_s=55.0)
        curve = tofts_concentration(KTRANS, VE, VP, plasma, np.maximum(elapsed + 55.0, 0.0))
        t1 = 1.0 / (1.0 / T1_S + RELAXIVITY * curve)
        signal = spoiled_gradient_signal(
            t1, repetition_s=REPETITION_S, flip_degrees=FLIP, equilibrium=150_000.0
        )
        slices = []
        for n, start in enumerate(STARTS_S):
            pixels = np.full((4, 6), 3000.0)
            pixels[:2] = signal[n]
            for k in range(2):
                slices.append(
                    make_slice(
                        k,
                        AcquisitionTime=f"10{start // 60:02d}{start % 60:02d}",
                        SOPInstanceUID=f"1.2.3.{k}.{n}",
                        ContrastBolusStartTime=f"1000{INJECTED_S:02d}",
                        pixels=np.round(pixels).astype(int),
                        **{"RepetitionTime": 1000 * REPETITION_S, "FlipAngle": FLIP, **tags},
                    )
                )
        return save_series(slices)

    return build


@pytest.fixture
def lesion(tmp_path: Path):
    """A label image of the enhancing half, on the grid of a series."""

    def build(series: Path, shift_mm: float = 0.0) -> Path:
        volume = read_dicom_series(series, "dce", channel="dce_pre").volume
        affine = volume.affine.copy()
        affine[:3, 3] += shift_mm
        array = np.zeros(volume.array.shape, np.float32)
        array[:, :2] = 1
        path = tmp_path / "mask.nii.gz"
        write_nifti(Volume(array, affine, "label"), path)
        return path

    return build


def test_the_parameters_that_made_a_series_are_found_again(dynamic, lesion, tmp_path: Path) -> None:
    series = dynamic()
    options = ["--mask", str(lesion(series)), "--t1-ms", "1400", "--relaxivity", "4.5"]
    assert main(["kinetics", str(series), str(tmp_path / "maps"), *options]) == 0
    for name, truth in (("ktrans", KTRANS), ("ve", VE), ("vp", VP)):
        found, _ = read_nifti(tmp_path / "maps" / f"{name}.nii.gz")
        # Whole numbers of signal leave about 0.1 %.
        np.testing.assert_allclose(found[:, :2], truth, rtol=0.02)
        assert not found[:, 2:].any()
    record = json.loads((tmp_path / "maps" / "ktrans.json").read_text())
    assert record["unit"] == "1/min"
    assert record["numbers"]["t1_s"] == T1_S
    assert record["voxels_without_value"] == 24


def test_ucsfs_own_maps_come_out_of_ucsfs_series(test_data: Path, tmp_path: Path) -> None:
    folder = test_data / "breast_dce_UCSF-BR-08"
    written = write_kinetic_maps(folder / "image_dce_3dfgre_orig.zip", tmp_path)
    assert [path.name for path in written] == ["pe.nii.gz", "ser.nii.gz"]
    ours = {path.name[: -len(".nii.gz")]: read_nifti(path) for path in written}
    for name, theirs, rounded in (
        ("pe", "pe1", np.floor),
        ("ser", "ser", lambda values: np.clip(values, 0, 3)),
    ):
        reference = read_dicom_series(folder / f"image_dce_{theirs}.zip", "zscore").volume
        values, affine = ours[name]
        np.testing.assert_allclose(affine, reference.affine, atol=1e-3)
        shown = reference.array != 0
        assert shown.sum() > 10_000
        # float32 of the map: the floor of a percentage may fall on the other side of a whole number
        error = np.abs(rounded(values[shown].astype(np.float64)) - reference.array[shown])
        assert (error > 0.00051).mean() < 1e-3 if name == "pe" else error.max() <= 0.00051


def test_a_model_without_its_numbers_is_refused(
    dynamic, lesion, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    series = dynamic()
    out = str(tmp_path / "maps")
    assert main(["kinetics", str(series), out, "--t1-ms", "1400"]) == 2
    assert "--relaxivity" in capsys.readouterr().err
    with pytest.raises(ImageError, match="mask"):
        write_kinetic_maps(series, tmp_path / "maps", model=TissueModel(T1_S, RELAXIVITY))
    assert not (tmp_path / "maps").exists()


@pytest.mark.parametrize("keyword", ["RepetitionTime", "FlipAngle"])
def test_no_repetition_time_or_flip_angle_is_invented(
    dynamic, lesion, tmp_path: Path, keyword: str
) -> None:
    series = dynamic(**{keyword: 0})
    with pytest.raises(MissingTagError, match=keyword):
        write_kinetic_maps(
            series, tmp_path / "maps", mask=lesion(series), model=TissueModel(T1_S, RELAXIVITY)
        )
    assert not (tmp_path / "maps").exists()


def test_a_mask_on_another_grid_is_refused(dynamic, lesion, tmp_path: Path) -> None:
    series = dynamic()
    with pytest.raises(GeometryError, match=r"corners up to 5\.0 mm apart"):
        write_kinetic_maps(series, tmp_path / "maps", mask=lesion(series, shift_mm=5.0))


def test_three_phases_are_too_few_for_the_model(test_data: Path, tmp_path: Path) -> None:
    source = test_data / "breast_dce_UCSF-BR-08" / "image_dce_3dfgre_orig.zip"
    volume = read_dicom_series(source, "dce", channel="dce_pre").volume
    mask = tmp_path / "mask.nii.gz"
    write_nifti(
        Volume((volume.array > volume.array.mean()).astype(np.float32), volume.affine, "label"),
        mask,
    )
    with pytest.raises(PhaseError, match="found 1 and 2"):
        write_kinetic_maps(
            source, tmp_path / "maps", mask=mask, model=TissueModel(T1_S, RELAXIVITY)
        )

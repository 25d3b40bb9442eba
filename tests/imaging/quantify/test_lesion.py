from __future__ import annotations

import json
from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import erf

from pcrnet.errors import GeometryError, ImageError, UnitError
from pcrnet.imaging.quantify.lesion import (
    longest_diameter_mm,
    mean_adc,
    measure_pet,
    suv_peak,
    volume_ml,
)
from pcrnet.imaging.volume import Volume


def _volume(array: np.ndarray, spacing_mm: tuple[float, ...] = (1, 1, 1), unit="SUVbw") -> Volume:
    return Volume(np.asarray(array, np.float32), np.diag([*spacing_mm, 1.0]), unit)


def _ball(shape: tuple[int, ...], spacing_mm: tuple[float, ...], radius_mm: float) -> np.ndarray:
    axes = [(np.arange(n) - (n - 1) / 2) * s for n, s in zip(shape, spacing_mm, strict=True)]
    x, y, z = np.meshgrid(*axes, indexing="ij")
    return x**2 + y**2 + z**2 <= radius_mm**2


@pytest.fixture(scope="module")
def breast(test_data: Path) -> tuple[Volume, np.ndarray, dict]:
    folder = test_data / "pyradiomics_breast1"
    image = SimpleITK.ReadImage(str(folder / "breast1_image.nrrd"))
    label = SimpleITK.ReadImage(str(folder / "breast1_label.nrrd"))
    array = SimpleITK.GetArrayFromImage(image).T
    volume = _volume(array, image.GetSpacing(), "arbitrary")
    reference = json.loads((test_data / "reference_values.json").read_text())
    return volume, SimpleITK.GetArrayFromImage(label).T == 1, reference["pyradiomics_breast1"]


def test_volume_is_that_of_pyradiomics(breast):
    volume, mask, reference = breast
    assert volume_ml(volume, mask) * 1000 == pytest.approx(reference["voxel_volume_mm3"], rel=1e-6)


def test_longest_diameter_is_that_of_pyradiomics(breast):
    volume, mask, reference = breast
    assert longest_diameter_mm(volume, mask) == pytest.approx(reference["max3d_diameter"], rel=1e-6)


def test_uptake_of_a_real_tumour_is_that_of_the_ibsi_consensus(test_data):
    folder = test_data / "sts001_petmr"
    image = nibabel.load(folder / "ibsi_PET_image.nii.gz")
    mask = np.asarray(nibabel.load(folder / "ibsi_PET_mask.nii.gz").dataobj) > 0
    reference = json.loads((test_data / "reference_values.json").read_text())
    reference = reference["sts001_pet"]["ibsi_consensus_native_grid_GTV"]
    measured = measure_pet(
        Volume(np.asarray(image.get_fdata(dtype=np.float32)), image.affine, "SUVbw"), mask
    )
    assert mask.sum() == reference["voxels"]
    assert measured.suv_max == pytest.approx(reference["max"], rel=1e-6)
    assert measured.suv_mean == pytest.approx(reference["mean"], rel=1e-6)
    assert measured.suv_mean < measured.suv_peak < measured.suv_max
    assert measured.mtv_fixed_ml < measured.mtv_relative_ml < mask.sum() * 4.6875**2 * 3.27 / 1000


@pytest.mark.parametrize(
    ("spacing_mm", "shortfall"),
    [((1.0, 1.0, 1.0), 0.003), ((2.0, 2.0, 2.0), 0.01), ((5.47, 5.47, 3.27), 0.05)],
)
def test_peak_of_a_gaussian_lesion_is_its_mean_over_one_millilitre(spacing_mm, shortfall):
    sigma, radius = 9.0, (3000 / (4 * np.pi)) ** (1 / 3)
    axes = [(np.arange(31) - 15) * s for s in spacing_mm]
    x, y, z = np.meshgrid(*axes, indexing="ij")
    suv = 8 * np.exp(-(x**2 + y**2 + z**2) / (2 * sigma**2))
    t = radius / (np.sqrt(2) * sigma)
    inside = erf(t) - 2 * t / np.sqrt(np.pi) * np.exp(-(t**2))
    expected = 8 * (2 * np.pi * sigma**2) ** 1.5 * inside / 1000
    measured = suv_peak(_volume(suv, spacing_mm), suv > 4)
    assert (1 - shortfall) * expected < measured < expected * 1.0005


def test_peak_of_uniform_uptake_is_that_uptake_even_at_the_border_of_the_image():
    suv = _volume(np.full((6, 6, 6), 3.5), (4, 4, 4))
    mask = np.zeros((6, 6, 6), bool)
    mask[0, 0, 0] = True
    assert suv_peak(suv, mask) == pytest.approx(3.5)


def test_peak_is_sought_inside_the_lesion_only():
    array = np.ones((20, 20, 20))
    array[3:8, 3:8, 3:8], array[14, 14, 14] = 9.0, 4.0
    mask = np.zeros(array.shape, bool)
    mask[13:16, 13:16, 13:16] = True
    assert 1.0 < suv_peak(_volume(array, (3, 3, 3)), mask) < 2.0


def test_peak_agrees_with_a_count_of_fine_voxels():
    rng = np.random.default_rng(4)
    array = rng.gamma(2.0, 1.5, (24, 24, 24))
    mask = np.zeros(array.shape, bool)
    mask[10:14, 10:14, 10:14] = True
    spacing = 0.8
    places = np.argwhere(np.ones(array.shape)) * spacing
    centres = np.argwhere(mask) * spacing
    means = [
        array.ravel()[((places - centre) ** 2).sum(1) <= (3000 / (4 * np.pi)) ** (2 / 3)].mean()
        for centre in centres
    ]
    measured = suv_peak(_volume(array, (spacing,) * 3), mask)
    assert measured == pytest.approx(max(means), rel=0.01)


def test_metabolic_volume_and_glycolysis_follow_from_the_voxels_above_the_threshold():
    array = np.zeros((10, 10, 10))
    array[2:4, 2:4, 2:4], array[5, 5, 5] = 10.0, 5.0
    array[6, 5, 5], array[7, 5, 5] = 4.2, 4.0
    measured = measure_pet(_volume(array, (4, 4, 5)), np.ones(array.shape, bool))
    voxel_ml = 0.08
    assert measured.mtv_fixed_ml == pytest.approx(11 * voxel_ml)
    assert measured.tlg_fixed_ml == pytest.approx((80 + 5 + 4.2 + 4.0) * voxel_ml)
    assert measured.mtv_relative_ml == pytest.approx(10 * voxel_ml)
    assert measured.tlg_relative_ml == pytest.approx((80 + 5 + 4.2) * voxel_ml)


def test_a_lesion_below_the_fixed_threshold_has_no_metabolic_volume():
    measured = measure_pet(_volume(np.full((5, 5, 5), 2.0)), np.ones((5, 5, 5), bool))
    assert (measured.mtv_fixed_ml, measured.tlg_fixed_ml) == (0.0, 0.0)


@given(
    spacing_mm=st.tuples(*[st.floats(0.5, 5.0)] * 3),
    box=st.tuples(*[st.integers(1, 6)] * 3),
)
def test_longest_diameter_of_a_box_joins_its_far_faces(spacing_mm, box):
    mask = np.zeros((8, 8, 8), bool)
    mask[tuple(slice(1, 1 + n) for n in box)] = True
    grid = _volume(mask, spacing_mm, "label")
    n, s = np.array(box), np.array(spacing_mm)
    # A face's corner points lie half a voxel inside the box along the two other axes.
    longest = max(np.linalg.norm((n - 1 + (np.arange(3) == axis)) * s) for axis in range(3))
    assert longest_diameter_mm(grid, mask) == pytest.approx(longest)


def test_longest_diameter_does_not_depend_on_how_the_scan_lies():
    mask = _ball((24, 24, 24), (1, 1, 1), 8.0)
    turn, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))
    affine = np.eye(4)
    affine[:3, :3] = turn
    straight = _volume(mask, unit="label")
    oblique = Volume(straight.array, affine, "label")
    assert longest_diameter_mm(oblique, mask) == pytest.approx(longest_diameter_mm(straight, mask))


def test_volume_of_an_oblique_scan_counts_true_millilitres():
    affine = np.eye(4)
    affine[:3, :3] = [[2, 0.5, 0], [0, 2, 0], [0, 0, 3]]
    grid = Volume(np.zeros((4, 4, 4), np.float32), affine, "label")
    assert volume_ml(grid, np.ones((4, 4, 4), bool)) == pytest.approx(64 * 12 / 1000)


def test_mean_adc_leaves_out_voxels_without_a_fit():
    adc = _volume(np.array([[[0.0, 1.0, 2.0]]]), unit="1e-3 mm2/s")
    assert mean_adc(adc, np.ones((1, 1, 3), bool)) == pytest.approx(1.5)


def test_what_cannot_be_measured_is_refused():
    suv = _volume(np.ones((3, 3, 3)))
    with pytest.raises(ImageError, match="empty"):
        measure_pet(suv, np.zeros((3, 3, 3), bool))
    with pytest.raises(GeometryError, match=r"\(2, 3, 3\)"):
        measure_pet(suv, np.ones((2, 3, 3), bool))
    with pytest.raises(UnitError, match="arbitrary"):
        measure_pet(_volume(np.ones((3, 3, 3)), unit="arbitrary"), np.ones((3, 3, 3), bool))
    with pytest.raises(UnitError, match="SUVbw"):
        mean_adc(suv, np.ones((3, 3, 3), bool))
    adc = _volume(np.zeros((3, 3, 3)), unit="1e-3 mm2/s")
    with pytest.raises(ImageError, match="no positive value"):
        mean_adc(adc, np.ones((3, 3, 3), bool))

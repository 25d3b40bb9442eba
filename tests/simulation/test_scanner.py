from __future__ import annotations

from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage

from pcrnet.simulation.phantom_grid import PhantomGrid
from pcrnet.simulation.scanner import (
    SCANNERS,
    SEQUENCES,
    ScanGrid,
    acquire,
    motion,
    patient_to_world,
    plan_grid,
    voxel_mm,
)
from pcrnet.simulation.tissue import AIR, FAT, GLAND, MUSCLE, Tissue, TissueMaps

PHANTOM = PhantomGrid.covering(2.0)


def _uniform(tissue: Tissue) -> TissueMaps:
    return TissueMaps.from_labels(np.zeros(PHANTOM.shape, dtype=np.uint8), (tissue,))


def _world(*, right: bool = True) -> np.ndarray:
    rng = np.random.default_rng(0)
    return patient_to_world(rng, right=right, visit_mm=0.0, visit_degrees=0.0)


def _plan(sequence: str, scanner=SCANNERS[0], seed: int = 1, world=None) -> ScanGrid:
    world = _world() if world is None else world
    return plan_grid(np.random.default_rng(seed), scanner, sequence, PHANTOM, world, 2.5)


@pytest.mark.parametrize("scanner", SCANNERS)
@pytest.mark.parametrize("sequence", SEQUENCES)
def test_grids_have_the_site_s_orientation_and_spacing(scanner, sequence):
    grid = _plan(sequence, scanner)
    assert "".join(nib.aff2axcodes(grid.affine)) == scanner.orientation[sequence]
    assert nib.affines.voxel_sizes(grid.affine) == pytest.approx(voxel_mm(sequence, 2.5))
    directions = grid.affine[:3, :3] / voxel_mm(sequence, 2.5)
    assert directions.T @ directions == pytest.approx(np.eye(3), abs=1e-12)


def test_sites_have_oblique_and_left_handed_grids():
    affines = [_plan(sequence, scanner).affine for scanner in SCANNERS for sequence in SEQUENCES]
    handedness = {bool(np.linalg.det(affine[:3, :3]) > 0) for affine in affines}
    assert handedness == {True, False}
    assert sum(nib.affines.obliquity(affine).max() > 0.05 for affine in affines) >= 4


@pytest.mark.parametrize("scanner", SCANNERS)
def test_sampling_agrees_with_scipy(scanner):
    values = np.random.default_rng(2).random(PHANTOM.shape, dtype=np.float32)
    grid = _plan("t2", scanner)
    expected = ndimage.affine_transform(
        values,
        grid.to_phantom[:3, :3],
        grid.to_phantom[:3, 3],
        output_shape=grid.shape,
        order=1,
        mode="nearest",
    )
    assert grid.sample(values) == pytest.approx(expected, abs=2e-3)


@pytest.mark.parametrize("right", [True, False])
def test_voxels_lie_where_the_affine_says(right):
    """A map of the lateral coordinate, sampled, is the world's x up to side and small motion."""
    world = _world(right=right)
    u = np.broadcast_to(PHANTOM.axes_mm[0][:, None, None], PHANTOM.shape).astype(np.float32)
    grid = _plan("dce", SCANNERS[1], world=world)
    indices = np.argwhere(np.ones(grid.shape, dtype=bool))
    x_mm = nib.affines.apply_affine(grid.affine, indices)[:, 0]
    lateral_mm = (x_mm - world[0, 3]) * (1.0 if right else -1.0)
    inner = np.abs(lateral_mm) < 60.0
    difference_mm = np.abs(grid.sample(u).ravel() - lateral_mm)[inner]
    assert difference_mm.max() < 4.0


def test_the_lateral_side_is_the_patient_s_right_for_the_right_breast():
    lateral = np.array([50.0, 0.0, 0.0, 1.0])
    assert (_world(right=True) @ lateral)[0] > (_world(right=True))[0, 3]
    assert (_world(right=False) @ lateral)[0] < (_world(right=False))[0, 3]


def test_motion_is_rigid_and_bounded():
    centre_mm = np.array([80.0, 50.0, -10.0])
    for seed in range(20):
        matrix = motion(np.random.default_rng(seed), centre_mm, 3.0, 2.0)
        rotation = matrix[:3, :3]
        shift_mm = matrix[:3, :3] @ centre_mm + matrix[:3, 3] - centre_mm
        assert rotation @ rotation.T == pytest.approx(np.eye(3), abs=1e-12)
        assert np.linalg.det(rotation) == pytest.approx(1.0)
        assert np.abs(shift_mm).max() <= 6.0 + 1e-9


def test_pet_spreads_a_point_by_the_site_s_resolution():
    scanner = replace(SCANNERS[0], pet_noise=0.0)
    maps = _uniform(AIR)
    middle = tuple(size // 2 for size in PHANTOM.shape)
    maps.suv[...] = 0.0
    maps.suv[middle] = 1000.0
    grid = _plan("pet", scanner)
    image = acquire(np.random.default_rng(0), scanner, "pet", maps, PHANTOM, grid)["pet"]
    position_mm = np.argwhere(image > 0) @ (grid.affine[:3, :3]).T
    weight = image[image > 0] / image.sum()
    variance = (weight[:, None] * (position_mm - weight @ position_mm) ** 2).sum(axis=0)
    # Linear interpolation between phantom voxels widens the spread by up to a sixth of 2 mm².
    assert 2.3548 * np.sqrt(variance) == pytest.approx([scanner.pet_fwhm_mm] * 3, rel=0.12)


def test_pet_noise_has_the_statistics_of_counts():
    variances = []
    for suv in (1.0, 4.0, 9.0):
        maps = _uniform(replace(GLAND, suv=suv))
        image = acquire(np.random.default_rng(3), SCANNERS[0], "pet", maps, PHANTOM, _plan("pet"))[
            "pet"
        ]
        variances.append(np.var(image))
        assert image.mean() == pytest.approx(suv, rel=0.2)
    assert np.array(variances) / variances[0] == pytest.approx([1.0, 4.0, 9.0], rel=0.15)


def test_adc_is_unbiased_in_tissue_and_zero_where_there_is_no_signal():
    grid = _plan("adc")
    rng = np.random.default_rng(4)
    tissue = acquire(rng, SCANNERS[0], "adc", _uniform(GLAND), PHANTOM, grid)["adc"]
    air = acquire(rng, SCANNERS[0], "adc", _uniform(AIR), PHANTOM, grid)["adc"]
    assert np.median(tissue) == pytest.approx(GLAND.adc, rel=0.03)
    assert np.mean(air > 0.0) < 0.01


def test_adc_is_noisier_where_signal_is_lower():
    grid = _plan("adc")
    spread = {}
    for name, tissue in (("gland", GLAND), ("muscle", replace(MUSCLE, adc=GLAND.adc))):
        maps = _uniform(tissue)
        image = acquire(np.random.default_rng(5), SCANNERS[0], "adc", maps, PHANTOM, grid)["adc"]
        spread[name] = image.std()
    assert spread["muscle"] > 1.5 * spread["gland"]


def test_dce_phases_share_gain_and_bias_field():
    scanner = replace(SCANNERS[0], mri_noise=0.0)
    images = acquire(
        np.random.default_rng(6), scanner, "dce", _uniform(GLAND), PHANTOM, _plan("dce", scanner)
    )
    ratio = images["dce_late"] / images["dce_pre"]
    assert ratio.std() < 1e-4 * ratio.mean()
    assert images["dce_pre"].std() > 0.05 * images["dce_pre"].mean()


def test_background_noise_is_rayleigh():
    flat = replace(SCANNERS[0], bias=0.0)
    image = acquire(np.random.default_rng(7), flat, "t2", _uniform(AIR), PHANTOM, _plan("t2"))["t2"]
    # For a Rayleigh variable the ratio of mean to standard deviation is sqrt(π/(4 − π)).
    assert image.mean() / image.std() == pytest.approx(np.sqrt(np.pi / (4.0 - np.pi)), rel=0.02)


def test_t2_weighting_separates_fluid_like_tissue_from_muscle():
    means = {
        name: acquire(
            np.random.default_rng(8), SCANNERS[0], "t2", _uniform(tissue), PHANTOM, _plan("t2")
        )["t2"].mean()
        for name, tissue in (("gland", GLAND), ("muscle", MUSCLE), ("fat", FAT))
    }
    assert means["gland"] > 2.0 * means["muscle"]
    assert means["gland"] > 2.0 * means["fat"]


def test_an_unknown_sequence_is_an_error():
    with pytest.raises(ValueError, match="ultrasound"):
        acquire(
            np.random.default_rng(0), SCANNERS[0], "ultrasound", _uniform(FAT), PHANTOM, _plan("t2")
        )

from __future__ import annotations

from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest

from pcrnet.simulation.pattern.scanner import (
    PATTERN_SCANNERS,
    CalibratedScanner,
    acquire_pattern,
    correlated_noise,
)
from pcrnet.simulation.phantom_grid import PhantomGrid
from pcrnet.simulation.scanner import SEQUENCES, ScanGrid, patient_to_world, plan_grid, voxel_mm
from pcrnet.simulation.tissue import AIR, GLAND, VESSEL, Tissue, TissueMaps

PHANTOM = PhantomGrid.covering(2.5)


def _uniform(tissue: Tissue) -> TissueMaps:
    return TissueMaps.from_labels(np.zeros(PHANTOM.shape, dtype=np.uint8), (tissue,))


def _plan(sequence: str, scanner: CalibratedScanner = PATTERN_SCANNERS[0]) -> ScanGrid:
    world = patient_to_world(np.random.default_rng(0), right=True, visit_mm=0.0, visit_degrees=0.0)
    return plan_grid(np.random.default_rng(1), scanner, sequence, PHANTOM, world, 4.0)


def _acquire(seed: int, sequence: str, maps: TissueMaps, **changes: float) -> dict[str, np.ndarray]:
    scanner = replace(PATTERN_SCANNERS[0], **changes)
    rng = np.random.default_rng(seed)
    return acquire_pattern(rng, scanner, sequence, maps, PHANTOM, _plan(sequence, scanner))


@pytest.mark.parametrize("scanner", PATTERN_SCANNERS)
@pytest.mark.parametrize("sequence", SEQUENCES)
def test_grids_have_the_site_s_orientation_and_the_trial_s_spacing(scanner, sequence):
    grid = _plan(sequence, scanner)
    assert "".join(nib.aff2axcodes(grid.affine)) == scanner.orientation[sequence]
    assert nib.affines.voxel_sizes(grid.affine) == pytest.approx(voxel_mm(sequence, 4.0))


def test_pet_has_a_factor_of_the_site_and_one_of_the_visit():
    maps = _uniform(replace(GLAND, suv=2.0))
    factors = [_acquire(seed, "pet", maps, pet_noise=0.0)["pet"].mean() / 2.0 for seed in range(60)]
    assert np.std(factors) == pytest.approx(0.08, abs=0.03)
    assert np.mean(factors) == pytest.approx(1.0, abs=0.04)
    low, high = (_acquire(1, "pet", maps, pet_noise=0.0, pet_factor=f)["pet"] for f in (0.9, 1.1))
    assert high.mean() / low.mean() == pytest.approx(1.1 / 0.9, rel=1e-4)


def test_pet_noise_is_correlated_over_a_centimetre_and_of_unit_variance():
    noise = correlated_noise(np.random.default_rng(2), _plan("pet"), 3.6)
    assert noise.std() == pytest.approx(1.0, abs=0.06)
    neighbours = np.corrcoef(noise[1:].ravel(), noise[:-1].ravel())[0, 1]
    # White noise smoothed by a Gaussian: exp(−d²/4σ²) at a distance of one voxel, 4 mm.
    assert neighbours == pytest.approx(np.exp(-(4.0**2) / (4.0 * 3.6**2)), abs=0.05)


def test_pet_is_spread_wider_along_the_axis():
    maps = _uniform(AIR)
    maps.suv[...] = 0.0
    maps.suv[tuple(size // 2 for size in PHANTOM.shape)] = 1000.0
    scanner = replace(PATTERN_SCANNERS[0], pet_noise=0.0)
    grid = _plan("pet", scanner)
    image = acquire_pattern(np.random.default_rng(0), scanner, "pet", maps, PHANTOM, grid)["pet"]
    position_mm = np.argwhere(image > 0) @ grid.affine[:3, :3].T
    weight = image[image > 0] / image.sum()
    spread = np.sqrt((weight[:, None] * (position_mm - weight @ position_mm) ** 2).sum(axis=0))
    expected = scanner.pet_fwhm_mm * np.array([1.0, 1.0, 1.15])
    assert 2.3548 * spread == pytest.approx(expected, rel=0.15)


def test_the_dose_differs_by_visit_and_scales_enhancement_everywhere():
    ratios = []
    for seed in range(12):
        values = []
        for tissue in (GLAND, VESSEL):
            phases = _acquire(seed, "dce", _uniform(tissue), mri_noise=0.0)
            values.append(float(np.mean(phases["dce_early"] / phases["dce_pre"]) - 1.0))
        ratios.append(values)
    gland, vessel = np.array(ratios).T
    assert gland.std() / gland.mean() > 0.1
    assert np.corrcoef(gland, vessel)[0, 1] > 0.9


def test_the_gain_of_mri_is_arbitrary_and_its_field_falls_off():
    means = []
    for seed in range(8):
        image = _acquire(seed, "t2", _uniform(GLAND), mri_noise=0.0)["t2"]
        means.append(image.mean())
        assert image.max() > 1.5 * image.min()
    assert max(means) > 2.0 * min(means)


def test_the_phases_of_one_scan_share_gain_and_field():
    images = _acquire(6, "dce", _uniform(GLAND), mri_noise=0.0)
    ratio = images["dce_late"] / images["dce_pre"]
    assert ratio.std() < 1e-4 * ratio.mean()


def test_adc_is_nearly_unbiased_in_tissue_and_zero_where_there_is_no_signal():
    medians = [np.median(_acquire(seed, "adc", _uniform(GLAND))["adc"]) for seed in range(12)]
    assert np.mean(medians) == pytest.approx(GLAND.adc, rel=0.03)
    assert 0.005 < np.std(medians) / GLAND.adc < 0.06
    assert np.mean(_acquire(4, "adc", _uniform(AIR))["adc"] > 0.0) < 0.01


def test_background_noise_is_rayleigh():
    image = _acquire(7, "t2", _uniform(AIR), bias=0.0)["t2"]
    assert image.mean() / image.std() == pytest.approx(np.sqrt(np.pi / (4.0 - np.pi)), rel=0.03)


def test_an_unknown_sequence_is_an_error():
    scanner = PATTERN_SCANNERS[0]
    with pytest.raises(ValueError, match="ultrasound"):
        acquire_pattern(
            np.random.default_rng(0), scanner, "ultrasound", _uniform(AIR), PHANTOM, _plan("t2")
        )

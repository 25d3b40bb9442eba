from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from pcrnet.simulation.lesions import Phantom
from pcrnet.simulation.pattern.anatomy import pendulous_breast
from pcrnet.simulation.pattern.biology import (
    NodeRegression,
    PatternPatient,
    Regression,
    draw_pattern_patient,
)
from pcrnet.simulation.pattern.lesions import (
    Mass,
    grow_mass,
    place_pattern_lesions,
    residual_fraction,
    viability_field,
)
from pcrnet.simulation.phantom_grid import PhantomGrid

GRID = PhantomGrid.covering(2.0)
PATIENT = draw_pattern_patient(np.random.default_rng(3))
DISEASE = replace(PATIENT.disease, diameter_mm=38.0, suv=9.0, cN=1, necrotic=False)
REGRESSION = Regression(
    volume=0.3,
    suv=0.6,
    adc=1.2,
    ktrans=0.7,
    scatter=0.0,
    shallowness=0.3,
    inflammation=1.3,
)


def _mass(seed: int) -> Mass:
    return grow_mass(np.random.default_rng(seed), GRID, DISEASE, 0.2)


def _residue(seed: int, **changes: float) -> tuple[Mass, np.ndarray]:
    mass, regression = _mass(seed), replace(REGRESSION, **changes)
    viability = viability_field(np.random.default_rng((seed, 1)), mass, regression)
    return mass, mass.fraction * residual_fraction(mass, regression, viability)


def _gyration(residue: np.ndarray) -> float:
    """Radius of gyration over that of a sphere of the same volume."""
    index = np.argwhere(residue > 0.5)
    spread = np.sqrt(((index - index.mean(axis=0)) ** 2).sum(axis=1).mean())
    radius = np.cbrt(3.0 * len(index) / (4.0 * np.pi))
    return float(spread / (radius * np.sqrt(0.6)))


def _place(seed: int, patient: PatternPatient) -> tuple[np.ndarray, Phantom]:
    healthy = pendulous_breast(np.random.default_rng(seed), GRID, right=True)
    air = healthy.water == 0.0
    return air, place_pattern_lesions(np.random.default_rng(seed), GRID, healthy, patient)


@pytest.mark.parametrize("scatter", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("volume", [0.1, 0.3, 0.6])
def test_as_much_is_left_as_the_regression_says_whatever_its_pattern(volume, scatter):
    share = []
    for seed in range(4):
        mass, residue = _residue(seed, volume=volume, scatter=scatter)
        share.append(residue.sum() / mass.fraction.sum())
    assert np.mean(share) == pytest.approx(volume, abs=0.05)


def test_scatter_spreads_the_residue_and_breaks_it_up():
    spread, pieces = {}, {}
    for scatter in (0.0, 0.5, 1.0):
        residues = [_residue(seed, scatter=scatter)[1] for seed in range(6)]
        spread[scatter] = np.mean([_gyration(each) for each in residues])
        pieces[scatter] = np.mean([ndimage.label(each > 0.5)[1] for each in residues])
    assert spread[0.0] < 1.15
    assert spread[0.0] < spread[0.5] < spread[1.0]
    assert spread[1.0] > 1.3
    assert pieces[0.0] <= 2.0
    assert pieces[1.0] > 4.0


@pytest.mark.parametrize("scatter", [0.0, 1.0])
def test_a_shallow_residue_lies_nearer_to_the_surface_of_the_bed(scatter):
    depth = {}
    for shallowness in (0.05, 0.95):
        found = []
        for seed in range(6):
            mass, residue = _residue(seed, scatter=scatter, shallowness=shallowness)
            found.append(mass.depth[residue > 0.5].mean())
        depth[shallowness] = np.mean(found)
    assert depth[0.95] < depth[0.05] - 0.08


def test_a_hollow_tumour_is_hotter_in_its_rim():
    for hollowness, hotter in ((0.0, False), (1.0, True)):
        mass = grow_mass(np.random.default_rng(2), GRID, DISEASE, hollowness)
        rim = (mass.depth > 0.0) & (mass.depth < 0.2)
        core = mass.depth > 0.6
        assert (mass.texture[rim].mean() > 1.5 * mass.texture[core].mean()) == hotter


def test_the_bed_around_the_residue_smoulders():
    patient = replace(
        PATIENT,
        disease=replace(DISEASE, cN=0),
        hollowness=0.0,
        regression=replace(REGRESSION, volume=0.02, inflammation=2.4),
    )
    _, phantom = _place(4, patient)
    inside = phantom.tumour > 0.99
    assert np.median(phantom.interim.suv[inside]) == pytest.approx(2.4, rel=0.15)
    assert np.median(phantom.baseline.suv[inside]) > 6.0


def test_a_sensitive_axilla_cools_and_a_resistant_one_does_not():
    change = {}
    for volume, suv in ((0.1, 0.25), (0.9, 1.0)):
        patient = replace(PATIENT, disease=DISEASE, node_regression=NodeRegression(volume, suv))
        _, phantom = _place(5, patient)
        axilla = GRID.region((52.0, -24.0, 30.0), 24.0).box
        away = phantom.tumour[axilla] == 0.0
        hot = [
            np.sort(maps.suv[axilla][away])[-40:].mean()
            for maps in (phantom.baseline, phantom.interim)
        ]
        change[volume] = hot[1] / hot[0]
    assert change[0.1] < 0.6
    assert change[0.9] > 0.75


def test_lesions_stay_within_the_body():
    patient = replace(PATIENT, disease=replace(DISEASE, diameter_mm=60.0))
    air, phantom = _place(6, patient)
    for maps in (phantom.baseline, phantom.interim):
        assert (maps.water[air] == 0.0).all()
    assert (phantom.tumour[air] == 0.0).all()
    assert phantom.tumour.max() == 1.0


@pytest.mark.parametrize("seed", range(3))
def test_diffusion_stays_within_what_water_can_do(seed):
    patient = draw_pattern_patient(np.random.default_rng(seed))
    _, phantom = _place(seed, patient)
    for maps in (phantom.baseline, phantom.interim):
        assert maps.adc[phantom.tumour > 0.5].min() > 0.3
        assert maps.adc.max() < 3.2

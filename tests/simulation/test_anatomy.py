from __future__ import annotations

import numpy as np
import pytest

from pcrnet.simulation.anatomy import AXILLA_MM, healthy_breast
from pcrnet.simulation.phantom_grid import PhantomGrid
from pcrnet.simulation.tissue import FAT, GLAND, LUNG, MUSCLE

GRID = PhantomGrid.covering(2.0)


@pytest.fixture(scope="module")
def breasts():
    return [healthy_breast(np.random.default_rng(seed), GRID) for seed in range(4)]


def test_from_lung_through_muscle_and_breast_to_air(breasts):
    middle = GRID.region((0.0, 0.0, -8.0), 1.0)
    for maps in breasts:
        water = maps.water[middle.box[0].start, :, middle.box[2].start]
        first_air = int(np.flatnonzero(water == 0.0)[0])
        muscle = np.flatnonzero(water == np.float32(MUSCLE.water))
        assert water[0] == np.float32(LUNG.water)
        assert 0 < muscle[0] < muscle[-1] < first_air
        assert (water[first_air:] == 0.0).all()


def test_gland_lies_within_the_breast_and_its_amount_varies(breasts):
    shares = []
    for maps in breasts:
        gland = (maps.water - FAT.water) / (GLAND.water - FAT.water) > 0.9
        shares.append(gland.mean())
        # None of it against the skin: the two millimetres below air hold no gland.
        air = maps.water == 0.0
        assert not (gland[:, :-2] & air[:, 2:]).any()
    assert min(shares) > 0.0
    assert max(shares) < 0.3
    assert max(shares) > 2.0 * min(shares)


def test_healthy_uptake_is_low_everywhere(breasts):
    for maps in breasts:
        assert maps.suv.max() < 5.0
        assert np.quantile(maps.suv, 0.99) < 2.5


def test_the_axilla_is_fat_with_normal_nodes(breasts):
    axilla = GRID.region(AXILLA_MM, 14.0)
    for maps in breasts:
        values = maps.adc[axilla.box]
        assert np.mean(np.isclose(values, FAT.adc)) > 0.4
        assert np.any(maps.ktrans[axilla.box] > 0.05)


def test_a_finer_grid_shows_the_same_breast():
    coarse, fine = (
        healthy_breast(np.random.default_rng(9), PhantomGrid.covering(spacing))
        for spacing in (4.0, 2.0)
    )
    averaged = fine.water[:80, :80, :64].reshape(40, 2, 40, 2, 32, 2).mean(axis=(1, 3, 5))
    assert np.corrcoef(averaged.ravel(), coarse.water[:, :, :32].ravel())[0, 1] > 0.95

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from pcrnet.simulation.pattern.anatomy import LIVER, pendulous_breast
from pcrnet.simulation.phantom_grid import PhantomGrid
from pcrnet.simulation.tissue import FAT, GLAND, LUNG, MUSCLE

GRID = PhantomGrid.covering(2.5)


@pytest.fixture(scope="module")
def breasts():
    return [
        pendulous_breast(np.random.default_rng(seed), GRID, right=right)
        for seed in range(3)
        for right in (True, False)
    ]


def test_from_lung_through_breast_to_air(breasts):
    middle = GRID.region((0.0, 0.0, -8.0), 1.0)
    for maps in breasts:
        water = maps.water[middle.box[0].start, :, middle.box[2].start]
        first_air = int(np.flatnonzero(water == 0.0)[0])
        muscle = np.flatnonzero(water == np.float32(MUSCLE.water))
        assert water[0] == np.float32(LUNG.water)
        assert 0 < muscle[0] < muscle[-1] < first_air
        assert (water[first_air:] == 0.0).all()


def test_the_body_is_of_one_piece(breasts):
    for maps in breasts:
        sizes = np.bincount(ndimage.label(maps.water > 0.0)[0].ravel())[1:]
        assert sizes.max() > 0.999 * sizes.sum()


def test_background_uptake_is_plausible(breasts):
    for maps in breasts:
        fat = maps.water == np.float32(FAT.water)
        gland = (maps.water - FAT.water) / (GLAND.water - FAT.water)
        dense = (gland > 0.9) & (maps.adc > 1.7) & (maps.vp < 0.1)
        assert fat.mean() > 0.05
        assert maps.suv[fat].mean() == pytest.approx(FAT.suv, abs=0.05)
        assert 0.3 < np.median(maps.suv[dense]) < 3.5


def test_the_liver_lies_on_the_right_and_the_heart_on_the_left(breasts):
    behind = GRID.region((-30.0, -80.0, -30.0), 50.0).box
    for right, left in zip(breasts[0::2], breasts[1::2], strict=True):
        assert np.isclose(right.water[behind], LIVER.water).sum() > 300
        assert np.percentile(left.suv[behind], 99) > 1.2
        assert not np.isclose(left.water[behind], LIVER.water, atol=1e-4).sum() > 300


def test_density_differs_from_patient_to_patient(breasts):
    share = [float((maps.water > 0.6).sum() / (maps.water > 0.0).sum()) for maps in breasts]
    assert max(share) > 1.15 * min(share)

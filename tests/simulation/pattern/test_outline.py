from __future__ import annotations

import numpy as np
import pytest

from pcrnet.simulation.lesions import Phantom
from pcrnet.simulation.pattern.outline import rough_outline
from pcrnet.simulation.phantom_grid import PhantomGrid
from pcrnet.simulation.tissue import FAT, TissueMaps

GRID = PhantomGrid.covering(2.0)


def _phantom(radius_mm: float) -> Phantom:
    maps = TissueMaps.from_labels(np.zeros(GRID.shape, dtype=np.uint8), (FAT,))
    whole = GRID.whole
    ball = whole.inner_fraction(whole.ellipsoid_depth((10.0, 0.0, 0.0), (radius_mm,) * 3))
    return Phantom(GRID, maps, maps, ball)


def _dice(first: np.ndarray, second: np.ndarray) -> float:
    return float(2.0 * (first & second).sum() / (first.sum() + second.sum()))


def test_an_outline_agrees_with_the_truth_as_readers_do():
    phantom = _phantom(15.0)
    dice = [
        _dice(rough_outline(np.random.default_rng(seed), phantom) >= 0.5, phantom.tumour >= 0.5)
        for seed in range(20)
    ]
    assert 0.8 < np.median(dice) < 0.93
    assert min(dice) > 0.65
    assert max(dice) < 0.99


@pytest.mark.parametrize("radius_mm", [2.0, 5.0])
def test_even_a_small_lesion_gets_an_outline_near_it(radius_mm):
    for seed in range(5):
        drawn = rough_outline(np.random.default_rng(seed), _phantom(radius_mm)) >= 0.5
        assert drawn.any()
        centre_mm = np.argwhere(drawn).mean(axis=0) * GRID.spacing_mm + GRID.affine[:3, 3]
        assert np.linalg.norm(centre_mm - (10.0, 0.0, 0.0)) < 6.0

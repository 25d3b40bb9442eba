from __future__ import annotations

import numpy as np
import pytest

from pcrnet.simulation.tissue import AIR, FAT, GLAND, PROPERTIES, TissueMaps

BOX = (slice(0, 2), slice(0, 2), slice(0, 2))


def _fat(shape=(3, 3, 3)) -> TissueMaps:
    return TissueMaps.from_labels(np.ones(shape, dtype=np.uint8), (AIR, FAT))


def test_labels_become_their_tissue():
    labels = np.array([[[0, 1, 2]]], dtype=np.uint8)
    maps = TissueMaps.from_labels(labels, (AIR, FAT, GLAND))
    for name in PROPERTIES:
        expected = [getattr(tissue, name) for tissue in (AIR, FAT, GLAND)]
        assert getattr(maps, name).ravel() == pytest.approx(expected)


def test_mixing_is_linear_and_stays_in_its_box():
    maps = _fat()
    maps.mix_in(BOX, np.full((2, 2, 2), 0.25, dtype=np.float32), GLAND)
    assert maps.t1_ms[0, 0, 0] == pytest.approx(0.75 * FAT.t1_ms + 0.25 * GLAND.t1_ms)
    assert maps.t1_ms[2, 2, 2] == FAT.t1_ms


def test_texture_raises_uptake_and_perfusion_and_lowers_diffusion():
    maps = _fat()
    whole = np.ones((2, 2, 2), dtype=np.float32)
    maps.mix_in(BOX, whole, GLAND, texture=4.0 * whole)
    assert maps.suv[0, 0, 0] == pytest.approx(4.0 * GLAND.suv)
    assert maps.ktrans[0, 0, 0] == pytest.approx(4.0 * GLAND.ktrans)
    assert maps.adc[0, 0, 0] == pytest.approx(GLAND.adc / 2.0)
    assert maps.t2_ms[0, 0, 0] == pytest.approx(GLAND.t2_ms)


def test_a_copy_shares_nothing():
    maps = _fat()
    other = maps.copy()
    other.mix_in(BOX, np.ones((2, 2, 2), dtype=np.float32), GLAND)
    assert (maps.suv == np.float32(FAT.suv)).all()


def test_air_is_not_solid():
    labels = np.array([[[0, 1]]], dtype=np.uint8)
    maps = TissueMaps.from_labels(labels, (AIR, FAT))
    assert maps.solid((slice(None), slice(None), slice(None))).ravel().tolist() == [0.0, 1.0]

"""One healthy breast with its skin, fat, gland, chest wall and axilla."""

from __future__ import annotations

import numpy as np

from pcrnet.simulation.phantom_grid import FloatMap, PhantomGrid, PhantomRegion
from pcrnet.simulation.tissue import (
    AIR,
    FAT,
    GLAND,
    LUNG,
    MUSCLE,
    NODE,
    SKIN,
    VESSEL,
    TissueMaps,
)

AXILLA_MM = (50.0, -20.0, 25.0)
"""Middle of the axillary fat, where level I nodes lie; canonical frame."""

_SKIN_MM = 2.0
_PECTORAL_MM = 9.0
_CHEST_WALL_MM = 11.0
_LABELLED = (AIR, LUNG, SKIN, FAT, MUSCLE)
_AIR, _LUNG, _SKIN, _FAT, _MUSCLE = range(len(_LABELLED))


def healthy_breast(rng: np.random.Generator, grid: PhantomGrid) -> TissueMaps:
    """A breast of random size, density and enhancement, with its chest wall and axilla."""
    whole = grid.whole
    ribs_mm = _height_above_ribs(whole)
    breast_mm = whole.ellipsoid_depth(
        np.array([-2.0, -22.0, -8.0]) + rng.normal(0.0, 2.0, 3),
        np.array([62.0, 78.0, 54.0]) * rng.uniform(0.9, 1.08),
    )
    axilla_mm = whole.ellipsoid_depth((58.0, -32.0, 30.0), (30.0, 30.0, 42.0))
    depth_mm = np.maximum(np.maximum(breast_mm, axilla_mm), 22.0 - ribs_mm)
    depth_mm += 0.8 * whole.smooth_field(rng, 14.0)

    labels = np.full(grid.shape, _FAT, dtype=np.uint8)
    muscle = (ribs_mm < _PECTORAL_MM) & (np.abs(ribs_mm) > 1.2)  # a sheet of fat lies on the ribs
    np.copyto(labels, _MUSCLE, where=muscle)
    np.copyto(labels, _LUNG, where=ribs_mm < -_CHEST_WALL_MM)
    labels[depth_mm < _SKIN_MM] = _SKIN
    labels[depth_mm < 0.0] = _AIR
    maps = TissueMaps.from_labels(labels, _LABELLED)

    parenchyma_mm = np.minimum(breast_mm - 9.0, ribs_mm - _PECTORAL_MM - 2.0)
    gland = _gland_fraction(rng, whole, parenchyma_mm) * (labels == _FAT)
    enhancement = rng.lognormal(0.0, 0.35) * np.exp(0.25 * whole.smooth_field(rng, 5.0))
    maps.mix_in(whole.box, gland, GLAND, enhancement.astype(np.float32))
    _add_vessel(rng, grid, maps)
    _add_normal_nodes(rng, grid, maps)
    return maps


def _height_above_ribs(region: PhantomRegion) -> FloatMap:
    """About the distance outward from the ribs, negative inside; they fall away to the side."""
    radius = np.hypot((region.u + 60.0) / 128.0, (region.v + 100.0) / 78.0)
    return np.asarray((radius - 1.0) * 78.0, dtype=np.float32)


def _gland_fraction(
    rng: np.random.Generator, region: PhantomRegion, parenchyma_mm: FloatMap
) -> FloatMap:
    """Fraction of gland, 0–1: strands and lobules, denser toward the middle of the breast."""
    density = rng.uniform(-0.9, 0.7)
    strands = 0.75 * region.smooth_field(rng, 9.0) + 0.55 * region.smooth_field(rng, 4.5)
    inclination = strands + density + 0.1 * np.minimum(parenchyma_mm, 15.0) - 1.0
    gland = 1.0 / (1.0 + np.exp(-3.0 * inclination))
    return np.asarray(np.where(parenchyma_mm > 0.0, gland, 0.0), dtype=np.float32)


def _add_vessel(rng: np.random.Generator, grid: PhantomGrid, maps: TissueMaps) -> None:
    """The lateral thoracic vessels: a thin tube that bends downward from the axilla."""
    region = grid.region((58.0, -38.0, 20.0), 45.0)
    bend = (region.w - 20.0) / 45.0
    across_u = region.u - rng.normal(58.0, 3.0) - 5.0 * np.sin(2.5 * bend)
    across_v = region.v - rng.normal(-34.0, 2.0) + 6.0 * bend
    tube = region.inner_fraction((1.8 - np.hypot(across_u, across_v)).astype(np.float32))
    maps.mix_in(region.box, tube * maps.solid(region.box), VESSEL)


def _add_normal_nodes(rng: np.random.Generator, grid: PhantomGrid, maps: TissueMaps) -> None:
    """A few small nodes: bean-shaped cortex around a fatty hilum."""
    for _ in range(int(rng.integers(2, 6))):
        centre_mm = np.array(AXILLA_MM) + rng.normal(0.0, (9.0, 8.0, 13.0))
        radii_mm = rng.uniform(2.6, 4.2) * np.array([1.0, 1.0, rng.uniform(1.2, 1.9)])
        region = grid.region(centre_mm, 10.0)
        bean = region.inner_fraction(region.ellipsoid_depth(centre_mm, radii_mm))
        hilum = region.inner_fraction(region.ellipsoid_depth(centre_mm + 0.8, 0.5 * radii_mm))
        cortex = np.clip(bean - hilum, 0.0, 1.0)
        maps.mix_in(region.box, cortex * maps.solid(region.box), NODE)

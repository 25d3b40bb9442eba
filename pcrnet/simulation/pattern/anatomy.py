"""Another breast: a cone with a nipple, ducts that fan out from it, and hot organs behind the ribs.

The canonical frame is that of :mod:`pcrnet.simulation.phantom_grid`: u lateral, v anterior, w
superior.
"""

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
    Tissue,
    TissueMaps,
)

AXILLA_MM = (52.0, -24.0, 30.0)
"""Middle of the axillary fat; canonical frame."""
CHEST_WALL_MM = -44.0
"""About where the front of the ribs lies along v behind the middle of the breast."""

MYOCARDIUM = Tissue(3.5, 0.75, 1450.0, 45.0, 1.7, 0.12, 0.25, 0.10)
LIVER = Tissue(2.2, 0.70, 800.0, 34.0, 1.2, 0.30, 0.30, 0.15)
BONE = Tissue(0.9, 0.20, 550.0, 50.0, 0.6, 0.015, 0.2, 0.02)

_SKIN_MM = 2.4
_LABELLED = (AIR, LUNG, SKIN, FAT, MUSCLE, BONE)
_AIR, _LUNG, _SKIN, _FAT, _MUSCLE, _BONE = range(len(_LABELLED))


def pendulous_breast(rng: np.random.Generator, grid: PhantomGrid, *, right: bool) -> TissueMaps:
    """A healthy breast of random size, droop, density and enhancement, with what lies behind it.

    Args:
        rng: Source of the patient's anatomy.
        grid: The phantom grid.
        right: Whether it is the right breast; behind the left one beats the heart, below the right
            one lies the liver.
    """
    whole = grid.whole
    ribs_mm = _height_above_ribs(rng, whole)
    breast_mm = _cone_depth(rng, whole)
    axilla_mm = whole.ellipsoid_depth((62.0, -52.0, 36.0), (44.0, 52.0, 50.0))
    # Skin bridges the fold between two bodies: a smooth maximum, some millimetres above both.
    fold_mm = np.logaddexp(breast_mm / 8.0, axilla_mm / 8.0) * 8.0
    depth_mm = np.maximum(fold_mm, 17.0 - ribs_mm)
    depth_mm += 1.1 * whole.smooth_field(rng, 18.0)

    labels = np.full(grid.shape, _FAT, dtype=np.uint8)
    labels[(ribs_mm < 11.0) & (ribs_mm > 0.0)] = _MUSCLE
    labels[(ribs_mm <= 0.0) & (np.cos(whole.w / 3.5 + whole.u / 16.0) > 0.1)] = _BONE
    labels[(ribs_mm <= 0.0) & (labels != _BONE)] = _MUSCLE
    labels[ribs_mm < -8.0] = _LUNG
    labels[depth_mm < _SKIN_MM] = _SKIN
    labels[depth_mm < 0.0] = _AIR
    maps = TissueMaps.from_labels(labels, _LABELLED)

    parenchyma_mm = np.minimum(breast_mm - 7.0, ribs_mm - 14.0)
    gland = _ductal_fraction(rng, whole, parenchyma_mm) * (labels == _FAT)
    enhancement = rng.lognormal(-0.1, 0.45) * np.exp(0.35 * whole.smooth_field(rng, 8.0))
    maps.mix_in(whole.box, gland, GLAND, enhancement.astype(np.float32))
    _add_organ(rng, grid, maps, right=right)
    _add_vessels(rng, grid, maps)
    _add_normal_nodes(rng, grid, maps)
    return maps


def _height_above_ribs(rng: np.random.Generator, region: PhantomRegion) -> FloatMap:
    """Distance outward from the ribs: a flatter chest than a circle, tilted a little."""
    tilt = rng.normal(0.0, 0.05)
    front_mm = CHEST_WALL_MM - 0.0042 * (region.u + 45.0) ** 2 + tilt * region.w
    return np.asarray(0.92 * (region.v - front_mm) * np.ones_like(region.w), dtype=np.float32)


def _cone_depth(rng: np.random.Generator, region: PhantomRegion) -> FloatMap:
    """About the distance inward from the skin of a drooping, rounded cone; millimetres."""
    height_mm = rng.uniform(84.0, 104.0)
    base_mm = rng.uniform(56.0, 66.0)
    beyond_mm = np.maximum(region.v - CHEST_WALL_MM - height_mm, 0.0)
    ahead = np.clip((region.v - CHEST_WALL_MM) / height_mm, 0.0, 1.0)
    droop_tip_mm = rng.uniform(4.0, 16.0)
    droop_mm = droop_tip_mm * ahead**2
    across = np.hypot(
        (region.u + 4.0 - rng.normal(2.0, 2.0) * ahead) / base_mm,
        (region.w + 8.0 + droop_mm) / (0.88 * base_mm),
    )
    # A cone near the nipple, a dome toward the chest.
    profile = np.sqrt(np.maximum(1.0 - ahead**1.6, 0.0))
    cone_mm = (profile - across) * 0.75 * base_mm - beyond_mm
    nipple_mm = region.ellipsoid_depth(
        (-2.0, CHEST_WALL_MM + 0.97 * height_mm, -8.0 - droop_tip_mm), (5.5, 7.0, 5.5)
    )
    return np.asarray(np.maximum(cone_mm, nipple_mm), dtype=np.float32)


def _ductal_fraction(
    rng: np.random.Generator, region: PhantomRegion, parenchyma_mm: FloatMap
) -> FloatMap:
    """Fraction of gland, 0–1: septa where a random field crosses zero, thicker near the nipple."""
    density = rng.uniform(-0.25, 0.75)
    webs = np.abs(region.smooth_field(rng, 8.0))
    lobes = region.smooth_field(rng, 16.0)
    toward_nipple = np.clip((region.v - CHEST_WALL_MM) / 90.0, 0.0, 1.0)
    inclination = density + 0.6 * lobes + 0.8 * toward_nipple - 1.7 * webs
    gland = 1.0 / (1.0 + np.exp(-4.0 * inclination))
    return np.asarray(np.where(parenchyma_mm > 0.0, gland, 0.0), dtype=np.float32)


def _add_organ(
    rng: np.random.Generator, grid: PhantomGrid, maps: TissueMaps, *, right: bool
) -> None:
    """The dome of the liver on the right, the wall of the left ventricle on the left."""
    if right:
        centre_mm = np.array([-22.0, -92.0, -58.0]) + rng.normal(0.0, 3.0, 3)
        region = grid.region(centre_mm, 60.0)
        inside = region.inner_fraction(region.ellipsoid_depth(centre_mm, (52.0, 30.0, 34.0)))
        tissue, uptake = LIVER, rng.lognormal(0.0, 0.12)
    else:
        centre_mm = np.array([-48.0, -84.0, -14.0]) + rng.normal(0.0, 3.0, 3)
        region = grid.region(centre_mm, 36.0)
        depth_mm = region.ellipsoid_depth(centre_mm, (28.0, 22.0, 30.0))
        inside = region.inner_fraction(depth_mm) - region.inner_fraction(depth_mm - 9.0)
        tissue, uptake = MYOCARDIUM, rng.lognormal(0.0, 0.5)  # fasting or not decides
    behind_ribs = np.abs(maps.water[region.box] - LUNG.water) < 1e-3
    texture = np.full(inside.shape, uptake, dtype=np.float32)
    maps.mix_in(region.box, np.asarray(inside * behind_ribs, dtype=np.float32), tissue, texture)


def _add_vessels(rng: np.random.Generator, grid: PhantomGrid, maps: TissueMaps) -> None:
    """Veins under the skin: two thin tubes that run from the axilla toward the nipple."""
    region = grid.region((26.0, -6.0, 12.0), 52.0)
    for _ in range(2):
        start = np.array(AXILLA_MM) + rng.normal(0.0, 6.0, 3)
        way = np.array([-4.0, 20.0, -12.0]) + rng.normal(0.0, 8.0, 3) - start
        way /= np.linalg.norm(way)
        sway = rng.normal(0.0, 6.0)
        along = (
            (region.u - start[0]) * way[0]
            + (region.v - start[1]) * way[1]
            + (region.w - start[2]) * way[2]
        )
        bend = sway * np.sin(along / 14.0)
        away_mm = np.sqrt(
            (region.u - start[0] - along * way[0] - bend) ** 2
            + (region.v - start[1] - along * way[1]) ** 2
            + (region.w - start[2] - along * way[2] + 0.5 * bend) ** 2
        )
        tube = region.inner_fraction((1.5 - away_mm).astype(np.float32))
        maps.mix_in(region.box, tube * maps.solid(region.box), VESSEL)


def _add_normal_nodes(rng: np.random.Generator, grid: PhantomGrid, maps: TissueMaps) -> None:
    """Small resting nodes, flat beans with little uptake."""
    for _ in range(int(rng.integers(1, 5))):
        centre_mm = np.array(AXILLA_MM) + rng.normal(0.0, (8.0, 9.0, 12.0))
        radii_mm = rng.uniform(2.2, 3.6) * np.array([0.8, 1.0, rng.uniform(1.3, 2.2)])
        region = grid.region(centre_mm, 10.0)
        bean = region.inner_fraction(region.ellipsoid_depth(centre_mm, radii_mm))
        maps.mix_in(region.box, bean * maps.solid(region.box), NODE)

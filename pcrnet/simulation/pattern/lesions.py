"""Tumours of many lobes and what therapy makes of them: one residue, a smouldering bed, or foci."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pcrnet.simulation.biology import Disease
from pcrnet.simulation.lesions import Phantom
from pcrnet.simulation.pattern.anatomy import AXILLA_MM, CHEST_WALL_MM
from pcrnet.simulation.pattern.biology import NodeRegression, PatternPatient, Regression
from pcrnet.simulation.phantom_grid import FloatMap, PhantomGrid, PhantomRegion
from pcrnet.simulation.tissue import NECROSIS, NODE, Tissue, TissueMaps

TREATED_BED = Tissue(1.25, 0.80, 1300.0, 58.0, 1.60, 0.045, 0.38, 0.015)
"""Fibrosis and macrophages; its uptake is the patient's own."""
SPENT_NODE = Tissue(1.00, 0.60, 1100.0, 55.0, 1.30, 0.05, 0.30, 0.02)

_QUADRANTS_MM = ((16.0, 1.0, 5.0), (16.0, 3.0, -16.0), (-16.0, 1.0, 5.0), (-14.0, 3.0, -18.0))
_QUADRANT_CHANCES = (0.5, 0.15, 0.2, 0.15)


@dataclass(frozen=True, eq=False)
class Mass:
    """A lesion at baseline, in a part of the phantom.

    Attributes:
        region: Where it lies; the maps below have its shape (u, v, w).
        fraction: Of each voxel that is lesion at baseline, 0–1.
        depth: 1 in the middle, 0 at the surface, below 0 outside.
        texture: Local factor on uptake and perfusion, about 1.
        tissue: Its viable tissue at baseline.
        radius_mm: Radius of the sphere of its volume, about.
    """

    region: PhantomRegion
    fraction: FloatMap
    depth: FloatMap
    texture: FloatMap
    tissue: Tissue
    radius_mm: float


def place_pattern_lesions(
    rng: np.random.Generator, grid: PhantomGrid, healthy: TissueMaps, patient: PatternPatient
) -> Phantom:
    """Grow the patient's lesions in a healthy breast and treat them; ``healthy`` is used up."""
    tumour = grow_mass(rng, grid, patient.disease, patient.hollowness)
    nodes = _grow_nodes(rng, grid, patient.disease)
    viability = viability_field(rng, tumour, patient.regression)
    smoulder = np.exp(0.22 * tumour.region.smooth_field(rng, 7.0))
    fraction = np.zeros(grid.shape, dtype=np.float32)
    fraction[tumour.region.box] = tumour.fraction * healthy.solid(tumour.region.box)
    baseline, interim = healthy, healthy.copy()
    interim.ktrans[...] *= rng.lognormal(-0.1, 0.25)
    interim.suv[...] *= rng.lognormal(0.0, 0.08)
    _add_reactive_nodes(rng, grid, (baseline, interim))
    for node in nodes:
        _add(baseline, node)
        _add_treated_node(rng, interim, node, patient.node_regression)
    _add(baseline, tumour)
    _add_treated(interim, tumour, patient.regression, viability, smoulder)
    if patient.disease.necrotic:
        _add_necrosis((baseline, interim), tumour)
    return Phantom(grid, baseline, interim, fraction)


def grow_mass(
    rng: np.random.Generator, grid: PhantomGrid, disease: Disease, hollowness: float
) -> Mass:
    """The primary tumour: a few lobes that overlap, spiculated, hotter in its rim if hollow.

    ``hollowness`` is a share: 0 a solid tumour, 1 one whose uptake lies in its rim.
    """
    radius_mm = disease.diameter_mm / 2.0
    quadrant = int(rng.choice(len(_QUADRANTS_MM), p=_QUADRANT_CHANCES))
    centre_mm = np.array(_QUADRANTS_MM[quadrant]) + np.clip(rng.normal(0.0, 6.0, 3), -10.0, 10.0)
    centre_mm[1] = np.clip(centre_mm[1], CHEST_WALL_MM + 16.0 + radius_mm, 24.0 - 0.6 * radius_mm)
    count = int(rng.integers(1, 4))
    lobes = [
        (centre_mm + step * 0.45 * radius_mm, radius_mm * rng.uniform(0.78, 0.92))
        for step in rng.normal(0.0, 0.8, (count, 3)).clip(-1.2, 1.2)
    ]
    if count == 1:
        lobes = [(centre_mm, radius_mm)]
    tissue = _viable(disease, uptake=1.0)
    mass = _grow(rng, grid, lobes, tissue, spiculation=0.16)
    # The rim keeps its uptake and the middle loses up to three quarters of it.
    hollow = 1.0 - 0.75 * hollowness * np.clip(1.6 * mass.depth - 0.3, 0.0, 1.0)
    return replace(mass, texture=np.asarray(mass.texture * hollow, dtype=np.float32))


def viability_field(
    rng: np.random.Generator, mass: Mass, regression: Regression
) -> NDArray[np.float32]:
    """Where the residue lies: its voxels are those of highest viability (u, v, w).

    A compact residue is what lies nearest to one focus, deep in the bed or toward its rim. A
    scattered one lies where a field of short range is high, throughout the bed or along its rim.
    Between the two the fields are mixed, each in units of its own spread inside the bed.
    """
    inside = mass.fraction > 0.5
    focus = _focus(rng, mass, inside, regression.shallowness)
    away = np.sqrt(
        (mass.region.u - focus[0]) ** 2
        + (mass.region.v - focus[1]) ** 2
        + (mass.region.w - focus[2]) ** 2
    )
    compact = _unit(-away, inside)
    grain_mm = float(np.clip(0.17 * mass.radius_mm, 2.2, 3.6))
    foci = mass.region.smooth_field(rng, grain_mm)
    rim = _unit(-np.maximum(mass.depth, 0.0), inside)
    scattered = _unit(foci + 1.5 * regression.shallowness * rim, inside)
    scatter = np.float32(regression.scatter)
    return np.asarray((1.0 - scatter) * compact + scatter * scattered, dtype=np.float32)


def residual_fraction(mass: Mass, regression: Regression, viability: FloatMap) -> FloatMap:
    """Fraction of each of the bed's voxels that is residue, 0–1; the region's shape."""
    threshold = np.quantile(viability[mass.fraction > 0.5], 1.0 - regression.volume)
    # The surface's slope differs from patient to patient; a voxel's width of it is mixed.
    step = float(np.mean([np.abs(np.diff(viability, axis=axis)).mean() for axis in range(3)]))
    sharp = (viability - np.float32(threshold)) / np.float32(max(step, 1e-6))
    return np.asarray(np.clip(0.5 + sharp, 0.0, 1.0), dtype=np.float32)


def _focus(
    rng: np.random.Generator, mass: Mass, inside: NDArray[np.bool_], shallowness: float
) -> NDArray[np.float64]:
    """A point of the bed: the deeper in it, the lower the shallowness."""
    index = np.argwhere(inside)
    depth = mass.depth[inside]
    goal = (1.0 - 0.75 * shallowness) * float(depth.max())
    near = index[np.argsort(np.abs(depth - goal), kind="stable")[: max(len(index) // 20, 1)]]
    i, j, k = near[int(rng.integers(len(near)))]
    region = mass.region
    return np.array([region.u[i, 0, 0], region.v[0, j, 0], region.w[0, 0, k]], dtype=np.float64)


def _unit(field: FloatMap, inside: NDArray[np.bool_]) -> FloatMap:
    values = field[inside]
    return np.asarray((field - values.mean()) / max(float(values.std()), 1e-6), dtype=np.float32)


def _add(maps: TissueMaps, mass: Mass) -> None:
    inside = mass.fraction * maps.solid(mass.region.box)
    maps.mix_in(mass.region.box, inside, mass.tissue, mass.texture)


def _add_treated(
    maps: TissueMaps,
    mass: Mass,
    regression: Regression,
    viability: FloatMap,
    smoulder: FloatMap,
) -> None:
    box = mass.region.box
    inside = mass.fraction * maps.solid(box)
    bed = replace(TREATED_BED, suv=regression.inflammation)
    residue = replace(
        mass.tissue,
        suv=max(mass.tissue.suv * regression.suv, 1.3 * regression.inflammation),
        adc=mass.tissue.adc * regression.adc,
        ktrans=mass.tissue.ktrans * regression.ktrans,
        vp=mass.tissue.vp * regression.ktrans,
    )
    maps.mix_in(box, inside, bed, np.asarray(smoulder, dtype=np.float32))
    # What survives is hot wherever it lies: the hollow of the first visit does not come back.
    grain = np.asarray(np.clip(mass.texture, 0.7, 1.4), dtype=np.float32)
    maps.mix_in(box, inside * residual_fraction(mass, regression, viability), residue, grain)


def _add_treated_node(
    rng: np.random.Generator, maps: TissueMaps, mass: Mass, regression: NodeRegression
) -> None:
    """A node shrinks about its middle; its hull stays as spent tissue."""
    own = rng.lognormal(0.0, 0.15, 2)
    volume = float(np.clip(regression.volume * own[0], 0.01, 1.0))
    left = replace(mass, depth=mass.depth - np.float32(1.0 - np.cbrt(volume)))
    inside = mass.fraction * maps.solid(mass.region.box)
    viable = mass.region.inner_fraction(left.depth * np.float32(mass.radius_mm)) * inside
    tissue = replace(
        mass.tissue,
        suv=max(float(mass.tissue.suv * regression.suv * own[1]), SPENT_NODE.suv),
        adc=1.15 * mass.tissue.adc,
        ktrans=0.7 * mass.tissue.ktrans,
    )
    maps.mix_in(mass.region.box, inside * 0.8, SPENT_NODE)
    maps.mix_in(mass.region.box, viable, tissue, mass.texture)


def _add_reactive_nodes(
    rng: np.random.Generator, grid: PhantomGrid, visits: tuple[TissueMaps, TissueMaps]
) -> None:
    """Benign nodes that glow or swell at either visit, whatever the tumour does."""
    for _ in range(int(rng.poisson(0.7))):
        centre_mm = np.array(AXILLA_MM) + np.clip(rng.normal(0.0, (8.0, 8.0, 10.0)), -14.0, 14.0)
        radius_mm = rng.uniform(3.0, 4.5)
        region = grid.region(centre_mm, 9.0)
        for maps in visits:
            swollen = radius_mm * rng.uniform(0.85, 1.2)
            bean = region.inner_fraction(
                region.ellipsoid_depth(centre_mm, swollen * np.array([0.9, 0.9, 1.3]))
            )
            glowing = replace(NODE, suv=float(np.clip(rng.lognormal(0.5, 0.4), 0.9, 4.0)))
            maps.mix_in(region.box, bean * maps.solid(region.box), glowing)


def _grow_nodes(rng: np.random.Generator, grid: PhantomGrid, disease: Disease) -> tuple[Mass, ...]:
    """The metastatic axillary nodes: none at cN0, more of them with cN."""
    if disease.cN == 0:
        return ()
    nodes = []
    for _ in range(min(int(rng.integers(1, 3)) + disease.cN - 1, 4)):
        centre_mm = np.array(AXILLA_MM) + np.clip(rng.normal(0.0, (7.0, 7.0, 10.0)), -13.0, 13.0)
        radius_mm = rng.uniform(5.5, 9.0)
        tissue = _viable(disease, uptake=float(rng.uniform(0.5, 1.0)))
        nodes.append(_grow(rng, grid, [(centre_mm, radius_mm)], tissue, spiculation=0.06))
    return tuple(nodes)


def _viable(disease: Disease, *, uptake: float) -> Tissue:
    return Tissue(
        suv=disease.suv * uptake,
        water=0.84,
        t1_ms=1500.0,
        t2_ms=68.0,
        adc=disease.adc_1e3_mm2_s,
        ktrans=disease.ktrans_per_min,
        ve=disease.ve,
        vp=0.05,
    )


def _grow(
    rng: np.random.Generator,
    grid: PhantomGrid,
    lobes: list[tuple[NDArray[np.float64], float]],
    tissue: Tissue,
    *,
    spiculation: float,
) -> Mass:
    """Union of ellipsoids, each a centre and a mean radius, with a surface rough at short range."""
    middle_mm = np.mean([centre for centre, _ in lobes], axis=0)
    radius_mm = max(radius for _, radius in lobes)
    reach_mm = max(
        float(np.abs(centre - middle_mm).max()) + 1.45 * radius for centre, radius in lobes
    )
    region = grid.region(middle_mm, reach_mm)
    depths_mm = []
    for centre, radius in lobes:
        stretch = np.exp(rng.normal(0.0, 0.16, 3))
        depths_mm.append(region.ellipsoid_depth(centre, radius * stretch / np.cbrt(stretch.prod())))
    depth_mm = np.maximum.reduce(depths_mm)
    depth_mm += spiculation * radius_mm * region.smooth_field(rng, max(0.2 * radius_mm, 1.8))
    return Mass(
        region=region,
        fraction=region.inner_fraction(depth_mm),
        depth=np.asarray(depth_mm / np.float32(radius_mm), dtype=np.float32),
        texture=np.exp(0.22 * region.smooth_field(rng, 4.0)),
        tissue=tissue,
        radius_mm=radius_mm,
    )


def _add_necrosis(visits: tuple[TissueMaps, TissueMaps], mass: Mass) -> None:
    core = np.clip(5.0 * (mass.depth - 0.62), 0.0, 1.0) * mass.fraction
    for maps, share in zip(visits, (1.0, 0.5), strict=True):
        maps.mix_in(mass.region.box, np.asarray(share * core, dtype=np.float32), NECROSIS)

"""Tumours and metastatic nodes: their shape at baseline, and what therapy leaves of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pcrnet.simulation.anatomy import AXILLA_MM
from pcrnet.simulation.biology import Disease, Response, SimulatedPatient
from pcrnet.simulation.phantom_grid import FloatMap, PhantomGrid, PhantomRegion
from pcrnet.simulation.tissue import NECROSIS, TUMOUR_BED, Tissue, TissueMaps

TUMOUR_SITE_MM = (14.0, 6.0, 4.0)
"""Where tumours lie on average, in the upper outer quadrant; canonical frame."""


@dataclass(frozen=True, eq=False)
class Lesion:
    """A mass in a part of the phantom.

    Attributes:
        region: Where it lies; the maps below have its shape (u, v, w).
        fraction: Of each voxel that is lesion at baseline, 0–1.
        core: 1 in the middle, 0 at the surface, below 0 outside.
        ruggedness: Smooth random field that decides where islands of tumour survive.
        texture: Local factor on uptake and perfusion, about 1.
        tissue: Its viable tissue at baseline.
        necrotic: Whether the core is necrotic.
        radius_mm: Mean radius.
    """

    region: PhantomRegion
    fraction: FloatMap
    core: FloatMap
    ruggedness: FloatMap
    texture: FloatMap
    tissue: Tissue
    necrotic: bool
    radius_mm: float


@dataclass(frozen=True, eq=False)
class Phantom:
    """One patient's tissue at both visits, in the canonical frame.

    Attributes:
        grid: The phantom grid.
        baseline, interim: Tissue at each visit.
        tumour: Fraction (u, v, w) of each voxel that is primary tumour or satellite at baseline,
            0–1.
    """

    grid: PhantomGrid
    baseline: TissueMaps
    interim: TissueMaps
    tumour: FloatMap


def place_lesions(
    rng: np.random.Generator, grid: PhantomGrid, healthy: TissueMaps, patient: SimulatedPatient
) -> Phantom:
    """Grow the patient's lesions in a healthy breast and treat them; ``healthy`` is used up."""
    tumour = grow_tumour(rng, grid, patient.disease)
    nodes = grow_nodes(rng, grid, patient.disease)
    fraction = np.zeros(grid.shape, dtype=np.float32)
    fraction[tumour.region.box] = tumour.fraction * healthy.solid(tumour.region.box)
    baseline, interim = healthy, healthy.copy()
    interim.ktrans[...] *= rng.lognormal(-0.15, 0.2)  # therapy calms healthy tissue as well
    for node in nodes:
        add_untreated(baseline, node)
        add_treated(interim, node, patient.node_response)
    add_untreated(baseline, tumour)
    add_treated(interim, tumour, patient.tumour_response)
    return Phantom(grid, baseline, interim, fraction)


def grow_tumour(rng: np.random.Generator, grid: PhantomGrid, disease: Disease) -> Lesion:
    """The primary tumour, with satellites in some patients."""
    radius_mm = disease.diameter_mm / 2.0
    centre_mm = np.array(TUMOUR_SITE_MM) + np.clip(rng.normal(0.0, (10.0, 8.0, 9.0)), -16.0, 16.0)
    centre_mm[1] = min(centre_mm[1], 30.0 - 0.7 * radius_mm)  # a large mass needs room in front
    masses = [(centre_mm, radius_mm)]
    if rng.random() < 0.3:
        for _ in range(int(rng.integers(1, 4))):
            direction = rng.standard_normal(3)
            direction /= np.linalg.norm(direction)
            direction[1] = abs(direction[1])  # behind the tumour soon comes muscle
            away_mm = radius_mm * rng.uniform(1.2, 1.5) + 4.0
            masses.append(
                (centre_mm + away_mm * direction, max(rng.uniform(0.2, 0.35) * radius_mm, 2.5))
            )
    tissue = _viable_tissue(disease, uptake=1.0)
    return _grow(rng, grid, masses, tissue, necrotic=disease.necrotic, lobulation=0.22)


def grow_nodes(rng: np.random.Generator, grid: PhantomGrid, disease: Disease) -> tuple[Lesion, ...]:
    """The metastatic axillary nodes: none at cN0, more and larger ones with cN."""
    if disease.cN == 0:
        return ()
    nodes = []
    for _ in range(min(int(rng.integers(1, 3)) + 2 * (disease.cN - 1), 5)):
        centre_mm = np.array(AXILLA_MM) + np.clip(rng.normal(0.0, (8.0, 7.0, 8.0)), -12.0, 12.0)
        radius_mm = rng.uniform(5.0, 8.5) + 0.8 * (disease.cN - 1)
        tissue = _viable_tissue(disease, uptake=float(rng.uniform(0.65, 1.0)))
        nodes.append(
            _grow(rng, grid, [(centre_mm, radius_mm)], tissue, necrotic=False, lobulation=0.10)
        )
    return tuple(nodes)


def add_untreated(maps: TissueMaps, lesion: Lesion) -> None:
    """Put the lesion of the baseline visit into the maps, in place."""
    inside = lesion.fraction * maps.solid(lesion.region.box)
    maps.mix_in(lesion.region.box, inside, lesion.tissue, lesion.texture)
    _add_necrosis(maps, lesion, inside)


def add_treated(maps: TissueMaps, lesion: Lesion, response: Response) -> None:
    """Put what therapy has left of the lesion by the interim visit into the maps, in place."""
    inside = lesion.fraction * maps.solid(lesion.region.box)
    survivor = replace(
        lesion.tissue,
        suv=max(lesion.tissue.suv * response.suv, TUMOUR_BED.suv),
        adc=lesion.tissue.adc * response.adc,
        ktrans=lesion.tissue.ktrans * response.ktrans,
        vp=lesion.tissue.vp * response.ktrans,
    )
    maps.mix_in(lesion.region.box, inside, TUMOUR_BED)
    maps.mix_in(
        lesion.region.box, inside * surviving_fraction(lesion, response), survivor, lesion.texture
    )
    _add_necrosis(maps, lesion, inside)


def surviving_fraction(lesion: Lesion, response: Response) -> FloatMap:
    """Fraction of each of the lesion's voxels (u, v, w) that is still viable, 0–1.

    The most viable voxels survive, as many as the response says. Viability is depth below the
    surface for a tumour that shrinks concentrically, and a random field for one that breaks up.
    """
    viability = lesion.core + response.fragmentation * lesion.ruggedness
    threshold = np.quantile(viability[lesion.fraction > 0.5], 1.0 - response.volume)
    return lesion.region.inner_fraction((viability - np.float32(threshold)) * lesion.radius_mm)


def _viable_tissue(disease: Disease, *, uptake: float) -> Tissue:
    return Tissue(
        suv=disease.suv * uptake,
        water=0.85,
        t1_ms=1450.0,
        t2_ms=72.0,
        adc=disease.adc_1e3_mm2_s,
        ktrans=disease.ktrans_per_min,
        ve=disease.ve,
        vp=0.04,
    )


def _grow(
    rng: np.random.Generator,
    grid: PhantomGrid,
    masses: Sequence[tuple[NDArray[np.float64], float]],
    tissue: Tissue,
    *,
    necrotic: bool,
    lobulation: float,
) -> Lesion:
    """Union of lobulated ellipsoids, each a centre and a mean radius; the first is the main one."""
    main_centre_mm, main_radius_mm = masses[0]
    reach_mm = max(
        float(np.abs(centre_mm - main_centre_mm).max()) + 1.7 * radius_mm
        for centre_mm, radius_mm in masses
    )
    region = grid.region(main_centre_mm, reach_mm)
    detail_mm = max(0.3 * main_radius_mm, 2.0)
    lobules_mm = lobulation * main_radius_mm * region.smooth_field(rng, detail_mm)
    depths_mm = []
    for centre_mm, radius_mm in masses:
        elongation = np.exp(rng.normal(0.0, 0.14, 3))
        radii_mm = radius_mm * elongation / np.cbrt(elongation.prod())
        depths_mm.append(region.ellipsoid_depth(centre_mm, radii_mm))
    depth_mm = np.maximum.reduce(depths_mm) + lobules_mm
    return Lesion(
        region=region,
        fraction=region.inner_fraction(depth_mm),
        core=depth_mm / np.float32(main_radius_mm),
        ruggedness=region.smooth_field(rng, detail_mm),
        texture=np.exp(0.16 * region.smooth_field(rng, 3.0)),
        tissue=tissue,
        necrotic=necrotic,
        radius_mm=main_radius_mm,
    )


def _add_necrosis(maps: TissueMaps, lesion: Lesion, inside: FloatMap) -> None:
    if lesion.necrotic:
        core = np.clip(6.0 * (lesion.core + 0.1 * lesion.ruggedness - 0.55), 0.0, 1.0)
        maps.mix_in(lesion.region.box, np.asarray(core * inside, dtype=np.float32), NECROSIS)

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from pcrnet.simulation.anatomy import healthy_breast
from pcrnet.simulation.biology import Disease, Response, draw_patient
from pcrnet.simulation.lesions import (
    add_treated,
    add_untreated,
    grow_nodes,
    grow_tumour,
    place_lesions,
    surviving_fraction,
)
from pcrnet.simulation.phantom_grid import PhantomGrid
from pcrnet.simulation.tissue import FAT, NECROSIS, TUMOUR_BED, TissueMaps

GRID = PhantomGrid.covering(2.0)
DISEASE = Disease(
    age=50,
    hr_positive=True,
    grade=3,
    cT=2,
    cN=1,
    diameter_mm=34.0,
    suv=8.0,
    adc_1e3_mm2_s=0.95,
    ktrans_per_min=0.25,
    ve=0.4,
    necrotic=False,
)
RESPONSE = Response(volume=0.4, suv=0.5, adc=1.3, ktrans=0.6, fragmentation=0.5)


def _tumour(seed: int, **changes: object):
    return grow_tumour(np.random.default_rng(seed), GRID, replace(DISEASE, **changes))


def _fat() -> TissueMaps:
    return TissueMaps.from_labels(np.zeros(GRID.shape, dtype=np.uint8), (FAT,))


def _centre_mm(lesion) -> np.ndarray:
    weight = lesion.fraction / lesion.fraction.sum()
    region = lesion.region
    return np.array([(weight * axis).sum() for axis in (region.u, region.v, region.w)])


@pytest.mark.parametrize("diameter_mm", [14.0, 30.0, 55.0])
def test_a_tumour_has_the_volume_of_its_diameter(diameter_mm):
    volumes = [_tumour(seed, diameter_mm=diameter_mm).fraction.sum() * 8.0 for seed in range(12)]
    assert np.median(volumes) == pytest.approx(np.pi / 6.0 * diameter_mm**3, rel=0.3)


@pytest.mark.parametrize("fragmentation", [0.0, 1.0])
@pytest.mark.parametrize("volume", [0.1, 0.35, 0.8])
def test_as_much_survives_as_the_response_says(volume, fragmentation):
    lesion = _tumour(3)
    response = replace(RESPONSE, volume=volume, fragmentation=fragmentation)
    left = (lesion.fraction * surviving_fraction(lesion, response)).sum() / lesion.fraction.sum()
    assert left == pytest.approx(volume, abs=0.08)


def test_fragmenting_tumours_break_into_more_islands():
    def islands(fragmentation: float) -> float:
        response = replace(RESPONSE, volume=0.25, fragmentation=fragmentation)
        counts = []
        for seed in range(10):
            lesion = _tumour(seed, diameter_mm=44.0)
            left = lesion.fraction * surviving_fraction(lesion, response) > 0.5
            counts.append(ndimage.label(left)[1])
        return float(np.mean(counts))

    assert islands(1.0) > 2.0 * islands(0.0)


def test_treated_tissue_has_the_changed_properties():
    lesion = replace(_tumour(1), texture=np.float32(1.0))
    maps = _fat()
    add_treated(maps, lesion, RESPONSE)
    core = np.unravel_index(np.argmax(lesion.core + 0.5 * lesion.ruggedness), lesion.core.shape)
    here = tuple(box.start + index for box, index in zip(lesion.region.box, core, strict=True))
    assert maps.suv[here] == pytest.approx(DISEASE.suv * 0.5, rel=1e-3)
    assert maps.adc[here] == pytest.approx(DISEASE.adc_1e3_mm2_s * 1.3, rel=1e-3)
    assert maps.ktrans[here] == pytest.approx(DISEASE.ktrans_per_min * 0.6, rel=1e-3)


def test_where_the_tumour_died_a_bed_remains():
    lesion = _tumour(2)
    maps = _fat()
    add_treated(maps, lesion, replace(RESPONSE, volume=0.02, fragmentation=0.0))
    inside = lesion.fraction == 1.0
    assert np.median(maps.suv[lesion.region.box][inside]) == pytest.approx(TUMOUR_BED.suv, rel=0.01)


def test_a_necrotic_core_takes_up_little():
    lesion = _tumour(4, diameter_mm=50.0, necrotic=True)
    maps = _fat()
    add_untreated(maps, lesion)
    core = lesion.core > 0.85
    assert core.any()
    assert maps.suv[lesion.region.box][core].mean() < 0.5 * DISEASE.suv
    assert maps.adc[lesion.region.box][core].max() == pytest.approx(NECROSIS.adc, rel=0.05)


def test_clinically_negative_axillae_get_no_metastases():
    assert grow_nodes(np.random.default_rng(0), GRID, replace(DISEASE, cN=0)) == ()


def test_more_nodes_with_higher_stage():
    def count(cN: int) -> float:
        rng = np.random.default_rng(1)
        return float(
            np.mean([len(grow_nodes(rng, GRID, replace(DISEASE, cN=cN))) for _ in range(6)])
        )

    assert count(1) < count(2) < count(3)


def test_nodes_lie_within_reach_of_a_crop_around_the_tumour():
    half_crop_mm = np.array([64.0, 64.0, 48.0])
    offsets = []
    for seed in range(25):
        rng = np.random.default_rng(seed)
        centre_mm = _centre_mm(grow_tumour(rng, GRID, DISEASE))
        offsets += [_centre_mm(node) - centre_mm for node in grow_nodes(rng, GRID, DISEASE)]
    distance_mm = np.linalg.norm(offsets, axis=1)
    assert np.mean(np.all(np.abs(offsets) < half_crop_mm, axis=1)) > 0.97
    assert np.median(distance_mm) < 60.0


def test_lesions_stay_within_the_body():
    rng = np.random.default_rng(11)
    healthy = healthy_breast(rng, GRID)
    air = healthy.water == 0.0
    patient = draw_patient(np.random.default_rng(12))
    patient = replace(patient, disease=replace(patient.disease, diameter_mm=60.0))
    phantom = place_lesions(rng, GRID, healthy, patient)
    assert (phantom.tumour[air] == 0.0).all()
    assert (phantom.baseline.water[air] == 0.0).all()
    assert (phantom.interim.water[air] == 0.0).all()
    assert phantom.tumour.max() == 1.0

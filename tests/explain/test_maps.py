"""Every scan that is there has its maps, on its own grid, and nothing is lost on the way to it."""

from types import SimpleNamespace

import numpy as np
import pytest

from pcrnet.explain.maps import native_maps
from pcrnet.explain.native import crop_grid
from pcrnet.explain.occlusion import OcclusionMap
from pcrnet.imaging.grid import Grid


@pytest.fixture
def explanation(case):
    crop = crop_grid(case.lesion_mm, case.imaging.spacing_mm, case.imaging.size)
    shape = (len(case.data.timepoints), len(case.data.channels), *case.imaging.size)
    gradients = np.zeros(shape)
    gradients[..., 8:16, 9:15, 10:14] = 0.01
    grid = Grid.centred(case.lesion_mm, (4.0,) * 3, (9, 9, 9))
    density = np.ones(grid.shape, np.float32)
    return SimpleNamespace(
        occlusion=(OcclusionMap("b", "adc", density, (), grid),),
        gradients=gradients,
        crop=crop,
        scans=case.scans,
    )


@pytest.fixture
def bundle(case):
    return SimpleNamespace(manifest=SimpleNamespace(data=case.data, imaging=case.imaging))


def test_scans_that_are_there_have_maps_on_their_grids_and_absent_ones_none(
    explanation, bundle, case
):
    found = {one.name: one for one in native_maps(explanation, bundle)}
    there = {f"{t}_{c}_gradients" for t, of in case.scans.volumes.items() for c in of}
    assert set(found) == there | {"b_adc_occlusion"}
    assert "b_t2_gradients" not in found
    for one in found.values():
        scan = case.scans.volumes[one.timepoint][one.channel]
        assert one.volume.array.shape == scan.array.shape
        np.testing.assert_array_equal(one.volume.affine, scan.affine)


def test_what_a_map_adds_up_to_is_what_the_networks_added(explanation, bundle, case):
    for one in native_maps(explanation, bundle):
        if one.kind == "gradients":
            voxel_ml = np.prod(one.volume.spacing_mm) / 1000.0
            place = case.data.timepoints.index(one.timepoint), case.data.channels.index(one.channel)
            added = explanation.gradients[place].sum()
            assert one.volume.array.sum() * voxel_ml == pytest.approx(added, rel=0.05)


def test_a_model_without_networks_has_no_gradients(explanation, bundle):
    explanation.gradients = None
    assert [one.kind for one in native_maps(explanation, bundle)] == ["occlusion"]

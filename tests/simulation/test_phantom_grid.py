from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import map_coordinates

from pcrnet.simulation.phantom_grid import FIELD_OF_VIEW_MM, PhantomGrid

GRID = PhantomGrid.covering(4.0)


def test_the_grid_covers_the_field_of_view_and_is_centred():
    for axis, extent_mm in zip(GRID.axes_mm, FIELD_OF_VIEW_MM, strict=True):
        assert len(axis) * 4.0 >= extent_mm
        assert axis.mean() == pytest.approx(0.0, abs=1e-4)


def test_the_affine_leads_from_index_to_canonical_millimetres():
    u, v, w = GRID.axes_mm
    point = GRID.affine @ (3, 5, 7, 1)
    assert point[:3] == pytest.approx((u[3], v[5], w[7]))


def test_a_region_holds_the_voxels_within_reach():
    region = GRID.region((10.0, -20.0, 30.0), 12.0)
    assert np.abs(region.u - 10.0).max() <= 12.0
    assert np.abs(region.v + 20.0).max() <= 12.0
    assert np.abs(region.w - 30.0).max() <= 12.0
    assert GRID.axes_mm[0][region.box[0]] == pytest.approx(region.u.ravel())


def test_a_region_ends_at_the_field_of_view():
    region = GRID.region((80.0, 0.0, 0.0), 20.0)
    assert region.box[0].stop == GRID.shape[0]
    assert region.high_mm[0] == 80.0


def test_ellipsoid_depth_is_positive_inside_and_zero_on_the_surface():
    region = PhantomGrid.covering(1.0).region((0.0, 0.0, 0.0), 15.0)
    depth_mm = region.ellipsoid_depth((0.0, 0.0, 0.0), (10.0, 5.0, 8.0))
    volume_mm3 = region.inner_fraction(depth_mm).sum()
    assert volume_mm3 == pytest.approx(4.0 / 3.0 * np.pi * 10.0 * 5.0 * 8.0, rel=0.02)


def test_smooth_fields_have_zero_mean_and_unit_variance():
    values = [GRID.whole.smooth_field(np.random.default_rng(seed), 6.0) for seed in range(12)]
    assert np.mean(values) == pytest.approx(0.0, abs=0.05)
    assert np.std(values) == pytest.approx(1.0, abs=0.05)


def test_smooth_fields_are_correlated_over_their_length():
    field = PhantomGrid.covering(2.0).whole.smooth_field(np.random.default_rng(0), 8.0)
    near = np.corrcoef(field[:-1].ravel(), field[1:].ravel())[0, 1]
    far = np.corrcoef(field[:-20].ravel(), field[20:].ravel())[0, 1]
    assert near > 0.95
    assert abs(far) < 0.15


@pytest.mark.parametrize("reach_mm", [30.0, 200.0])
def test_a_finer_grid_shows_the_same_field(reach_mm):
    fine = PhantomGrid.covering(2.0)
    low, high = (
        grid.region((5.0, 5.0, 5.0), reach_mm).smooth_field(np.random.default_rng(3), 8.0)
        for grid in (GRID, fine)
    )
    coarse_region, fine_region = (grid.region((5.0, 5.0, 5.0), reach_mm) for grid in (GRID, fine))
    position = np.meshgrid(
        *(
            (coarse.ravel() - first.ravel()[0]) / 2.0
            for coarse, first in (
                (coarse_region.u, fine_region.u),
                (coarse_region.v, fine_region.v),
                (coarse_region.w, fine_region.w),
            )
        ),
        indexing="ij",
    )
    resampled = map_coordinates(high, position, order=1, mode="nearest")
    inner = (slice(1, -1),) * 3
    assert np.corrcoef(resampled[inner].ravel(), low[inner].ravel())[0, 1] > 0.995

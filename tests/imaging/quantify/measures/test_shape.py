"""The shape of bodies whose moments are known in closed form."""

import numpy as np
import pytest

from pcrnet.imaging.quantify.measures import shape


def _moments(place, region):
    return shape.moments(region.astype(np.float64), place)


def _lobes(place, phantom):
    lobes = [phantom.distance_mm(place.grid, (x, 0.0, 0.0)) <= 8.0 for x in (-16.0, 16.0)]
    return lobes[0] | lobes[1]


@pytest.fixture(scope="module")
def place(phantom):
    return phantom.place(30.0)


@pytest.mark.parametrize("radius_mm", [8.0, 14.0, 25.0])
def test_a_ball_has_gyration_ratio_one_is_compact_whole_and_as_thick_as_itself(
    place, phantom, radius_mm
):
    ball = phantom.distance_mm(place.grid) <= radius_mm
    assert _moments(place, ball)["gyration_ratio_ln"] == pytest.approx(0.0, abs=0.025)
    assert _moments(place, ball)["offset_fraction"] == pytest.approx(0.0, abs=0.01)
    found = shape.region_shape(ball, place)
    assert found["compactness_fraction"] == pytest.approx(1.0, abs=0.02)
    assert found["largest_fraction"] == 1.0
    assert found["components_ln"] == 0.0
    assert found["thickness_ratio_ln"] == pytest.approx(0.0, abs=0.16)


def test_a_cube_gyrates_by_half_its_edge(place):
    cube = np.zeros_like(place.bed)
    cube[15:25, 15:25, 15:25] = True
    edge = 10.0
    ball = np.sqrt(0.6) * (3 * edge**3 / (4 * np.pi)) ** (1 / 3)
    assert _moments(place, cube)["gyration_ratio_ln"] == pytest.approx(np.log(edge / 2 / ball))


def test_a_shell_gyrates_as_its_closed_form_says(place, phantom):
    inner, outer = 12.0, 24.0
    apart = phantom.distance_mm(place.grid)
    shell = (apart >= inner) & (apart <= outer)
    square = 0.6 * (outer**5 - inner**5) / (outer**3 - inner**3)
    ball = np.sqrt(0.6) * (outer**3 - inner**3) ** (1 / 3)
    expected = np.log(np.sqrt(square) / ball)
    assert _moments(place, shell)["gyration_ratio_ln"] == pytest.approx(expected, abs=0.01)
    assert shape.region_shape(shell, place)["thickness_ratio_ln"] == pytest.approx(
        np.log((outer - inner) / 2 / (outer**3 - inner**3) ** (1 / 3)), abs=0.12
    )


def test_two_lobes_are_two_parts_of_half_the_volume_and_far_from_compact(place, phantom):
    lobes = _lobes(place, phantom)
    found = shape.region_shape(lobes, place)
    assert found["components_ln"] == pytest.approx(np.log(2))
    assert found["largest_fraction"] == pytest.approx(0.5)
    assert found["compactness_fraction"] < 0.4
    # Parallel axes: the square of each lobe's own gyration and of its distance add.
    gyration = np.sqrt(0.6 * 8.0**2 + 16.0**2)
    ball = np.sqrt(0.6) * 8.0 * 2 ** (1 / 3)
    expected = np.log(gyration / ball)
    assert _moments(place, lobes)["gyration_ratio_ln"] == pytest.approx(expected, abs=0.01)


def test_what_fills_the_bed_lies_half_deep_and_its_middle_deeper_than_its_rim(place):
    assert _moments(place, place.bed)["depth_fraction"] == pytest.approx(0.5)
    core = place.bed & (place.depth_rank > 0.8)
    assert _moments(place, core)["depth_fraction"] == pytest.approx(0.9, abs=0.01)
    rim = place.bed & (place.depth_rank < 0.2)
    assert _moments(place, rim)["depth_fraction"] == pytest.approx(0.1, abs=0.02)


def test_an_offset_is_in_radii_of_the_bed(place, phantom):
    aside = phantom.distance_mm(place.grid, (17.0, 0.0, 0.0)) <= 6.0
    expected = 17.0 / place.bed_radius_mm
    assert _moments(place, aside)["offset_fraction"] == pytest.approx(expected, abs=0.02)


def test_a_residue_that_is_gone_is_its_hottest_quarter_of_a_millilitre(place):
    values = np.random.default_rng(1).random(place.bed.shape) + np.where(place.bed, 0.0, 100.0)
    region = shape.above(values, 50.0, place.bed, place.voxel_ml)
    assert region.sum() * place.voxel_ml >= shape.LEAST_ML
    assert region[place.bed].any()
    assert not region[~place.bed].any()
    soft = shape.membership(values - 1.0, place.bed, place.voxel_ml)
    assert soft.sum() * place.voxel_ml == pytest.approx(shape.LEAST_ML, abs=place.voxel_ml)


@pytest.mark.parametrize("axes", [(1, 2, 0), (2, 1, 0)])
def test_shape_is_the_same_turned_and_mirrored(place, phantom, axes):
    lobes = _lobes(place, phantom)
    lobes |= phantom.distance_mm(place.grid, (5.0, 12.0, -7.0)) <= 6.0
    turned = lobes.transpose(axes)[:, ::-1]
    assert shape.region_shape(turned, place) == pytest.approx(shape.region_shape(lobes, place))
    assert _moments(place, turned) == pytest.approx(_moments(place, lobes), abs=5e-3)

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import uniform_filter

from pcrnet.errors import RegistrationError
from pcrnet.imaging.registration.likeness import (
    VisitPair,
    _box_blur,
    front_difference_mm,
    information_by_chance,
    joint_histogram,
    mutual_information,
    prepare_scan,
)
from pcrnet.imaging.volume import Volume


def _block(front: int = 24, *, gain=1.0, shift_mm=0.0, tilt_degrees=0.0) -> Volume:
    """A body that reaches from the back to voxel ``front``, with texture."""
    values = np.zeros((40, 40, 30), np.float32)
    texture = np.random.default_rng(0).uniform(0.5, 1.5, (32, 40, 30))
    values[4:36, 4:front] = texture[:, 4:front]
    shading = np.exp(gain * np.linspace(-0.5, 0.5, 40))[:, None, None] if gain != 1.0 else 1.0
    affine = np.diag([4.0, 4.0, 4.0, 1.0])
    turn = np.deg2rad(tilt_degrees)
    affine[:2, :2] = 4.0 * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    affine[0, 3] += shift_mm
    return Volume((values * shading).astype(np.float32), affine, "arbitrary")


def test_mutual_information_of_correlated_gaussians_is_the_closed_form():
    rng = np.random.default_rng(0)
    first, other = rng.normal(size=(2, 400_000))
    second = 0.8 * first + 0.6 * other
    joint = joint_histogram(first.astype(np.float32), second.astype(np.float32), bins=60)
    measured = mutual_information(joint)
    assert measured == pytest.approx(-0.5 * np.log(1 - 0.8**2), rel=0.03)


def test_mutual_information_with_itself_is_the_entropy():
    values = np.repeat(np.arange(8, dtype=np.float32), 100)
    assert mutual_information(joint_histogram(values, values, bins=8)) == pytest.approx(np.log(8))


@pytest.mark.parametrize("size", [500, 3000, 20_000])
def test_independent_samples_share_no_information_but_by_chance(size):
    rng = np.random.default_rng(3)
    found, expected = [], []
    for _ in range(40):
        first, second = rng.random((2, size)).astype(np.float32)
        joint = joint_histogram(first, second, bins=8)
        found.append(mutual_information(joint))
        expected.append(information_by_chance(joint))
    assert np.mean(found) == pytest.approx(np.mean(expected), rel=0.1)


def test_shading_and_gain_hardly_change_the_values():
    plain, shaded = (prepare_scan(_block(gain=gain)) for gain in (1.0, 0.8))
    inside = plain.body & shaded.body & plain.covered
    ratio = shaded.values[inside] / plain.values[inside]
    assert np.percentile(np.abs(ratio - 1), 90) < 0.1


def test_the_edge_of_the_field_is_not_covered_also_where_it_lies_inside_the_box():
    scan = prepare_scan(_block(tilt_degrees=30.0))
    assert not scan.covered[0].any()
    assert not scan.covered[:, :, 0].any()
    # The corners of the box lie beyond the tilted field.
    assert not scan.covered[:4, :4].any()
    assert scan.covered.mean() > 0.3


def test_similarity_is_highest_where_the_bodies_coincide():
    fixed, moving = prepare_scan(_block()), prepare_scan(_block(shift_mm=8.0))
    found = []
    for shift in (0.0, 4.0, 8.0, 12.0):
        transform = np.eye(4)
        transform[0, 3] = shift
        found.append(VisitPair(fixed, moving).similarity(transform))
    assert int(np.argmax(found)) == 2


def test_scans_that_hardly_overlap_have_no_similarity():
    away = np.eye(4)
    away[0, 3] = 150.0
    assert VisitPair(prepare_scan(_block()), prepare_scan(_block())).similarity(away) == 0.0


@pytest.mark.parametrize("voxels", [0, 3, 6])
def test_the_difference_of_the_fronts_is_in_millimetres(voxels):
    fixed, moving = prepare_scan(_block(24)), prepare_scan(_block(24 + voxels))
    assert front_difference_mm(fixed, moving, np.eye(4)) == pytest.approx(4.0 * voxels, abs=4.0)


@pytest.mark.parametrize("noise", [0.0, 0.05])
def test_the_noise_of_air_is_no_front(noise):
    rng = np.random.default_rng(1)
    block = _block(24)
    noisy = np.abs(block.array + noise * rng.normal(size=block.array.shape)).astype(np.float32)
    fixed, moving = prepare_scan(block), prepare_scan(Volume(noisy, block.affine, block.unit))
    assert front_difference_mm(fixed, moving, np.eye(4)) <= 4.0


def test_each_scan_shows_its_front_in_its_own_field():
    """A field that ends behind the front of the other scan, but before its own body's."""
    whole, low = _block(32), _block(16)
    short = Volume(low.array[:, :24], low.affine, low.unit)
    apart = front_difference_mm(prepare_scan(whole), prepare_scan(short), np.eye(4))
    assert apart == pytest.approx(64.0, abs=4.0)


def test_a_front_beyond_the_field_is_not_compared():
    whole = prepare_scan(_block(40))
    assert np.isnan(front_difference_mm(whole, whole, np.eye(4)))


def test_a_scan_without_tissue_is_refused():
    faint = Volume(np.full((20, 20, 20), 0.05, np.float32), np.diag([4.0, 4, 4, 1]), "SUVbw")
    with pytest.raises(RegistrationError, match="no body"):
        prepare_scan(faint)


def test_a_joint_histogram_is_numpys():
    rng = np.random.default_rng(5)
    first = rng.gamma(2.0, size=20_000).astype(np.float32)
    second = (first + rng.normal(size=first.size)).astype(np.float32)
    expected = np.histogram2d(first, second, bins=32)[0]
    # A value on the edge between two bins may fall into either.
    assert np.abs(joint_histogram(first, second) - expected).sum() <= 4
    flat = np.ones_like(first)
    np.testing.assert_array_equal(
        joint_histogram(flat, flat), np.histogram2d(flat, flat, bins=32)[0]
    )


@pytest.mark.parametrize("shape", [(30, 21, 13), (3, 5, 40)])
def test_a_box_blur_is_scipys_uniform_filter(shape):
    array = np.random.default_rng(6).random(shape, dtype=np.float32)
    for width in (7, 12):
        once = uniform_filter(array, width)
        np.testing.assert_allclose(_box_blur(array, width, times=1), once, atol=1e-6)
        twice = uniform_filter(once, width)
        np.testing.assert_allclose(_box_blur(array, width, times=2), twice, atol=1e-6)


def test_what_is_left_out_is_the_lesion_and_8_mm_around_it():
    lesion = np.zeros((40, 40, 30), np.float32)
    lesion[20, 20, 1] = 1.0  # close to the edge of the field
    block = _block()
    scan = prepare_scan(block, left_out=Volume(lesion, block.affine, "label"))
    places = np.argwhere(scan.left_out) - [20, 20, 1]
    offsets = np.argwhere(np.ones((9, 9, 9))) - 4
    near = offsets[(np.linalg.norm(offsets, axis=1) <= 2) & (offsets[:, 2] >= -1)]
    assert {tuple(place) for place in places} == {tuple(place) for place in near}

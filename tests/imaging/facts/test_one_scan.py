"""What is said of a scan does not depend on the order of its voxels, and shows what is wrong."""

import numpy as np
import pytest

from pcrnet.imaging.facts.one_scan import CENTRE, GRAIN, NAMES, facts_of_scan
from pcrnet.imaging.volume import Volume


@pytest.fixture
def pet(make_visit):
    whole = make_visit()["pet"]
    # A multiple of the blocks, so that they are the same from either end.
    return Volume(whole.array[:68, :68, :68].copy(), whole.affine, whole.unit)


def test_every_fact_is_there_and_is_a_number(pet):
    facts = facts_of_scan(pet)
    assert set(facts) == set(NAMES)
    assert np.isfinite(list(facts.values())).all()


def test_permuted_and_flipped_axes_are_the_same_scan(pet):
    array = np.flip(pet.array, 0).transpose(2, 0, 1)
    affine = pet.affine.copy()
    affine[:3, 3] += affine[:3, 0] * (pet.array.shape[0] - 1)
    affine[:3, 0] *= -1
    other = Volume(np.ascontiguousarray(array), affine[:, [2, 0, 1, 3]], pet.unit)
    found, expected = facts_of_scan(other), facts_of_scan(pet)
    assert found == pytest.approx(expected, abs=1e-5)


def test_the_other_side_of_the_body_is_no_other_layout(pet):
    mirrored = Volume(np.flip(pet.array, 0).copy(), pet.affine, pet.unit)
    assert facts_of_scan(mirrored) == pytest.approx(facts_of_scan(pet), abs=1e-5)


def test_a_scan_upside_down_lies_elsewhere(pet):
    turned = facts_of_scan(Volume(np.flip(pet.array, 2).copy(), pet.affine, pet.unit))
    place = CENTRE[2]
    assert turned[place] == pytest.approx(-facts_of_scan(pet)[place], abs=1e-5)


def test_a_factor_shows_in_the_level_and_nowhere_else_among_levels(pet):
    before = facts_of_scan(pet)
    body = np.where(pet.array > 0.3, pet.array, 0.0)  # nothing near the threshold of the body
    before = facts_of_scan(Volume(body, pet.affine, pet.unit))
    after = facts_of_scan(Volume(3 * body, pet.affine, pet.unit))
    assert after["level_ln"] - before["level_ln"] == pytest.approx(np.log(3), abs=1e-5)
    assert after["bright_ln"] == pytest.approx(before["bright_ln"], abs=1e-5)


def test_voxels_in_random_order_differ_from_their_neighbours_as_from_any(pet):
    generator = np.random.default_rng(0)
    order = generator.permutation(pet.array.size)
    mixed = facts_of_scan(
        Volume(pet.array.ravel()[order].reshape(pet.array.shape), pet.affine, pet.unit)
    )
    before = facts_of_scan(pet)
    assert all(mixed[name] > before[name] + 1.0 for name in GRAIN)


def test_empty_slices_are_counted(pet):
    array = pet.array.copy()
    array[:, :, : array.shape[2] // 5] = 0.0
    found = facts_of_scan(Volume(array, pet.affine, pet.unit))["empty_slices_fraction"]
    assert found >= (array.shape[2] // 5) / array.shape[2]


@pytest.mark.parametrize("value", [0.0, 1.0, -1.0])
def test_a_flat_scan_has_facts_too(value):
    flat = Volume(np.full((5, 4, 1), value, np.float32), np.diag([2.0, 2.0, 2.0, 1.0]), "arbitrary")
    facts = facts_of_scan(flat)
    assert not np.isinf(list(facts.values())).any()

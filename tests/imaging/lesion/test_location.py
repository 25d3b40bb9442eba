"""Where the lesion is said to be, and by whom."""

import numpy as np
import pytest

from pcrnet.imaging.lesion.framing import mask_centre
from pcrnet.imaging.lesion.location import LesionLocation, locate_lesion
from pcrnet.imaging.volume import Volume

_KINDS = {"pet": "suv", "t2": "zscore"}


@pytest.fixture
def first(make_visit):
    return {"baseline": make_visit(channels=("pet", "t2"))}


def test_the_first_mask_with_a_foreground_is_taken(first, phantom):
    empty = Volume(np.zeros((4, 4, 4), np.float32), np.eye(4), "label")
    mask = phantom.ball_mask(10.0)
    found = locate_lesion(first, {"baseline": empty, "interim": mask}, _KINDS)
    assert (found.source, found.timepoint, found.mask) == ("mask", "interim", mask)
    assert np.isnan(found.quality)


def test_without_a_mask_it_is_looked_for_on_the_first_visit(first):
    found = locate_lesion(first, {"baseline": None}, _KINDS)
    assert (found.source, found.timepoint) == ("found", "baseline")
    assert 0.0 <= found.quality <= 1.0
    np.testing.assert_allclose(mask_centre(found.mask), (15.0, 10.0, -5.0), atol=3.0)


def test_without_a_scan_or_a_signal_there_is_none(first):
    assert locate_lesion({}, {"baseline": None}, _KINDS).source == "none"
    anatomy = {"baseline": {"t2": first["baseline"]["t2"]}}
    found = locate_lesion(anatomy, {"baseline": None}, _KINDS)
    assert found.source == "none"
    assert found.in_first_frame(np.eye(4)) is None


def test_a_mask_of_a_later_visit_is_brought_back_by_the_inverse(phantom):
    to_visit = np.eye(4)
    to_visit[:3, 3] = (4.0, -2.0, 6.0)  # what lies at x in the first lies at x + t in the later
    mask = phantom.ball_mask(8.0, (14.0, 8.0, 1.0))
    moved = LesionLocation("mask", "interim", mask).in_first_frame(to_visit)
    np.testing.assert_allclose(mask_centre(moved), (10.0, 10.0, -5.0), atol=1e-9)


def test_a_rival_lowers_the_quality(phantom):
    grid = phantom.grid(4.0, 200.0)
    place = np.stack(np.meshgrid(*map(np.arange, grid.shape), indexing="ij"), -1) * 4.0
    place += grid.affine[:3, 3]
    pet = np.where((place**2).sum(-1) < 95.0**2, 0.5, 0.0).astype(np.float32)
    pet[((place - (40.0, 30.0, 0.0)) ** 2).sum(-1) < 14.0**2] = 8.0
    alone = locate_lesion({"b": {"pet": Volume(pet, grid.affine, "SUVbw")}}, {}, _KINDS)
    pet[((place - (-40.0, 30.0, 0.0)) ** 2).sum(-1) < 13.0**2] = 8.0
    beside = locate_lesion({"b": {"pet": Volume(pet.copy(), grid.affine, "SUVbw")}}, {}, _KINDS)
    np.testing.assert_allclose(mask_centre(beside.mask), (40.0, 30.0, 0.0), atol=3.0)
    assert beside.quality < 0.7 * alone.quality

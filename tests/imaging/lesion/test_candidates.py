"""Which bright part is the lesion."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from pcrnet.imaging.lesion.candidates import choose_part, distance_mm

_MM = 5.0
_SHAPE = (60, 40, 50)


def _field(*balls, level=1.0):
    """Tissue with balls (voxel, radius in mm, value), blurred as the search blurs."""
    values = np.full(_SHAPE, level, dtype=np.float32)
    for at, radius, value in balls:
        values[distance_mm(_SHAPE, np.array(at), _MM) <= radius] = value
    return gaussian_filter(values, 1.0)


def _chosen(smooth, region=None, rank="total", covered=None):
    everywhere = np.ones(_SHAPE, dtype=bool)
    covered = everywhere if covered is None else covered
    return choose_part(smooth, covered, everywhere if region is None else region, _MM, rank)


def _is_at(chosen, voxel):
    return np.linalg.norm(np.argwhere(chosen.part).mean(axis=0) - voxel) < 1.5


def test_a_primary_goes_before_a_node_that_is_hotter_and_smaller():
    primary, node = (15, 25, 20), (45, 12, 35)
    chosen = _chosen(_field((primary, 20, 7.0), (node, 10, 9.0)))
    assert _is_at(chosen, primary)
    assert 0.0 < chosen.rival < 0.5


def test_on_enhancement_the_peak_decides():
    small, wide = (15, 25, 20), (45, 12, 35)
    smooth = _field((small, 12, 9.0), (wide, 25, 6.5))
    assert _is_at(_chosen(smooth, rank="contrast"), small)
    assert _is_at(_chosen(smooth, rank="total"), wide)


def test_what_is_much_fainter_is_no_rival_of_a_hot_lesion():
    lesion = (15, 25, 20)
    chosen = _chosen(_field((lesion, 12, 9.0), ((45, 20, 35), 30, 4.0)))
    assert _is_at(chosen, lesion)
    assert chosen.rival == 0.0


def test_two_alike_are_each_other_s_rivals():
    chosen = _chosen(_field(((15, 25, 20), 15, 8.0), ((45, 12, 35), 15, 8.1)))
    assert chosen.rival > 0.9


def test_a_bar_across_the_field_gives_way_to_a_compact_lesion_and_is_told():
    smooth = _field(((15, 25, 20), 15, 6.0))
    smooth[45:50, 10:14] = 9.0
    chosen = _chosen(smooth)
    assert _is_at(chosen, (15, 25, 20))
    assert chosen.rival > 0.2


def test_a_large_lesion_is_compact_wherever_its_peak_lies():
    centre = (30, 20, 25)
    smooth = _field((centre, 38, 6.0), ((30 + 6, 20, 25), 8, 9.0))
    assert _is_at(_chosen(smooth), centre)


def test_the_slope_of_something_hotter_outside_the_region_is_no_candidate():
    lesion, heart = (15, 30, 20), (30, 15, 25)
    smooth = _field((lesion, 12, 4.0), (heart, 35, 12.0))
    region = np.zeros(_SHAPE, dtype=bool)
    region[:, 20:] = True
    assert _is_at(_chosen(smooth, region), lesion)


def test_an_organ_cut_by_the_field_is_no_candidate_but_a_lesion_near_its_end_is():
    lesion, organ = (15, 34, 20), (58, 1, 2)
    chosen = _chosen(_field((lesion, 22, 6.0), (organ, 30, 5.5)))
    assert _is_at(chosen, lesion)


def test_noise_does_not_stand_in_for_a_lesion_that_is_none():
    smooth = _field(((15, 25, 20), 8, 1.6))
    smooth[45:50, 10:14] = 9.0
    assert _chosen(smooth) is None


@pytest.mark.parametrize("level", [0.0, 1.0])
def test_where_nothing_stands_out_there_is_none(level):
    assert _chosen(np.full(_SHAPE, level, dtype=np.float32)) is None

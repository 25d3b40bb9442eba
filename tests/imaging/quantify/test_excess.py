"""How high a lesion stands above near tissue, and what a scan's gain may change."""

import numpy as np
import pytest

from pcrnet.imaging.quantify.excess import Excess

_VALUES = np.array([[[1.0, 2.0, 5.0]]])


def test_the_share_is_0_at_background_and_1_at_the_peak():
    found = Excess(_VALUES, background=1.0, full=4.0, scale=1.0)
    np.testing.assert_allclose(found.share, [[[0.0, 0.25, 1.0]]])


def test_against_the_first_visit_gain_cancels_where_background_is_the_scale():
    first = Excess(_VALUES, 1.0, 4.0, scale=1.0)
    later = Excess(1.7 * _VALUES, 1.7, 6.8, scale=1.7)
    np.testing.assert_allclose(later.share_of(first), first.share)


def test_half_of_the_first_peak_is_a_half():
    first, later = (Excess(_VALUES, 1.0, full, scale=1.0) for full in (8.0, 4.0))
    assert later.share_of(first).max() == pytest.approx(0.5)
    assert later.share.max() == pytest.approx(1.0)


def test_a_lesion_that_does_not_stand_out_divides_by_nothing():
    flat = Excess(np.ones((1, 1, 2)), 1.0, 0.0, scale=1.0)
    assert np.isfinite(flat.share).all()
    assert np.isfinite(flat.share_of(flat)).all()

"""Parts of a scan are all of it, whatever its layout, and their extremes are numpy's."""

import numpy as np
import pytest

from pcrnet.imaging.voxels.parts import AT_ONCE, extremes, parts_of

_VALUES = np.random.default_rng(0).normal(size=(70, 60, 50)).astype(np.float32)
_LAYOUTS = {
    "C": _VALUES,
    "F": np.asfortranarray(_VALUES),
    "flipped": np.flip(_VALUES, (0, 2)),
    "with gaps": _VALUES[::2, :, 1::3],
    "few": _VALUES[:1, :1, :1],
}


@pytest.mark.parametrize("layout", _LAYOUTS)
def test_parts_hold_every_value_once(layout):
    values = _LAYOUTS[layout]
    parts = list(parts_of(values))
    assert max(part.size for part in parts) <= AT_ONCE
    np.testing.assert_array_equal(np.sort(np.concatenate(parts)), np.sort(values, axis=None))


@pytest.mark.parametrize("layout", _LAYOUTS)
def test_extremes_are_numpys(layout):
    values = _LAYOUTS[layout]
    assert extremes(values) == (float(values.min()), float(values.max()))


def test_parts_of_a_contiguous_scan_are_no_copies():
    assert all(np.shares_memory(part, _VALUES) for part in parts_of(_VALUES))


def test_a_value_that_is_no_number_is_not_passed_over():
    values = _VALUES.copy()
    values[-1, -1, -1] = np.nan
    assert np.isnan(extremes(values)).all()

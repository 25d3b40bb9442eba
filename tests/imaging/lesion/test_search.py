"""Lesions that nobody drew."""

import numpy as np
import pytest

from pcrnet.imaging.lesion.search import find_lesion
from pcrnet.imaging.volume import Volume

_LESION_MM = np.array([15.0, 10.0, -5.0])
_KINDS = {"pet": "suv", "dce_pre": "dce", "dce_early": "dce", "dce_late": "dce", "t2": "zscore"}


def _dice(found, phantom):
    index = np.argwhere(found.mask.array > 0)
    points = index @ found.mask.affine[:3, :3].T + found.mask.affine[:3, 3]
    inside = (np.linalg.norm(points - _LESION_MM, axis=1) <= 12.0).sum()
    voxel = abs(np.linalg.det(found.mask.affine[:3, :3]))
    return 2 * inside * voxel / (len(points) * voxel + 4 / 3 * np.pi * 12.0**3)


@pytest.mark.parametrize("channels", [("pet", "t2"), ("dce_late", "dce_pre", "dce_early")])
def test_a_lesion_is_found_on_uptake_or_on_enhancement(make_visit, phantom, channels):
    seed = _LESION_MM + np.array([4.0, -3.0, 2.0])
    kinds = {channel: _KINDS[channel] for channel in channels}
    found = find_lesion(make_visit(channels=channels), kinds, seed)
    assert _dice(found, phantom) > 0.85
    assert found.quality > 0.7


def test_without_uptake_and_enhancement_or_without_contrast_there_is_none(make_visit, phantom):
    assert find_lesion(make_visit(channels=("t2",)), _KINDS, _LESION_MM) is None
    flat = Volume(
        np.zeros((40, 40, 40), dtype=np.float32), phantom.grid(4.0, 160.0).affine, "SUVbw"
    )
    assert find_lesion({"pet": flat}, _KINDS, _LESION_MM) is None


def test_a_region_that_runs_on_has_half_the_quality(phantom):
    grid = phantom.grid(4.0, 200.0)
    sheet = np.full(grid.shape, 0.5, dtype=np.float32)
    sheet[:, 23:27] = 5.0
    found = find_lesion({"pet": Volume(sheet, grid.affine, "SUVbw")}, _KINDS, np.zeros(3))
    assert found.quality <= 0.5

"""What one walk through a scan finds is what looking at every part of it finds."""

import numpy as np
import pytest

from pcrnet.imaging.facts.planes import walk_planes


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("shape", [(9, 8, 13), (1, 2, 3), (40, 5, 4)])
def test_parts_are_what_they_say_on_any_grid(shape, order):
    generator = np.random.default_rng(1)
    array = np.array(generator.normal(1.0, 1.0, shape), np.float32, order=order)
    array[shape[0] // 2] = 0.5
    array[:, -1] = 2.0
    planes = walk_planes(array, top=1.5)
    shares = [
        np.mean([part.min() == part.max() for part in np.moveaxis(array, axis, 0)])
        for axis in range(3)
    ]
    assert planes.empty_fraction == pytest.approx(max(shares))
    held = np.clip(array, 0.0, 1.5)
    for place, mean in np.ndenumerate(planes.blocks):
        inside = tuple(
            slice(at * n // 4, max((at + 1) * n // 4, at * n // 4 + 1))
            for at, n in zip(place, shape, strict=True)
        )
        assert mean == pytest.approx(held[inside].mean(dtype=np.float64), abs=1e-6)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_flat_slices_are_found_along_every_axis(axis):
    array = np.random.default_rng(2).random((20, 10, 16), dtype=np.float32)
    np.moveaxis(array, axis, 0)[:3] = 0.25
    assert walk_planes(array, top=1.0).empty_fraction == pytest.approx(3 / array.shape[axis])


def test_flipped_axes_are_the_same_blocks_flipped():
    array = np.random.default_rng(3).random((8, 12, 16), dtype=np.float32)
    found = walk_planes(np.flip(array, (0, 2)), top=0.8).blocks
    np.testing.assert_allclose(
        np.flip(found, (0, 2)), walk_planes(array, top=0.8).blocks, rtol=1e-6
    )

"""A matrix along each axis, as numpy's own sum of products, whatever the layout of the array."""

import numpy as np
import pytest

from pcrnet.imaging.voxels.contraction import Weights, contract

_RNG = np.random.default_rng(0)
_VALUES = _RNG.random((20, 30, 40), dtype=np.float32)
_LAYOUTS = {
    "C": _VALUES,
    "F": np.asfortranarray(_VALUES),
    "turned": np.ascontiguousarray(_VALUES.transpose(1, 2, 0)).transpose(2, 0, 1),
    "flipped": np.flip(_VALUES, (0, 2)).copy()[::-1, :, ::-1],
    "with gaps": np.repeat(_VALUES, 2, axis=2)[:, :, ::2],
}


def _bands(count: int, size: int, first: int, after: int) -> np.ndarray:
    """Rows of random weights that wander from one sample to another, 0 beside them."""
    middles = np.linspace(first + 1, after - 2, count)[:, None]
    weights = _RNG.random((count, size), dtype=np.float32)
    return np.where(np.abs(np.arange(size) - middles) < 2.5, weights, 0.0).astype(np.float32)


@pytest.mark.parametrize("layout", _LAYOUTS)
@pytest.mark.parametrize("part", [(0.0, 1.0), (0.2, 0.9), (0.4, 0.6)])
def test_it_is_the_sum_of_products(layout, part):
    values = _LAYOUTS[layout]
    matrices = [
        _bands(count, size, int(part[0] * size), int(part[1] * size))
        for count, size in zip((5, 33, 14), values.shape, strict=True)
    ]
    found = contract(values, [Weights.of(matrix) for matrix in matrices])
    expected = np.einsum("ijk,xi,yj,zk->xyz", values, *matrices, dtype=np.float64)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=2e-6, atol=1e-6)


def test_samples_without_weight_may_hold_anything():
    values = _VALUES.copy()
    matrix = _bands(6, 40, 10, 20)
    unused = ~matrix.any(axis=0)
    values[:, :, unused] = np.nan
    whole = [Weights.of(np.eye(n, dtype=np.float32)) for n in values.shape[:2]]
    found = contract(values, [*whole, Weights.of(matrix)])
    np.testing.assert_allclose(found, _VALUES @ matrix.T, rtol=2e-6)

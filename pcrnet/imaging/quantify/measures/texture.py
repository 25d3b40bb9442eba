"""A few textures of the grey-level co-occurrence matrix, by IBSI's definitions.

Levels: 32 equal bins between the extremes of the lesion (fixed bin number). Neighbours at distance
1 in 13 directions, symmetric; features averaged over the directions (3D, averaged; Zwanenburg et
al., Radiology 2020; 295:328–338).
"""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

from pcrnet.imaging.quantify.quantity import Mask, Quantity, Values

BINS = 32
_DIRECTIONS = tuple(d for d in itertools.product((-1, 0, 1), repeat=3) if d > (0, 0, 0))

QUANTITIES = (
    Quantity(
        "glcm_joint_entropy_bit",
        "joint entropy (IBSI TU9B) in the lesion",
        "bit",
        modelled=False,
    ),
    Quantity(
        "glcm_correlation_r",
        "correlation of neighbours (IBSI NI2N) in the lesion",
        "1",
        modelled=False,
    ),
    Quantity(
        "glcm_inverse_difference_1",
        "inverse difference of neighbours (IBSI IB1Z) in the lesion",
        "1",
        modelled=False,
    ),
)


def measure_texture(values: Values, mask: Mask) -> dict[str, float]:
    """The textures of values (x, y, z) in a mask, at 32 bins; NaN in fewer than 8 voxels."""
    names = ("joint_entropy", "correlation", "inverse_difference")
    if mask.sum() < 8:
        found = dict.fromkeys(names, float("nan"))
    else:
        found = cooccurrence(fixed_bin_number(values, mask, BINS))
    return {quantity.name: found[name] for quantity, name in zip(QUANTITIES, names, strict=True)}


def fixed_bin_number(values: Values, mask: Mask, bins: int) -> NDArray[np.int64]:
    """Levels (x, y, z) from 1 to ``bins`` inside the mask, 0 outside (IBSI K15C)."""
    low, high = values[mask].min(), values[mask].max()
    scaled = np.floor((values - low) / max(high - low, 1e-12) * bins).astype(np.int64) + 1
    return np.where(mask, np.clip(scaled, 1, bins), 0)


def cooccurrence(levels: NDArray[np.int64]) -> dict[str, float]:
    """Features of the co-occurrence matrices of an image of levels, averaged over 13 directions.

    Args:
        levels: Shape (x, y, z); 1 and above inside, 0 outside.

    Returns:
        ``joint_entropy`` in bits, ``contrast``, ``correlation``, ``inverse_difference``,
        ``angular_second_moment``. A direction without neighbours is left out; a correlation
        without spread is 1.
    """
    places = np.argwhere(levels > 0)
    low, high = places.min(axis=0), places.max(axis=0) + 1
    box = levels[tuple(slice(a, b) for a, b in zip(low, high, strict=True))]
    found = [_features(box, direction) for direction in _DIRECTIONS]
    kept = [features for features in found if features]
    names = kept[0] if kept else ()
    return {name: float(np.mean([features[name] for features in kept])) for name in names}


def _features(box: NDArray[np.int64], direction: tuple[int, ...]) -> dict[str, float]:
    """Features of one direction; empty where no two voxels are neighbours in it."""
    here = tuple(
        slice(max(0, -d), min(n, n - d)) for d, n in zip(direction, box.shape, strict=True)
    )
    there = tuple(
        slice(max(0, d), min(n, n + d)) for d, n in zip(direction, box.shape, strict=True)
    )
    first, second = box[here].ravel(), box[there].ravel()
    both = (first > 0) & (second > 0)
    if not both.any():
        return {}
    count = int(box.max())
    pairs = np.bincount((first[both] - 1) * count + second[both] - 1, minlength=count * count)
    matrix = pairs.reshape(count, count).astype(np.float64)
    p = (matrix + matrix.T) / (2 * matrix.sum())
    level = np.arange(1, count + 1, dtype=np.float64)
    apart = np.abs(level[:, None] - level)
    margin = p.sum(axis=1)
    mean = float(margin @ level)
    variance = float(margin @ (level - mean) ** 2)
    used = p[p > 0]
    return {
        "joint_entropy": float(-(used * np.log2(used)).sum()),
        "contrast": float((p * apart**2).sum()),
        "correlation": (
            float(((level - mean) @ p @ (level - mean)) / variance) if variance > 1e-12 else 1.0
        ),
        "inverse_difference": float((p / (1 + apart)).sum()),
        "angular_second_moment": float((p**2).sum()),
    }

"""A reader's outline of the lesion: near the truth, never on it."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from pcrnet.simulation.lesions import Phantom
from pcrnet.simulation.phantom_grid import FloatMap

_SMOOTHING_MM = 1.2
_BIAS_MM = 1.3
"""Standard deviation over patients of how much too wide or too narrow the outline is."""
_WOBBLE_MM = 2.1
"""Standard deviation along one outline, at a range of a centimetre."""


def rough_outline(rng: np.random.Generator, phantom: Phantom) -> FloatMap:
    """The tumour as a reader draws it: rounded, shifted and too wide or narrow here and there.

    Args:
        rng: The reader's hand.
        phantom: Its tumour at baseline.

    Returns:
        float32 of the phantom's shape; inside the outline where at least 0.5.
    """
    grid = phantom.grid
    occupied = np.argwhere(phantom.tumour > 0.05)
    low_mm, high_mm = (
        np.array([axis[i] for axis, i in zip(grid.axes_mm, bound, strict=True)])
        for bound in (occupied.min(axis=0), occupied.max(axis=0))
    )
    region = grid.region((low_mm + high_mm) / 2, float((high_mm - low_mm).max()) / 2 + 10.0)
    truth = ndimage.gaussian_filter(phantom.tumour[region.box], _SMOOTHING_MM / grid.spacing_mm)
    inside = truth >= 0.5
    if not inside.any():
        return phantom.tumour
    depth_mm = grid.spacing_mm * (
        ndimage.distance_transform_edt(inside) - ndimage.distance_transform_edt(~inside)
    )
    shift_mm = _BIAS_MM * np.clip(rng.standard_normal(), -2.0, 2.0)
    error_mm = shift_mm + _WOBBLE_MM * region.smooth_field(rng, 9.0)
    # Nobody leaves out the middle of a lesion, however small.
    inward_mm = float(depth_mm.max()) / 4.0
    drawn_mm = depth_mm + np.maximum(error_mm, -inward_mm)
    drawn = np.zeros(grid.shape, dtype=np.float32)
    drawn[region.box] = region.inner_fraction(np.asarray(drawn_mm, dtype=np.float32))
    return drawn

"""Change from the first visit to a later one: of numbers, of residue, and voxel by voxel."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import numpy as np

from pcrnet.imaging.quantify.excess import Excess
from pcrnet.imaging.quantify.measures import shape
from pcrnet.imaging.quantify.measures.adc import UNIT
from pcrnet.imaging.quantify.measures.joint import correlation
from pcrnet.imaging.quantify.place import Place
from pcrnet.imaging.quantify.quantity import Quantity, Values
from pcrnet.imaging.quantify.sampled import smoothed

_SMOOTHING_MM = 2.5
_FLOOR_SHARE = 0.1

RESIDUE = (
    Quantity(
        "residue_ln_fraction",
        "volume above half of the first visit's peak over its volume then",
        "ln 1",
    ),
    *(
        Quantity(
            f"residue_{q.name}",
            f"of what is above half of the first visit's peak: {q.meaning}",
            q.unit,
            modelled=q.modelled or q.modelled_later,
        )
        for q in (*shape.MOMENTS, *shape.REGION)
    ),
)


def _voxelwise(unit: str, suffix: str) -> tuple[Quantity, ...]:
    return (
        Quantity(f"voxel_p10_{suffix}", "10th percentile of the change voxel by voxel", unit),
        Quantity(
            f"voxel_p50_{suffix}",
            "median of the change voxel by voxel",
            unit,
            modelled=False,
        ),
        Quantity(f"voxel_p90_{suffix}", "90th percentile of the change voxel by voxel", unit),
        Quantity(f"voxel_spread_{suffix}", "90th less 10th percentile of the change", unit),
        Quantity("voxel_depth_r", "correlation of the change with depth in the bed", "1"),
        Quantity("voxel_pattern_r", "correlation of the two visits voxel by voxel", "1"),
    )


VOXELWISE = _voxelwise("ln 1", "ln")
VOXELWISE_DIFFERENCE = _voxelwise(UNIT, "1e3_mm2_s")


def of(quantities: Iterable[Quantity]) -> tuple[Quantity, ...]:
    """The changes of those quantities that are compared: later less first."""
    return tuple(
        Quantity(
            f"change_{q.name}",
            f"later less first visit: {q.meaning}",
            q.unit,
            modelled=q.modelled,
        )
        for q in quantities
        if q.compared
    )


def differences(
    first: Mapping[str, float], later: Mapping[str, float], quantities: Iterable[Quantity]
) -> dict[str, float]:
    """The values of :func:`of`; logarithms subtract to the logarithm of a ratio."""
    return {
        f"change_{q.name}": later.get(q.name, math.nan) - first.get(q.name, math.nan)
        for q in quantities
        if q.compared
    }


def measure_residue(first: Excess, later: Excess, place: Place) -> dict[str, float]:
    """What is left above half of the first visit's peak over background."""
    share = later.share_of(first)
    region = shape.above(share, 0.5, place.bed, place.voxel_ml)
    weights = shape.membership(share, place.bed, place.voxel_ml)
    now, then = (float((place.bed & (s >= 0.5)).sum()) for s in (share, first.share))
    softening = 0.1 / place.voxel_ml
    numbers = {
        **shape.moments(weights, place),
        **shape.region_shape(region, place),
    }
    return {
        "residue_ln_fraction": float(np.log((now + softening) / (then + softening))),
        **{f"residue_{name}": value for name, value in numbers.items()},
    }


def measure_voxelwise(first: Excess, later: Excess, place: Place) -> dict[str, float]:
    """Log ratio of two fields, each in units of the first visit's peak over its own background.

    The fields are blurred by 2.5 mm and softened by a tenth of the peak.
    """
    before, after = (
        smoothed(e.share_of(first), place, _SMOOTHING_MM)[place.bed] for e in (first, later)
    )
    ratio = np.log(np.maximum(after, 0.0) + _FLOOR_SHARE) - np.log(
        np.maximum(before, 0.0) + _FLOOR_SHARE
    )
    return _summary(ratio, before, after, place.depth_rank[place.bed], "ln")


def measure_voxelwise_difference(first: Values, later: Values, place: Place) -> dict[str, float]:
    """Difference of two ADC maps (x, y, z) over the lesion's voxels where both hold a fit."""
    used = place.lesion & (first > 0) & (later > 0)
    if used.sum() < 8:
        return {quantity.name: float("nan") for quantity in VOXELWISE_DIFFERENCE}
    before, after = (
        smoothed(np.maximum(v, 0.0), place, _SMOOTHING_MM)[used] for v in (first, later)
    )
    return _summary(after - before, before, after, place.depth_rank[used], "1e3_mm2_s")


def _summary(
    change: Values, before: Values, after: Values, depth: Values, suffix: str
) -> dict[str, float]:
    p10, p50, p90 = (float(p) for p in np.percentile(change, (10, 50, 90)))
    return {
        f"voxel_p10_{suffix}": p10,
        f"voxel_p50_{suffix}": p50,
        f"voxel_p90_{suffix}": p90,
        f"voxel_spread_{suffix}": p90 - p10,
        "voxel_depth_r": correlation(change, depth),
        "voxel_pattern_r": correlation(before, after),
    }

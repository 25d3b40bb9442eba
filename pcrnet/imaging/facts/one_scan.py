"""What can be said of one scan in milliseconds: its grid, its levels, its grain, its layout.

All of it along RAS, whatever the order of the voxels. The layout is mirrored to one side of the
body, since either breast may be the one that is treated.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from pcrnet.imaging.facts.planes import BLOCKS, Planes, walk_planes
from pcrnet.imaging.units import ADC_UNIT, SUV_UNITS, share_of_suvbw
from pcrnet.imaging.volume import Unit, Volume, canonical
from pcrnet.imaging.voxels.order_statistics import Ranked

AXES = ("x", "y", "z")
_MOST_VOXELS = 400_000
_BODY_SHARE = 0.1  # of the 99th percentile, where the unit is arbitrary
_BODY_SUV, _BODY_ADC = 0.2, 0.2
_BRIGHTEST = 3.0  # times the body: so that one hot organ does not decide where the middle lies
_TINY = 1e-6

GRID = (
    *(f"spacing_{axis}_ln_mm" for axis in AXES),
    *(f"extent_{axis}_ln_mm" for axis in AXES),
    "tilt_degrees",
)
LEVELS = (
    "level_ln",
    "bright_ln",
    "dark_ln",
    "body_fraction",
    "zero_fraction",
    "empty_slices_fraction",
)
GRAIN = tuple(f"grain_{axis}_ln" for axis in AXES)
CENTRE = tuple(f"centre_{axis}_fraction" for axis in AXES)
LAYOUT = tuple(f"layout_{i}{j}{k}_ln" for i, j, k in np.ndindex(BLOCKS, BLOCKS, BLOCKS))
NAMES = (*GRID, *LEVELS, *GRAIN, *CENTRE, *LAYOUT)

Voxels = NDArray[np.float32]


def facts_of_scan(volume: Volume) -> dict[str, float]:
    """Every fact of :data:`NAMES`; NaN for the level where the unit is arbitrary.

    Levels are relative to the median of the body: what exceeds an SUV or an ADC of 0.2, elsewhere a
    tenth of the 99th percentile. Grain is the mean step between neighbours along an axis over the
    spread of the body: near 1 where the order of the voxels says nothing. Layout is the mean of
    each of 4 × 4 × 4 blocks over the field.
    """
    upright = canonical(volume)
    array = np.asarray(upright.array, dtype=np.float32)
    sample = _thinned(array)
    body = Ranked(sample, above=_body_threshold(sample, volume.unit))
    planes = walk_planes(array, _BRIGHTEST * max(body.median() if body.size else 0.0, _TINY))
    return (
        _grid_facts(upright)
        | _level_facts(sample, body, absolute=volume.unit != "arbitrary")
        | {"empty_slices_fraction": planes.empty_fraction}
        | _grain_facts(array)
        | _layout_facts(planes)
    )


def _body_threshold(sample: Voxels, unit: Unit) -> float:
    if unit in SUV_UNITS:
        return _BODY_SUV * share_of_suvbw(unit)
    return _BODY_ADC if unit == ADC_UNIT else _BODY_SHARE * Ranked(sample).percentile(99)


def _grid_facts(volume: Volume) -> dict[str, float]:
    spacing = volume.spacing_mm
    extent = spacing * volume.array.shape
    cosines = np.diag(volume.affine[:3, :3] / spacing)
    tilt = math.degrees(math.acos(min(1.0, float(np.abs(cosines).min()))))
    logs = np.log(np.concatenate([spacing, extent]))
    return dict(zip(GRID, [*map(float, logs), tilt], strict=True))


def _level_facts(sample: Voxels, body: Ranked, *, absolute: bool) -> dict[str, float]:
    shares = {
        "body_fraction": body.size / sample.size,
        "zero_fraction": 1.0 - np.count_nonzero(sample) / sample.size,
    }
    if body.size < 2:
        return dict.fromkeys(LEVELS[:3], math.nan) | shares | {"body_fraction": 0.0}
    low, middle, high = (body.percentile(percent) for percent in (10, 50, 99))
    return shares | {
        "level_ln": math.log(max(middle, _TINY)) if absolute else math.nan,
        "bright_ln": math.log(max(high, _TINY) / max(middle, _TINY)),
        "dark_ln": math.log(max(low, _TINY) / max(middle, _TINY)),
    }


def _grain_facts(array: Voxels) -> dict[str, float]:
    part = _middle(array)
    spread = _mean_size(part - np.float32(Ranked(part).median()))
    steps = []
    for axis in range(3):
        apart = _mean_size(np.diff(part, axis=axis)) if part.shape[axis] > 1 else 0.0
        steps.append(math.log(max(apart, _TINY * max(spread, _TINY)) / (spread + _TINY)))
    return dict(zip(GRAIN, steps, strict=True))


def _mean_size(values: Voxels) -> float:
    """The mean of the values' amounts; they are overwritten."""
    return float(np.abs(values, out=values).mean())


def _layout_facts(planes: Planes) -> dict[str, float]:
    level = planes.top / _BRIGHTEST
    blocks = planes.blocks
    weight = blocks / max(float(blocks.sum()), _TINY)
    places = (np.arange(BLOCKS) + 0.5) / BLOCKS - 0.5
    centre = [
        float(np.tensordot(weight.sum(axis=_others(axis)), places, axes=1)) for axis in range(3)
    ]
    if centre[0] < 0:
        blocks, centre[0] = blocks[::-1], -centre[0]
    logs = np.log(np.maximum(blocks, 0.05 * level) / level)
    return dict(zip(CENTRE, centre, strict=True)) | dict(
        zip(LAYOUT, map(float, logs.ravel()), strict=True)
    )


def _others(axis: int) -> tuple[int, ...]:
    return tuple(other for other in range(3) if other != axis)


def _thinned(array: Voxels) -> Voxels:
    step = max(1, round((array.size / _MOST_VOXELS) ** (1 / 3)))
    return array[::step, ::step, ::step].copy(order="K")


def _middle(array: Voxels) -> Voxels:
    """Neighbours stay neighbours: a box in the middle, not every other voxel."""
    shrink = min(1.0, (_MOST_VOXELS / array.size) ** (1 / 3))
    box = []
    for size in array.shape:
        width = max(2, round(size * shrink))
        start = (size - width) // 2
        box.append(slice(max(start, 0), start + width))
    return array[tuple(box)].copy(order="K")

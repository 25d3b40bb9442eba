"""The lesion of a visit without a mask: the part above half of its contrast, with a quality."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pcrnet.config.imaging import ChannelKind
from pcrnet.imaging.grid import Grid, resample
from pcrnet.imaging.volume import Volume

_SPACING_MM = 2.5
_REACH_MM = 60.0
_LARGEST_MM = 40.0
_SEED_MM = 12.0
_BACKGROUND_MM = 30.0
_SMOOTHING_MM = 2.5


@dataclass(frozen=True, eq=False)
class FoundLesion:
    """A lesion that nobody drew.

    Attributes:
        mask: Label image in the frame of its visit.
        quality: 0 to 1: one less the background over the peak; halved where the region runs on
            beyond 40 mm, which a lesion seldom does.
    """

    mask: Volume
    quality: float


def find_lesion(
    volumes: Mapping[str, Volume],
    kinds: Mapping[str, ChannelKind],
    seed_mm: NDArray[np.float64],
) -> FoundLesion | None:
    """Grow the lesion around a seed on PET, else on early enhancement.

    The peak is the highest value, averaged over about 6 mm, within 12 mm of the seed; background
    the median of what lies 30 to 60 mm from it; the lesion the connected part above half-way.

    Args:
        volumes: Channel to volume of one visit.
        kinds: Channel to intensity rule.
        seed_mm: RAS millimetres, shape (3,).

    Returns:
        None without PET and DCE, or where nothing stands out.
    """
    from scipy.ndimage import binary_fill_holes, gaussian_filter, label

    count = round(2 * _REACH_MM / _SPACING_MM) + 1
    grid = Grid.centred(seed_mm, (_SPACING_MM,) * 3, (count, count, count))
    signal = _signal(volumes, kinds, grid)
    if signal is None:
        return None
    values, covered = signal
    smooth = np.where(covered, gaussian_filter(values, _SMOOTHING_MM / _SPACING_MM), -np.inf)
    from_seed = _distance_mm(grid.shape, (np.array(grid.shape) - 1) / 2)
    candidates = np.where(from_seed <= _SEED_MM, smooth, -np.inf)
    peak = float(candidates.max())
    place = np.unravel_index(candidates.argmax(), candidates.shape)
    distance = _distance_mm(grid.shape, np.array(place))
    around = covered & (distance >= _BACKGROUND_MM) & (values > 0)
    background = float(np.median(values[around])) if around.any() else 0.0
    if not np.isfinite(peak) or peak <= max(background, 0.0):
        return None
    parts, _ = label(smooth > (peak + background) / 2)
    whole = parts == parts[place]
    lesion = binary_fill_holes(whole & (distance <= _LARGEST_MM))
    quality = 1.0 - max(background, 0.0) / peak
    if (whole & (distance > _LARGEST_MM)).any():
        quality /= 2
    return FoundLesion(
        Volume(np.asarray(lesion, dtype=np.float32), grid.affine, "label"), float(quality)
    )


def _signal(
    volumes: Mapping[str, Volume], kinds: Mapping[str, ChannelKind], grid: Grid
) -> tuple[NDArray[np.float32], NDArray[np.bool_]] | None:
    for channel, volume in volumes.items():
        if kinds[channel] == "suv":
            return resample(volume, grid)
    phases = sorted(
        (channel for channel in volumes if kinds[channel] == "dce"),
        key=lambda channel: channel != "dce_pre",
    )
    if len(phases) < 2:
        return None
    (pre, first), (early, second) = (resample(volumes[phase], grid) for phase in phases[:2])
    return early - pre, first & second


def _distance_mm(shape: tuple[int, ...], index: NDArray[np.generic]) -> NDArray[np.float64]:
    steps = np.ogrid[tuple(slice(n) for n in shape)]
    squares = sum((step - float(at)) ** 2 for step, at in zip(steps, index, strict=True))
    return np.asarray(np.sqrt(squares) * _SPACING_MM)

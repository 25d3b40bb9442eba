"""The lesion of a visit without a mask: the part above half of its contrast, with a quality."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pcrnet.config.imaging import ChannelKind
from pcrnet.imaging.grid import Grid, resample
from pcrnet.imaging.lesion.candidates import (
    BACKGROUND_MM,
    LARGEST_MM,
    REACH_MM,
    distance_mm,
)
from pcrnet.imaging.volume import Volume

_SPACING_MM = 2.5
_SEED_MM = 12.0
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

    count = round(2 * REACH_MM / _SPACING_MM) + 1
    grid = Grid.centred(seed_mm, (_SPACING_MM,) * 3, (count, count, count))
    signal = _signal(volumes, kinds, grid)
    if signal is None:
        return None
    values, covered = signal
    smooth = np.where(covered, gaussian_filter(values, _SMOOTHING_MM / _SPACING_MM), -np.inf)
    from_seed = distance_mm(grid.shape, (np.array(grid.shape) - 1) / 2, _SPACING_MM)
    candidates = np.where(from_seed <= _SEED_MM, smooth, -np.inf)
    peak = float(candidates.max())
    place = np.unravel_index(candidates.argmax(), candidates.shape)
    distance = distance_mm(grid.shape, np.array(place), _SPACING_MM)
    around = covered & (distance >= BACKGROUND_MM) & (values > 0)
    background = float(np.median(values[around])) if around.any() else 0.0
    if not np.isfinite(peak) or peak <= max(background, 0.0):
        return None
    parts, _ = label(smooth > (peak + background) / 2)
    whole = parts == parts[place]
    lesion = binary_fill_holes(whole & (distance <= LARGEST_MM))
    quality = 1.0 - max(background, 0.0) / peak
    if (whole & (distance > LARGEST_MM)).any():
        quality /= 2
    return FoundLesion(
        Volume(np.asarray(lesion, dtype=np.float32), grid.affine, "label"), float(quality)
    )


def searched_channels(
    volumes: Mapping[str, Volume], kinds: Mapping[str, ChannelKind]
) -> tuple[str, ...]:
    """The channels that tell a lesion: PET, else ``dce_pre`` and the next phase; else none."""
    for channel in volumes:
        if kinds[channel] == "suv":
            return (channel,)
    phases = sorted(
        (channel for channel in volumes if kinds[channel] == "dce"),
        key=lambda channel: channel != "dce_pre",
    )
    return tuple(phases[:2]) if len(phases) > 1 else ()


def lesion_signal(values: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Uptake, or enhancement from one phase to the next, of the searched channels (x, y, z)."""
    return values[0] if len(values) == 1 else values[1] - values[0]


def _signal(
    volumes: Mapping[str, Volume], kinds: Mapping[str, ChannelKind], grid: Grid
) -> tuple[NDArray[np.float32], NDArray[np.bool_]] | None:
    channels = searched_channels(volumes, kinds)
    if not channels:
        return None
    values, covered = zip(*(resample(volumes[channel], grid) for channel in channels), strict=True)
    return lesion_signal(values), np.all(covered, axis=0)

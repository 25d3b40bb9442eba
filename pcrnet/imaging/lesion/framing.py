"""Where the crop lies: around the mask, else around the lesion, else around the body."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pcrnet.config.imaging import ChannelKind
from pcrnet.errors import GeometryError
from pcrnet.imaging.grid import Grid, resample
from pcrnet.imaging.intensity import above_air, body_threshold
from pcrnet.imaging.lesion.candidates import Merit, choose_part
from pcrnet.imaging.lesion.search import lesion_signal, searched_channels
from pcrnet.imaging.units import SUV_UNITS, share_of_suvbw
from pcrnet.imaging.volume import Unit, Volume, world_corners

Crop = Literal["mask", "lesion", "body"]

_SEARCH_SPACING_MM = 5.0
_PET_BODY_SUV = 0.2
_THORAX_DEPTH_MM = 200.0
_TRUNK_LENGTH_MM = 600.0


def mask_centre(mask: Volume) -> NDArray[np.float64]:
    """The centre of mass of a label image's foreground, in RAS millimetres, shape (3,)."""
    index = np.argwhere(mask.array > 0).mean(axis=0)
    return np.asarray(mask.affine[:3, :3] @ index + mask.affine[:3, 3], dtype=np.float64)


@dataclass(frozen=True, eq=False)
class Framing:
    """The point to crop around.

    Attributes:
        centre_mm: RAS millimetres, shape (3,).
        crop: What it is the centre of.
        rival: Of a lesion: how near another candidate came to being taken, 0 to 1.
    """

    centre_mm: NDArray[np.float64]
    crop: Crop
    rival: float = 0.0


def find_centre(volumes: Mapping[str, Volume], kinds: Mapping[str, ChannelKind]) -> Framing:
    """The point to crop around in one visit without a mask.

    The lesion is the compact part that stands out most in all
    (:func:`~pcrnet.imaging.lesion.candidates.choose_part`) on PET, or without PET in the
    enhancement between the first two DCE phases, both averaged over about 1 cm; where no part is
    compact, the one around the highest value. Its peak lies within the body where all scans of the
    visit overlap. Where the scan that is searched shows a body as deep as a thorax (200 mm) only
    the front half counts, which leaves out most of the heart; in one as long as a trunk (600 mm)
    only 20–50 % of the way from its top, which leaves out brain and bladder. Without PET and DCE,
    or without any signal there: the centre of the body.

    Args:
        volumes: Channel to volume, at least one.
        kinds: Channel to intensity rule.

    Raises:
        GeometryError: The scans of the visit do not overlap.
    """
    grid = _overlap_grid(list(volumes.values()))
    body = _shared_body(volumes, kinds, grid)
    searched = searched_channels(volumes, kinds)
    if searched:
        found = _find_part({name: volumes[name] for name in searched}, kinds, grid, body)
        if found is not None:
            return found
    return Framing(_centre(body, grid), "body")


def _shared_body(
    volumes: Mapping[str, Volume], kinds: Mapping[str, ChannelKind], grid: Grid
) -> NDArray[np.bool_]:
    """The body where all scans overlap, else whatever they share."""
    on_grid: dict[str, NDArray[np.float32]] = {}
    covered = np.ones(grid.shape, dtype=bool)
    for channel, volume in volumes.items():
        on_grid[channel], coverage = resample(volume, grid)
        covered &= coverage
    body = covered & _body(on_grid, kinds, {name: of.unit for name, of in volumes.items()})
    if body.any():
        return body
    return covered if covered.any() else np.ones(grid.shape, dtype=bool)


def _find_part(
    scans: Mapping[str, Volume],
    kinds: Mapping[str, ChannelKind],
    grid: Grid,
    body: NDArray[np.bool_],
) -> Framing | None:
    """Search one PET, or two phases, within the body (x, y, z) of a grid."""
    from scipy.ndimage import gaussian_filter, label

    wide, block = _widened(grid, next(iter(scans.values())))
    resampled = {name: resample(volume, wide) for name, volume in scans.items()}
    on_grid = {name: values for name, (values, _) in resampled.items()}
    covered = np.all([coverage for _, coverage in resampled.values()], axis=0)
    own = covered & _body(on_grid, kinds, {name: of.unit for name, of in scans.items()})
    own[block] |= body
    region = np.zeros(wide.shape, dtype=bool)
    region[block] = body
    limited = region & _breast_limits(own)
    region = limited if limited.any() else region
    signal = lesion_signal(list(on_grid.values()))
    smooth = gaussian_filter(signal, sigma=1.0)
    rank: Merit = "total" if len(scans) == 1 else "contrast"
    chosen = choose_part(smooth, covered, region, _SEARCH_SPACING_MM, rank)
    if chosen is not None:
        return Framing(_centre(chosen.part, wide), "lesion", chosen.rival)
    smooth[~region] = 0.0
    peak = float(smooth.max())
    if peak <= 0:
        return None
    parts, _ = label(smooth > peak / 2)
    return Framing(_centre(parts == parts.flat[smooth.argmax()], wide), "lesion")


def _overlap_grid(volumes: list[Volume]) -> Grid:
    """A coarse grid over the box where all scans overlap."""
    corners = np.array([world_corners(volume.affine, volume.array.shape) for volume in volumes])
    low, high = corners.min(axis=1).max(axis=0), corners.max(axis=1).min(axis=0)
    if not (high > low).all():
        raise GeometryError(
            "the scans of one visit do not overlap",
            remedy="check that they show the same part of the body in the same frame of reference",
        )
    first, second, third = (
        int(n) for n in np.maximum(np.ceil((high - low) / _SEARCH_SPACING_MM), 2)
    )
    spacing = (_SEARCH_SPACING_MM,) * 3
    return Grid.centred((low + high) / 2, spacing, (first, second, third))


def _widened(grid: Grid, volume: Volume) -> tuple[Grid, tuple[slice, ...]]:
    """The grid continued over all of a volume, and where it lies in that."""
    corners = world_corners(volume.affine, volume.array.shape)
    first = grid.affine[:3, 3]
    last = first + _SEARCH_SPACING_MM * (np.array(grid.shape) - 1)
    before, after = (
        np.maximum(np.ceil(beyond / _SEARCH_SPACING_MM - 0.5), 0).astype(int)
        for beyond in (first - corners.min(axis=0), corners.max(axis=0) - last)
    )
    affine = grid.affine.copy()
    affine[:3, 3] = first - _SEARCH_SPACING_MM * before
    x, y, z = (int(n) for n in before + grid.shape + after)
    block = tuple(slice(b, b + n) for b, n in zip(before, grid.shape, strict=True))
    return Grid(affine, (x, y, z)), block


def _body(
    on_grid: Mapping[str, NDArray[np.float32]],
    kinds: Mapping[str, ChannelKind],
    units: Mapping[str, Unit],
) -> NDArray[np.bool_]:
    """Tissue on any channel; ADC and ratios do not count, for they are noise in air."""
    above = {channel: above_air(values, units[channel]) for channel, values in on_grid.items()}
    masks = [
        values
        > (
            _PET_BODY_SUV * share_of_suvbw(units[channel])
            if units[channel] in SUV_UNITS
            else body_threshold(values)
        )
        for channel, values in above.items()
        if kinds[channel] not in ("adc", "ratio")
    ]
    return np.any(masks, axis=0) if masks else np.ones(next(iter(on_grid.values())).shape, bool)


def _breast_limits(body: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Where breasts may lie in the body (x, y, z) that one scan shows."""
    region = np.ones_like(body)
    rows, levels = (np.flatnonzero(body.any(axis=axes)) for axes in ((0, 2), (0, 1)))
    if rows.size and np.ptp(rows) * _SEARCH_SPACING_MM > _THORAX_DEPTH_MM:
        region[:, : (rows[0] + rows[-1]) // 2] = False
    if levels.size and np.ptp(levels) * _SEARCH_SPACING_MM > _TRUNK_LENGTH_MM:
        region[:, :, : levels[-1] - np.ptp(levels) // 2] = False
        region[:, :, levels[-1] - np.ptp(levels) // 5 :] = False
    return region


def _centre(mask: NDArray[np.bool_], grid: Grid) -> NDArray[np.float64]:
    return mask_centre(Volume(array=mask.astype(np.float32), affine=grid.affine, unit="label"))

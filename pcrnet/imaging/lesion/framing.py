"""Where the crop lies: around the mask, else around the lesion, else around the body."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pcrnet.config.imaging import ChannelKind
from pcrnet.errors import GeometryError
from pcrnet.imaging.grid import Grid, resample
from pcrnet.imaging.intensity import above_air, body_threshold
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


def find_centre(
    volumes: Mapping[str, Volume], kinds: Mapping[str, ChannelKind]
) -> tuple[NDArray[np.float64], Crop]:
    """The point to crop around in one visit without a mask.

    The lesion is the connected part above half of the peak around the highest SUV, or without
    PET around the strongest enhancement between the first two DCE phases, both averaged over
    about 1 cm, within the body where all scans of the visit overlap. In a field as deep as a
    thorax (200 mm) only the front half counts, which leaves out most of the heart; in one as long
    as a trunk (600 mm) only 20–50 % of the way from its top, which leaves out brain and bladder.
    Without PET and DCE, or without any signal there: the centre of the body.

    Args:
        volumes: Channel to volume, at least one.
        kinds: Channel to intensity rule.

    Returns:
        The centre in RAS millimetres, shape (3,), and what it is the centre of.

    Raises:
        GeometryError: The scans of the visit do not overlap.
    """
    from scipy.ndimage import gaussian_filter, label

    grid = _search_grid(list(volumes.values()))
    on_grid: dict[str, NDArray[np.float32]] = {}
    covered = np.ones(grid.shape, dtype=bool)
    for channel, volume in volumes.items():
        on_grid[channel], coverage = resample(volume, grid)
        covered &= coverage
    units = {channel: volume.unit for channel, volume in volumes.items()}
    body = covered & _body(on_grid, kinds, units)
    if not body.any():
        body = covered if covered.any() else np.ones(grid.shape, dtype=bool)
    signal = _lesion_signal(on_grid, kinds)
    if signal is not None:
        smooth = gaussian_filter(signal, sigma=1.0)
        smooth[~_breast_region(body)] = 0.0
        peak = float(smooth.max())
        if peak > 0:
            parts, _ = label(smooth > peak / 2)
            return _centre(parts == parts.flat[smooth.argmax()], grid), "lesion"
    return _centre(body, grid), "body"


def _search_grid(volumes: list[Volume]) -> Grid:
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


def _lesion_signal(
    on_grid: Mapping[str, NDArray[np.float32]], kinds: Mapping[str, ChannelKind]
) -> NDArray[np.float32] | None:
    for channel, values in on_grid.items():
        if kinds[channel] == "suv":
            return values
    phases = [values for channel, values in on_grid.items() if kinds[channel] == "dce"]
    return phases[1] - phases[0] if len(phases) > 1 else None


def _breast_region(body: NDArray[np.bool_]) -> NDArray[np.bool_]:
    region = body.copy()
    rows, levels = (np.flatnonzero(body.any(axis=axes)) for axes in ((0, 2), (0, 1)))
    if np.ptp(rows) * _SEARCH_SPACING_MM > _THORAX_DEPTH_MM:
        region[:, : (rows[0] + rows[-1]) // 2] = False
    if np.ptp(levels) * _SEARCH_SPACING_MM > _TRUNK_LENGTH_MM:
        region[:, :, : levels[-1] - np.ptp(levels) // 2] = False
        region[:, :, levels[-1] - np.ptp(levels) // 5 :] = False
    return region


def _centre(mask: NDArray[np.bool_], grid: Grid) -> NDArray[np.float64]:
    return mask_centre(Volume(array=mask.astype(np.float32), affine=grid.affine, unit="label"))

"""Which bright part is the lesion: the compact one that takes up most in all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pcrnet.imaging.voxels.erosion import eroded

Merit = Literal["total", "contrast"]

LARGEST_MM = 40.0
"""Radius; what runs on beyond it is seldom a lesion."""
BACKGROUND_MM = 30.0
REACH_MM = 60.0
"""Background is what lies between these from the peak."""
_WINDOW_MM = 2 * LARGEST_MM
_TRIED = 8
_FAINTEST = 0.7  # of the contrast of the highest compact part
_SPECK = 0.2  # of the contrast of what is brighter and no candidate
_CUT_SHARE = 0.125
_GYRATION_MM = LARGEST_MM * 0.6**0.5  # of a ball


@dataclass(frozen=True, eq=False)
class Candidate:
    """A compact part above half of its contrast.

    Attributes:
        part: Where it lies, bool (x, y, z).
        rival: How near something else came to being taken, 0 to 1: the rank of the next candidate
            over this one's, or how far a brighter part that is none stands above this one.
    """

    part: NDArray[np.bool_]
    rival: float = 0.0


@dataclass(frozen=True, eq=False)
class _Part:
    """One bright part: its voxels within a window, and how far they stand out.

    ``contrast`` is of the peak over the background, ``total`` the sum over the part.
    """

    window: tuple[slice, ...]
    voxels: NDArray[np.bool_]
    compact: bool
    contrast: float
    total: float

    def ranked(self, rank: Merit) -> float:
        return self.total if rank == "total" else self.contrast


def choose_part(
    smooth: NDArray[np.float32],
    covered: NDArray[np.bool_],
    region: NDArray[np.bool_],
    spacing_mm: float,
    rank: Merit,
) -> Candidate | None:
    """The compact part of the highest rank, peaks within the region only.

    The total, volume times the mean above background, favours a primary over a node that is as
    hot or somewhat hotter but smaller, and hardly depends on the blur of the scanner, where a peak
    does. The contrast of the peak suits enhancement, where glands and vessels have large totals.
    Considered are the eight highest parts, and only those whose peak stands out at least 0.7 times
    as far as that of the highest compact one: what is much fainter and larger is an organ or a
    gland. A part that goes on to something higher, such as the edge of the heart at the border of
    the region, is no candidate; nor is one of which an eighth or more lies at the end of the field,
    which cuts through an organ there, one whose radius of gyration exceeds that of a ball of 40 mm
    radius or that reaches 80 mm from its peak, or one that stands out less than a fifth as far as
    something brighter that is none.

    Args:
        smooth: The signal, averaged over about 1 cm, shape (x, y, z), beyond the region as well.
        covered: Where it was acquired, same shape.
        region: Where a lesion may have its peak, same shape.
        spacing_mm: Edge of a voxel.
        rank: What decides between compact parts.

    Returns:
        None where nothing compact stands out.
    """
    found: list[_Part] = []
    refused: list[_Part] = []
    inner = eroded(covered, times=1)
    seen = np.zeros(smooth.shape, dtype=bool)
    for peak in _peaks(smooth, region):
        least = _FAINTEST * found[0].contrast if found else 0.0
        least = max(least, _SPECK * max((part.contrast for part in refused), default=0.0))
        if len(found) + len(refused) == _TRIED or smooth[peak] < least:
            break
        if seen[peak]:
            continue
        part = _part_around(smooth, covered, inner, peak, spacing_mm)
        seen[part.window] |= part.voxels
        if not part.compact:
            refused.append(part)
        elif part.contrast >= least:
            found.append(part)
    if not found:
        return None
    best, *others = sorted(found, key=lambda part: -part.ranked(rank))
    whole = np.zeros(smooth.shape, dtype=bool)
    whole[best.window] = best.voxels
    rivals = [part.ranked(rank) / best.ranked(rank) for part in others]
    rivals += [1.0 - best.contrast / max(part.contrast, best.contrast) for part in refused]
    return Candidate(whole, max(rivals, default=0.0))


def _peaks(smooth: NDArray[np.float32], region: NDArray[np.bool_]) -> list[tuple[int, ...]]:
    """Local maxima within the region, the highest first."""
    from scipy.ndimage import maximum_filter

    tops = np.argwhere(region & (smooth > 0) & (smooth == maximum_filter(smooth, 3)))
    order = np.argsort(-smooth[tuple(tops.T)], kind="stable")
    return [tuple(int(at) for at in tops[one]) for one in order]


def _part_around(
    smooth: NDArray[np.float32],
    covered: NDArray[np.bool_],
    inner: NDArray[np.bool_],
    peak: tuple[int, ...],
    spacing_mm: float,
) -> _Part:
    from scipy.ndimage import label

    reach = int(_WINDOW_MM / spacing_mm)
    window = tuple(slice(max(at - reach, 0), at + reach + 1) for at in peak)
    values = smooth[window]
    place = tuple(at - of.start for at, of in zip(peak, window, strict=True))
    distance = distance_mm(values.shape, np.array(place), spacing_mm)
    around = covered[window] & (distance >= BACKGROUND_MM) & (distance <= REACH_MM) & (values > 0)
    background = float(np.median(values[around])) if around.any() else 0.0
    contrast = float(smooth[peak]) - background
    parts, _ = label(values > background + contrast / 2)
    voxels = np.asarray(parts == parts[place]) if contrast > 0 else distance == 0
    spread = float(np.sqrt(np.argwhere(voxels).var(axis=0).sum())) * spacing_mm
    seen = float(inner[window][voxels].mean()) > 1.0 - _CUT_SHARE
    highest = float(values[voxels].max()) <= smooth[peak]
    total = float((values[voxels] - background).sum())
    runs_on = bool((distance[voxels] >= _WINDOW_MM).any()) or spread > _GYRATION_MM
    compact = contrast > 0 and seen and highest and not runs_on
    return _Part(window, voxels, compact, contrast, total)


def distance_mm(
    shape: tuple[int, ...], index: NDArray[np.generic], spacing_mm: float
) -> NDArray[np.float64]:
    """Millimetres (x, y, z) from every voxel of a cubic grid to one of them, at an index (3,)."""
    steps = np.ogrid[tuple(slice(n) for n in shape)]
    squares = sum((step - float(at)) ** 2 for step, at in zip(steps, index, strict=True))
    return np.asarray(np.sqrt(squares) * spacing_mm)

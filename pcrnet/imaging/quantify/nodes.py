"""Hot spots of nodal size outside the bed on PET, and what becomes of them.

A white top-hat keeps what is narrower than 24 mm and brighter than what lies around it. The wall of
the heart and a liver that the field cuts off pass as well: so what hangs together with a spot at
half its height must have no more than twice the volume of a ball of that width, which leaves room
for nodes that touch. Where the field shows both halves of the body, only the lesion's half does;
and only what lies no more than 40 mm in front of the lesion or below it, for the axilla lies behind
it and above. The outermost 8 mm of the field do not count: what goes on beyond is not seen.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from pcrnet.imaging.quantify.opening import opened_with_ball
from pcrnet.imaging.quantify.place import REGION_MM, Region
from pcrnet.imaging.quantify.quantity import Mask, Quantity, Values, ln
from pcrnet.imaging.quantify.sampled import Sampled, far_level
from pcrnet.imaging.voxels.erosion import eroded

WIDEST_MM = 24.0
CLEAR_OF_LESION_MM = 25.0
MOST_ML = 2.0 * np.pi / 6.0 * WIDEST_MM**3 / 1000.0
"""Of what one spot is part of; beyond, it is the wall or the edge of an organ."""
_GROWN_MM = 40.0  # each way: four times as wide as what has the greatest volume
_EDGE_VOXELS = 2
_FRONT_MM, _BELOW_MM = 40.0, 40.0
_BOTH_HALVES_MM = 260.0
_TRACKED = 3
_TRACKING_MM = 10.0
_APART_MM = 15.0
_FLOOR = 0.3  # of the far body's level
_LOWEST = 1.0  # above its surroundings by as much as the far body's level, at the least
_NOISE_DEVIATIONS = 3.0
_ORGAN = 4.0  # times the far body's level: wide and this hot is heart, kidney, bladder or brain

QUANTITIES = (
    Quantity(
        "node_strongest_ln",
        "strongest hot spot above its surroundings, in units of the far body",
        "ln 1",
        compared=True,
    ),
    Quantity(
        "node_summed_ln_ml",
        "uptake of hot spots above their surroundings, in units of the far body, summed",
        "ln mL",
        compared=True,
    ),
)
TRACKED = (
    Quantity(
        "node_tracked_ln_ratio",
        "hot spots of the first visit, where they lay then: height now over height then",
        "ln 1",
    ),
)


@dataclass(frozen=True, eq=False)
class Spots:
    """The hot spots of one visit.

    Attributes:
        height: Uptake above its surroundings in units of the far body, shape (x, y, z).
        covered: Where the scan reaches, (x, y, z).
        allowed: Where a node may lie, (x, y, z).
        least: From which height on it is a spot: one far body, or three robust standard deviations.
        region: The coarse grid.
    """

    height: Values
    covered: Mask
    allowed: Mask
    least: float
    region: Region

    @cached_property
    def peaks(self) -> list[tuple[int, ...]]:
        """Voxel indices of the strongest spots, at most three, 15 mm or more apart."""
        left = np.where(self.allowed, self.height, 0.0)
        apart = _ball(_APART_MM)
        reach = apart.shape[0] // 2
        found: list[tuple[int, ...]] = []
        while len(found) < _TRACKED and left.max() > self.least:
            place = tuple(int(n) for n in np.unravel_index(left.argmax(), left.shape))
            found.append(place)
            padded = np.pad(left, reach)
            box = tuple(slice(n, n + 2 * reach + 1) for n in place)
            padded[box][apart] = 0.0
            left = padded[tuple(slice(reach, reach + n) for n in left.shape)]
        return found


def find_spots(pet: Sampled, region: Region) -> Spots | None:
    """Hot spots on the coarse grid; None where the scan shows no body far from the lesion, or
    nothing but organs.
    """
    from scipy.ndimage import gaussian_filter

    level = far_level(pet, region)
    allowed = _plausible(pet, region)
    if not level > 0 or not allowed.any():
        return None
    smooth = gaussian_filter(pet.values, 0.5)
    opened = opened_with_ball(smooth, WIDEST_MM / 2 / REGION_MM)
    height = (smooth - opened) / level
    allowed &= opened <= _ORGAN * level
    if not allowed.any():
        return None
    middle = float(np.median(height[allowed]))
    noise = 1.4826 * float(np.median(np.abs(height[allowed] - middle)))
    least = max(_LOWEST, _NOISE_DEVIATIONS * noise)
    height = np.asarray(height - middle)
    allowed &= ~_organs(smooth / level, height, allowed, least)
    if not allowed.any():
        return None
    return Spots(height, pet.covered, allowed, least, region)


def measure_spots(spots: Spots) -> dict[str, float]:
    """The strongest spot, and all of them together."""
    heights = spots.height[spots.allowed]
    over = heights[heights > spots.least]
    return {
        "node_strongest_ln": ln(float(heights.max()), _FLOOR),
        "node_summed_ln_ml": ln(float(over.sum()) * REGION_MM**3 / 1000.0, _FLOOR),
    }


def track_spots(first: Spots, later: Spots) -> dict[str, float]:
    """What the spots of the first visit have become, weighted by their height then.

    In registered space each may have moved by 10 mm. Without a spot at the first visit: 0, no
    change. NaN where the later scan reaches none of them.
    """
    if not first.peaks:
        return {"node_tracked_ln_ratio": 0.0}
    seen = [peak for peak in first.peaks if later.covered[peak]]
    if not seen:
        return {"node_tracked_ln_ratio": math.nan}
    before = np.array([first.height[peak] for peak in seen])
    after = np.array([max(_highest_near(later.height, peak), 0.0) for peak in seen])
    ratio = np.log((after + _FLOOR) / (before + _FLOOR))
    return {"node_tracked_ln_ratio": float(before @ ratio / before.sum())}


def _highest_near(height: Values, place: tuple[int, ...]) -> float:
    """The highest of (x, y, z) within 10 mm of a voxel; the field is mirrored at its faces."""
    near = _ball(_TRACKING_MM)
    reach = near.shape[0] // 2
    padded = np.pad(height, reach, mode="symmetric")
    return float(padded[tuple(slice(n, n + 2 * reach + 1) for n in place)][near].max())


def _plausible(pet: Sampled, region: Region) -> Mask:
    x, y, z = region.points_mm
    lesion = region.points_mm[:, region.outside_mm <= 0].mean(axis=1)
    allowed = eroded(pet.covered, times=_EDGE_VOXELS)
    allowed &= region.outside_mm > CLEAR_OF_LESION_MM
    allowed &= (y <= lesion[1] + _FRONT_MM) & (z >= lesion[2] - _BELOW_MM)
    body = x[pet.tissue]
    if body.size and np.ptp(body) > _BOTH_HALVES_MM:
        middle = float(body.min() + body.max()) / 2
        allowed &= np.sign(x - middle) == np.sign(lesion[0] - middle)
    return np.asarray(allowed)


def _organs(uptake: Values, height: Values, allowed: Mask, least: float) -> Mask:
    """What belongs to something larger than nodes, of all that stands out (x, y, z).

    From the highest spot down. What is wide at the level of a low spot may rise to a node more than
    twice as high: that stays.

    Args:
        uptake: In units of the far body, (x, y, z).
        height: The same above its surroundings, (x, y, z).
        allowed: Where a spot may lie, (x, y, z).
        least: Height from which on something stands out.
    """
    from scipy.ndimage import binary_dilation, label

    left = allowed & (height > least)
    organs, spots = np.zeros_like(allowed), np.zeros_like(height)
    reach = int(_GROWN_MM / REGION_MM)
    places = np.argwhere(left)
    for peak in places[np.argsort(-height[left], kind="stable")].tolist():
        if not left[tuple(peak)]:
            continue
        highest = height[tuple(peak)]
        box = tuple(slice(max(n - reach, 0), n + reach + 1) for n in peak)
        inside = tuple(n - part.start for n, part in zip(peak, box, strict=True))
        parts, _ = label(uptake[box] >= uptake[tuple(peak)] - highest / 2)
        grown = parts == parts[inside]
        volume_ml = float(grown.sum()) * REGION_MM**3 / 1000.0
        around = binary_dilation(grown)  # the blur about it
        if volume_ml > MOST_ML:
            organs[box] |= around & (spots[box] <= 2 * highest)
        else:
            spots[box][grown] = highest
        left[box][around] = False
    return organs


def _ball(radius_mm: float) -> Mask:
    reach = int(radius_mm / REGION_MM)
    steps = np.ogrid[tuple(slice(-reach, reach + 1) for _ in range(3))]
    return np.asarray(sum(step**2 for step in steps) <= (radius_mm / REGION_MM) ** 2)
